"""A user server without its surroundings: own stores, the simulator, chosen processes.

For benchmarks and failure tests, which have no central and kill what a stack keeps up.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.request import Request, urlopen

from deploy.environments import inherited
from deploy.ports import HOST, free_ports
from deploy.programs import SideProcesses, side_processes
from deploy.readiness import (
    http_answers,
    postgres_answers,
    redis_answers,
    workers_answer,
)
from deploy.services import Postgres, Valkey
from deploy.stack_options import ROOT
from deploy.supervisor import Program, StartFailed, Supervisor
from deploy.testing import django_environment

PASSWORD = "only-for-this-run"


@dataclass(frozen=True, kw_only=True)
class Key:
    """An API key of the simulator; its account has plenty of paper money."""

    access: str
    secret: str


@dataclass(frozen=True, kw_only=True)
class UserWorld:
    """What runs, and how to speak with it."""

    supervisor: Supervisor
    env: Mapping[str, str]
    valkey: Program
    """To start it again after it was stopped."""
    simulator_url: str
    keys: tuple[Key, ...]
    processes: SideProcesses

    def manage(self, *command: str) -> str:
        """Run a command of manage_user.py and return what it printed."""
        return self.python("manage_user.py", *command)

    def seed(self, what: Mapping[str, Any]) -> Any:
        """Put accounts and bots into the database; see deploy.user_bots."""
        return json.loads(self.python("-m", "deploy.user_bots", text=json.dumps(what)))

    def python(self, *arguments: str, text: str = "") -> str:
        """Run Python in the server's environment; raises CalledProcessError."""
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=self.env,
            input=text,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        return done.stdout

    def start(self, *nodes: str, seconds: float = 60.0) -> None:
        """Start workers by node name and wait until they answer; raises StartFailed."""
        for node in nodes:
            self.supervisor.start(self.processes.workers[node])
        self.wait_for_workers(*nodes, seconds=seconds)

    def wait_for_workers(self, *nodes: str, seconds: float = 60.0) -> None:
        """Wait until these workers answer a ping; raises StartFailed."""
        answer = workers_answer(
            side="user", broker_url=self.env["REDIS_URL"], names=nodes
        )
        deadline = time.monotonic() + seconds
        while not answer():
            if time.monotonic() > deadline:
                raise StartFailed(f"{', '.join(nodes)} did not answer")

    def simulator(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the simulator's operator; raises HTTPError."""
        data = None if body is None else json.dumps(body).encode()
        url = f"{self.simulator_url}/simulator/{path}"
        with urlopen(Request(url, data=data, method=method), timeout=20) as answer:
            return json.load(answer)


@contextmanager
def user_world(
    *,
    accounts: int,
    shards: int = 1,
    market: Sequence[str] = (),
    won: int = 10**9,
    exchange_url: str | None = None,
    extra: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[UserWorld]:
    """Run the stores, with migrated tables, and the simulator; processes are chosen later.

    Without accounts there is no simulator; *exchange_url* names what is there instead.
    *market* are options of the simulator's command line, *extra* settings of the server
    besides its own. Nothing is durable: a Redis that is killed comes back empty.
    """
    with (
        tempfile.TemporaryDirectory(prefix="dantaro-world-") as directory,
        Supervisor(
            log_directory=Path(directory) / "logs", announce=lambda text: None
        ) as supervisor,
    ):
        database, redis, exchange, web, flower, stream = free_ports(6)
        postgres, valkey = _stores(Path(directory), database, redis)
        supervisor.start(
            postgres.program(), ready=postgres_answers(postgres.url("postgres"))
        )
        supervisor.start(valkey.program(), ready=redis_answers(valkey.url()))
        postgres.create_databases("dantaro_user")
        url = exchange_url or f"http://{HOST}:{exchange}"
        keys = tuple(
            Key(access=f"world-{number}", secret=f"{number:02d}" * 32)
            for number in range(accounts)
        )
        if keys:
            supervisor.start(
                _simulator(exchange, keys, won, market),
                ready=http_answers(f"{url}/healthz"),
            )
        stores = _environment(postgres.url("dantaro"), valkey.url(), url, shards)
        live = {
            "STREAM_URL": f"http://{HOST}:{stream}/stream/",
            "STREAM_ORIGINS": f"http://{HOST}:{web}",
        }
        env = {**stores, **live, **extra}
        world = UserWorld(
            supervisor=supervisor,
            env=env,
            valkey=valkey.program(),
            simulator_url=url,
            keys=keys,
            processes=side_processes(
                "user",
                env=env,
                ports={
                    "USER_PORT": web,
                    "USER_FLOWER_PORT": flower,
                    "USER_STREAM_PORT": stream,
                },
                shards=shards,
            ),
        )
        world.manage("migrate", "--verbosity", "0")
        yield world


def _stores(directory: Path, database: int, redis: int) -> tuple[Postgres, Valkey]:
    postgres = Postgres(
        name="postgres",
        directory=directory / "postgres",
        port=database,
        password=PASSWORD,
        durable=False,
    )
    valkey = Valkey(
        name="valkey",
        directory=directory / "valkey",
        port=redis,
        password=PASSWORD,
        durable=False,
    )
    postgres.prepare()
    valkey.prepare()
    return postgres, valkey


def _simulator(
    port: int, keys: Sequence[Key], won: int, market: Sequence[str]
) -> Program:
    command = [sys.executable, "-m", "deploy.simulator", "--port", str(port)]
    for key in keys:
        command += ["--account", f"{key.access}:{key.secret}:{won}"]
    return Program(
        name="simulator",
        command=(*command, "--faults", *market),
        env=inherited(),
        directory=ROOT,
    )


def _environment(
    database_url: str, redis_url: str, simulator_url: str, shards: int
) -> dict[str, str]:
    given = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
    return {
        **inherited(),
        **django_environment(folder="user", given=given),
        "DJANGO_SETTINGS_MODULE": "user_project.settings",
        "DANTARO_ENV_FILE": os.devnull,
        "UPBIT_BASE_URL": simulator_url,
        "DANTARO_SHARDS": str(shards),
    }
