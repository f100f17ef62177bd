"""Throw-away services and the environment that the servers' own tests run in."""

from __future__ import annotations

import base64
import secrets
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from deploy.ports import free_ports
from deploy.readiness import postgres_answers, redis_answers
from deploy.services import Postgres, Valkey
from deploy.supervisor import Supervisor

NOWHERE = "http://127.0.0.1:9"
"""Nothing listens there: a test that forgets to replace a server fails at once."""
REDIS_DATABASES = {"central": 1, "user": 2}


@contextmanager
def throw_away_services() -> Iterator[dict[str, str]]:
    """Run one PostgreSQL and one Valkey; yield DATABASE_URL and REDIS_URL."""
    with (
        tempfile.TemporaryDirectory(prefix="dantaro-test-") as directory,
        Supervisor(log_directory=Path(directory) / "logs") as supervisor,
    ):
        password = secrets.token_urlsafe(16)
        database_port, redis_port = free_ports(2)
        postgres = Postgres(
            name="postgres",
            directory=Path(directory) / "postgres",
            port=database_port,
            password=password,
            durable=False,
        )
        valkey = Valkey(
            name="valkey",
            directory=Path(directory) / "valkey",
            port=redis_port,
            password=password,
            durable=False,
        )
        postgres.prepare()
        valkey.prepare()
        database_url, redis_url = postgres.url("dantaro"), valkey.url()
        ready = postgres_answers(postgres.url("postgres"))
        supervisor.start(postgres.program(), ready=ready)
        supervisor.start(valkey.program(), ready=redis_answers(redis_url))
        yield {"DATABASE_URL": database_url, "REDIS_URL": redis_url}


def django_environment(*, folder: str, given: Mapping[str, str]) -> dict[str, str]:
    """Return every variable a server reads, so that no .env file shows through."""
    redis_url = given["REDIS_URL"]
    if urlsplit(redis_url).path in ("", "/", "/0"):
        redis_url = _with_path(redis_url, f"/{REDIS_DATABASES[folder]}")
    return {
        "SECRET_KEY": "only-for-tests",
        "DEBUG": "0",
        "API_BROWSABLE": "1",
        "HTTPS": "0",
        "ALLOWED_HOSTS": "127.0.0.1,localhost,testserver",
        "CSRF_TRUSTED_ORIGINS": "",
        "DATABASE_URL": _with_suffix(given["DATABASE_URL"], f"_{folder}"),
        "REDIS_URL": redis_url,
        "CACHE_URL": redis_url,
        "UPBIT_BASE_URL": NOWHERE,
        "FLOWER_URL": "",
        "DANTARO_ENVIRONMENT": "production",
        "LOG_LEVEL": "WARNING",
        "LOG_FORMAT": "json",
        "METRICS_TOKEN": "",
        "CENTRAL_API_URL": NOWHERE,
        "CENTRAL_API_KEY": "",
        # A number on central, addresses on the user server.
        "DANTARO_TRUSTED_PROXIES": "0" if folder == "central" else "",
        "DANTARO_RATE_FACTOR": "1",
        "DANTARO_WINDOW_SECONDS": "300",
        "DANTARO_ENSURE_SECONDS": "30",
        "DANTARO_VALIDITY_SECONDS": "900",
        "DANTARO_HISTORY_DAYS": "90",
        "DANTARO_PULL_SECONDS": "60",
        "DANTARO_SHARDS": "2",
        "DANTARO_INSTANCE": "test",
        "DANTARO_LIVE_TRADING": "0",
        "DANTARO_KEYS_KEK": base64.b64encode(bytes(range(32))).decode(),
    }


def _with_suffix(url: str, suffix: str) -> str:
    return _with_path(url, urlsplit(url).path + suffix)


def _with_path(url: str, path: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=path))
