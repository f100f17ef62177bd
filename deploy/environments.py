"""The environment of each server's processes, and the files that hold it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import environ

from deploy.credentials import FLOWER_USER, Credentials
from deploy.ports import HOST
from deploy.services import Postgres, Valkey, write_private
from deploy.stack_options import ROOT, StackOptions

SIDES = ("central", "user")
PORT_NAMES = [
    *("CENTRAL_PORT", "USER_PORT", "SIMULATOR_PORT"),
    *("CENTRAL_FLOWER_PORT", "USER_FLOWER_PORT"),
    *("CENTRAL_POSTGRES_PORT", "CENTRAL_REDIS_PORT"),
    *("USER_POSTGRES_PORT", "USER_REDIS_PORT"),
    "USER_STREAM_PORT",  # the last: DANTARO_PORT_BASE counts in this order
]
NOT_INHERITED = ("DJANGO_", "PYTEST_", "DANTARO_", "CELERY_", "FLOWER_", "GRANIAN_")
NEVER_INHERITED = {
    *("SECRET_KEY", "DATABASE_URL", "REDIS_URL", "CACHE_URL", "ALLOWED_HOSTS"),
    *("CSRF_TRUSTED_ORIGINS", "DEBUG", "HTTPS", "UPBIT_BASE_URL", "LOG_LEVEL"),
    *("LOG_FORMAT", "METRICS_TOKEN", "API_BROWSABLE", "PROMETHEUS_MULTIPROC_DIR"),
    *("CENTRAL_API_URL", "CENTRAL_API_KEY", "STREAM_URL", "STREAM_ORIGINS"),
}


def configured(side: str, *, options: StackOptions) -> dict[str, str]:
    """Return what the owner set for a side: its .env file (`up` only), CENTRAL_* names.

    A demo and the tests never read the files: they must not touch a real database.
    """
    values = read_file(ROOT / f".env.{side}") if options.mode == "up" else {}
    for name in ("DATABASE_URL", "REDIS_URL", "CACHE_URL"):
        given = os.environ.get(f"{side.upper()}_{name}")
        if given:
            values[name] = given
    return {name: value for name, value in values.items() if value}


def read_file(path: Path) -> dict[str, str]:
    """Read NAME=value lines as the servers do; empty if there is no such file."""

    class File(environ.Env):  # type: ignore[misc]
        ENVIRON: ClassVar[dict[str, str]] = {}

    if path.is_file():
        File.read_env(str(path))
    return dict(File.ENVIRON)


def side_services(
    side: str, *, options: StackOptions, credentials: Credentials
) -> tuple[Postgres, Valkey]:
    """Return the private services of a side, started or not."""
    directory, password = options.directory / side, credentials.store_password(side)
    postgres = Postgres(
        name=f"{side}-postgres",
        directory=directory / "postgres",
        port=credentials.ports[f"{side.upper()}_POSTGRES_PORT"],
        password=password,
        durable=options.mode == "up",
    )
    valkey = Valkey(
        name=f"{side}-valkey",
        directory=directory / "valkey",
        port=credentials.ports[f"{side.upper()}_REDIS_PORT"],
        password=password,
        durable=options.mode != "test",
    )
    return postgres, valkey


def side_environment(
    side: str,
    *,
    options: StackOptions,
    credentials: Credentials,
    given: Mapping[str, str],
) -> dict[str, str]:
    """Return one server's own variables; what the owner configured wins."""
    ports = credentials.ports
    postgres, valkey = side_services(side, options=options, credentials=credentials)
    flower = ports[f"{side.upper()}_FLOWER_PORT"]
    redis_url = given.get("REDIS_URL") or valkey.url(0)
    common = {
        "DATABASE_URL": postgres.url(side),
        "REDIS_URL": redis_url,
        "CACHE_URL": redis_url if given.get("REDIS_URL") else valkey.url(1),
        "ALLOWED_HOSTS": f"{HOST},localhost",
        "CSRF_TRUSTED_ORIGINS": "",
        "DEBUG": "0",
        "HTTPS": "0",
        "LOG_LEVEL": "INFO",
        "UPBIT_BASE_URL": f"http://{HOST}:{ports['SIMULATOR_PORT']}",
        "DANTARO_RATE_FACTOR": options.rate_factor,
        "FLOWER_URL": f"http://{HOST}:{flower}",
    }
    own = _central(options, credentials)
    if side == "user":
        own = _user(options, credentials)
    return {**common, **own, **given}


def _central(options: StackOptions, credentials: Credentials) -> dict[str, str]:
    return {
        "SECRET_KEY": credentials.central_secret_key,
        "METRICS_TOKEN": credentials.metrics_token,
        "DANTARO_WINDOW_SECONDS": str(options.window_seconds),
        "DANTARO_ENSURE_SECONDS": str(options.ensure_seconds),
        "DANTARO_VALIDITY_SECONDS": str(options.validity_seconds),
        "DANTARO_HISTORY_DAYS": str(options.history_days),
        "DANTARO_ENVIRONMENT": "demo" if options.mode == "demo" else "production",
    }


def _user(options: StackOptions, credentials: Credentials) -> dict[str, str]:
    return {
        "SECRET_KEY": credentials.user_secret_key,
        "CENTRAL_API_URL": f"http://{HOST}:{credentials.ports['CENTRAL_PORT']}",
        "CENTRAL_API_KEY": credentials.central_api_key,
        "DANTARO_KEYS_KEK": credentials.keys_kek,
        "DANTARO_INSTANCE": credentials.instance,
        "DANTARO_PULL_SECONDS": str(options.pull_seconds),
        "DANTARO_SHARDS": str(options.shards),
        "DANTARO_LIVE_TRADING": "0",
        "STREAM_URL": f"http://{HOST}:{credentials.ports['USER_STREAM_PORT']}/stream/",
        "STREAM_ORIGINS": f"http://{HOST}:{credentials.ports['USER_PORT']}",
    }


def inherited() -> dict[str, str]:
    """Return this process's environment without anything that configures a server."""
    return {
        name: value
        for name, value in os.environ.items()
        if name not in NEVER_INHERITED and not name.startswith(NOT_INHERITED)
    }


def process_environment(
    side: str, *, own: Mapping[str, str], file: Path, credentials: Credentials
) -> dict[str, str]:
    """Return the full environment of a side's processes."""
    return {
        **inherited(),
        **own,
        "DANTARO_ENV_FILE": str(file),
        "DJANGO_SETTINGS_MODULE": f"{side}_project.settings",
        # In the environment, not among the arguments that everybody may list.
        "FLOWER_BASIC_AUTH": f"{FLOWER_USER}:{credentials.flower_password}",
    }


def write_file(path: Path, values: Mapping[str, str]) -> None:
    """Write NAME=value lines for manage_*.py; secrets, so for the owner only."""
    lines = [f"{name}={value}" for name, value in values.items()]
    write_private(path, "\n".join(lines) + "\n")
