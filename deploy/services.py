"""Private PostgreSQL and Valkey servers from installed packages, for one stack each."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

from deploy import child
from deploy.service_programs import (
    ServiceUnavailable,
    give_to_owner,
    postgres_bin,
    root_as,
    run_as_owner,
    valkey_binary,
)
from deploy.supervisor import Program

OWNER = "dantaro"
HOST = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class Postgres:
    """One private cluster, reachable by password on the loopback interface only."""

    name: str
    directory: Path  # holds the data directory and the password file
    port: int
    password: str
    durable: bool = True  # False: no fsync, for what is thrown away afterwards

    @property
    def data(self) -> Path:
        """Return the data directory."""
        return self.directory / "data"

    def url(self, database: str) -> str:
        """Return the connection URL of one of its databases."""
        return f"postgresql://{OWNER}:{self.password}@{HOST}:{self.port}/{database}"

    def prepare(self) -> None:
        """Make the cluster, or check that the kept one can be used."""
        if (self.data / "PG_VERSION").exists():
            _check_kept_cluster(self.data)
            return
        shutil.rmtree(self.data, ignore_errors=True)  # an interrupted initdb
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        give_to_owner(self.directory)
        password_file = self.directory / "password"
        write_private(password_file, self.password)
        give_to_owner(password_file)
        command = [str(postgres_bin() / "initdb"), "-D", str(self.data), "-U", OWNER]
        command += ["--auth=scram-sha-256", f"--pwfile={password_file}", "-E", "UTF8"]
        command += ["--locale=C", "--no-instructions"]
        run_as_owner(command if self.durable else [*command, "--no-sync"])
        password_file.unlink()

    def program(self) -> Program:
        """Return how to run it."""
        settings = [f"listen_addresses={HOST}", "unix_socket_directories="]
        settings += ["synchronous_commit=on", "max_connections=200"]
        if not self.durable:
            settings += ["fsync=off", "full_page_writes=off"]
        options = [part for setting in settings for part in ("-c", setting)]
        server = str(postgres_bin() / "postgres")
        return Program(
            name=self.name,
            command=(server, "-D", str(self.data), "-p", str(self.port), *options),
            env=dict(os.environ),
            stop_signal=signal.SIGINT,  # "fast": ends sessions, writes a checkpoint
            is_store=True,
            root_as=root_as(),
        )

    def create_databases(self, *names: str) -> None:
        """Create the databases that do not exist yet."""
        import psycopg2  # type: ignore[import-untyped]

        connection = psycopg2.connect(self.url("postgres"))
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute("SELECT datname FROM pg_database")
            existing = {row[0] for row in cursor.fetchall()}
            for name in set(names) - existing:
                cursor.execute(f'CREATE DATABASE "{name}"')
        connection.close()


@dataclass(frozen=True, kw_only=True)
class Valkey:
    """One private Redis-compatible server behind a password."""

    name: str
    directory: Path
    port: int
    password: str
    durable: bool = True

    def url(self, database: int = 0) -> str:
        """Return the connection URL of one of its numbered databases."""
        return f"redis://:{self.password}@{HOST}:{self.port}/{database}"

    def prepare(self) -> None:
        """Write the configuration; it holds the password, so only we may read it."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        lines = [
            f"bind {HOST}",
            f"port {self.port}",
            f"requirepass {self.password}",
            f'dir "{self.directory}"',
            f"appendonly {'yes' if self.durable else 'no'}",
            'save ""',
            "maxmemory-policy noeviction",  # a broker must never drop messages
        ]
        write_private(self.directory / "valkey.conf", "\n".join(lines) + "\n")

    def program(self) -> Program:
        """Return how to run it."""
        return Program(
            name=self.name,
            command=(str(valkey_binary()), str(self.directory / "valkey.conf")),
            env=dict(os.environ),
            is_store=True,
        )


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def _check_kept_cluster(data: Path) -> None:
    owner = data.stat().st_uid
    expected = child.NOBODY if root_as() == "nobody" else os.geteuid()
    if owner != expected:
        raise ServiceUnavailable(
            f"{data} belongs to user id {owner}, but this is user id {os.geteuid()}."
            f" Run it as the user who made it, or move {data.parent} away."
        )
    kept = (data / "PG_VERSION").read_text().strip()
    version = _server_major_version()
    if kept != version:
        raise ServiceUnavailable(
            f"{data} was made by PostgreSQL {kept}, the installed one is {version}."
            f" Set DANTARO_PG_BIN to a PostgreSQL {kept}, or move {data.parent} away."
        )
    _forget_dead_postmaster(data)


def _server_major_version() -> str:
    server = str(postgres_bin() / "postgres")
    result = subprocess.run([server, "--version"], capture_output=True, text=True)
    return result.stdout.split()[-1].split(".")[0]


def _forget_dead_postmaster(data: Path) -> None:
    # After a crash the file may name a process id that somebody else has by now.
    lock = data / "postmaster.pid"
    if not lock.exists():
        return
    pid = lock.read_text().splitlines()[0]
    try:
        running = Path(f"/proc/{pid}/cwd").resolve(strict=True) == data.resolve()
    except OSError:
        running = False
    if not running:
        lock.unlink()
