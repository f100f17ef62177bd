"""A whole Dantaro on this machine: services, simulator, and both servers' processes."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Self

from deploy import guard
from deploy.credentials import ADMIN, FLOWER_USER, Credentials
from deploy.environments import (
    PORT_NAMES,
    SIDES,
    configured,
    process_environment,
    read_file,
    side_environment,
    side_services,
    write_file,
)
from deploy.management import CommandFailed, Management
from deploy.ports import HOST, assign_ports
from deploy.programs import SideProcesses, readiness, side_processes, simulator
from deploy.readiness import workers_answer
from deploy.runs import RunLock
from deploy.stack_options import RUN, StackOptions
from deploy.supervisor import Program, StartFailed, Supervisor

WORKER_SECONDS = 90.0
MARKETS, UPSTREAM_MARKETS = 128, 250
CANDLES_PER_CALL, CALLS_PER_SECOND = 200, 9
"""What an exchange lists and allows, for telling how long the first start takes."""
PAPER_ACCOUNT = "모의투자"


class Stack:
    """One running installation; `up` starts it, `close` leaves nothing behind."""

    def __init__(
        self,
        options: StackOptions,
        *,
        announce: Callable[[str], None] = print,
        ports: Mapping[str, str] | None = None,
    ) -> None:
        """Take the directory, the secrets and the ports; nothing is started yet.

        `ports` holds configured ones (CENTRAL_PORT, ..., DANTARO_PORT_BASE). Raises
        AlreadyRunning and PortTaken.
        """
        self.options, self.directory = options, options.directory
        self.logs = self.directory / "logs"
        self._given = {side: configured(side, options=options) for side in SIDES}
        self._lock = RunLock(self.directory)
        self._lock.acquire()
        try:
            self.credentials = Credentials.load_or_make(self.directory)
            self.credentials.ports = assign_ports(
                names=PORT_NAMES,
                configured={**self._given["central"], **self._given["user"]}
                | dict(ports or {}),
                kept=self.credentials.ports,
            )
            self.credentials.save()
        except BaseException:
            self._lock.release()
            raise
        self._announce = announce
        self._services = {
            side: side_services(side, options=options, credentials=self.credentials)
            for side in SIDES
        }
        self._programs: dict[str, Program] = {}
        self._preparing = threading.Lock()
        self._management = Management(logs=self.logs)
        self.supervisor = Supervisor(
            log_directory=self.logs,
            announce=announce,
            echo=print if options.echo else None,
            held_until_swept=(self._lock.fileno(),),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # --- how it is reached ------------------------------------------------------

    @property
    def central_url(self) -> str:
        """Return the central server's address."""
        return self._url("CENTRAL_PORT")

    @property
    def user_url(self) -> str:
        """Return the user server's address."""
        return self._url("USER_PORT")

    @property
    def stream_url(self) -> str:
        """Return the address at which pages hear of changes."""
        return self._url("USER_STREAM_PORT")

    @property
    def simulator_url(self) -> str:
        """Return the local exchange's address."""
        return self._url("SIMULATOR_PORT")

    def flower_url(self, side: str) -> str:
        """Return the address of a side's Flower."""
        return self._url(f"{side.upper()}_FLOWER_PORT")

    @property
    def admin(self) -> tuple[str, str]:
        """Return name and password of the first administrator of both servers."""
        return ADMIN, self.credentials.admin_password

    @property
    def flower_login(self) -> tuple[str, str]:
        """Return Flower's name and password."""
        return FLOWER_USER, self.credentials.flower_password

    @property
    def paper_keys(self) -> tuple[str, str]:
        """Return the paper account's access and secret key."""
        return self.credentials.access_key, self.credentials.secret_key

    @property
    def api_key(self) -> str:
        """Return the key with which the user server asks central."""
        return self.environment("user")["CENTRAL_API_KEY"]

    def environment(self, side: str) -> dict[str, str]:
        """Return a server's own variables as they are now."""
        return side_environment(
            side,
            options=self.options,
            credentials=self.credentials,
            given=self._given[side],
        )

    def _url(self, port: str) -> str:
        return f"http://{HOST}:{self.credentials.ports[port]}"

    # --- starting and stopping ----------------------------------------------------

    def up(self) -> None:
        """Start everything in order.

        Raises StartFailed, CommandFailed or ServiceUnavailable; close it in any case.
        """
        self._announce("Starting PostgreSQL and Valkey for each side, and the exchange")
        self._together(self.start_exchange, self.start_services)
        self._announce("Preparing the databases")
        self._together(
            lambda: self._prepare("central", self._central_commands()),
            lambda: self._prepare("user", self._user_commands()),
        )
        self._read_api_key()
        self._announce(
            "Starting both servers; central first needs"
            f" {self.options.history_days} days of candles"
            f" (on the first start about {self._history_seconds():.0f} s)"
        )
        # The first analysis has to find the history, the user side need not wait.
        self._together(self._start_central, lambda: self.start_side("user"))

    def start_exchange(self) -> None:
        """Start the simulator."""
        self._programs["simulator"] = simulator(
            options=self.options, credentials=self.credentials
        )
        self._start_missing("simulator")

    def start_services(self) -> None:
        """Start each side's PostgreSQL and Valkey, as far as none is configured."""
        self._write_env_files()
        self._together(
            lambda: self._start_services("central"),
            lambda: self._start_services("user"),
        )

    def start_side(self, side: str) -> None:
        """Start those processes of one server that do not run; services stay as is."""
        processes = self._processes(side)
        workers = {p.name: node for node, p in processes.workers.items()}
        loops = [program.name for program in processes.loops]
        self._start_missing(processes.web.name, *workers, *loops)
        running = self.supervisor.running()
        self._wait_for_workers(side, {n for p, n in workers.items() if p in running})
        # After the workers answer: it asks them once and remembers who failed.
        if processes.flower.name not in {*running, *self.options.without}:
            # Nobody waits for it: it is a window, not a part of the works.
            self.supervisor.start(processes.flower)

    def stop_side(self, side: str) -> None:
        """Stop all processes of one server; its PostgreSQL and Valkey stay up."""
        running = self.supervisor.running()
        names = [program.name for program in self._processes(side).all()]
        self.stop(*(name for name in names if name in running))

    def start(self, *names: str) -> None:
        """Start single programs, services and simulator included, until ready."""
        for name in names:
            check = readiness(name, services=self._services, urls=self._url)
            self.supervisor.start(self._programs[name], ready=check)

    def stop(self, *names: str) -> None:
        """Stop single programs in parallel."""
        self.supervisor.stop(*names)

    def close(self) -> None:
        """Stop everything: the servers first, then simulator and stores."""
        self._management.close()
        self.supervisor.close()
        self._lock.release()

    def kill(self) -> None:
        """End everything at once."""
        self._management.close()
        self.supervisor.kill_all()

    def manage(self, side: str, *arguments: str, **extra: str) -> str:
        """Run a management command; `extra` are variables. CommandFailed if it fails."""
        env = {**self._process_environment(side), **extra}
        env[guard.TOKEN_NAME] = self.supervisor.token
        return self._management.run(side, arguments, env=env)

    # --- steps --------------------------------------------------------------------

    def _start_services(self, side: str) -> None:
        postgres, valkey = self._services[side]
        if "REDIS_URL" not in self._given[side]:
            valkey.prepare()
            self._programs[valkey.name] = valkey.program()
            self._start_missing(valkey.name)
        if "DATABASE_URL" not in self._given[side]:
            postgres.prepare()
            self._programs[postgres.name] = postgres.program()
            self._start_missing(postgres.name)
            postgres.create_databases(side)

    def _prepare(self, side: str, commands: Mapping[str, Sequence[str]]) -> None:
        """Migrate, and run those commands not yet run for this very database."""
        database = self.environment(side)["DATABASE_URL"]
        place = hashlib.sha256(database.encode()).hexdigest()[:12]
        marks = {f"{side} {name} {place}": name for name in commands}
        new = [mark for mark in marks if mark not in self.credentials.prepared]
        access_key, secret_key = self.paper_keys
        env = {
            **self._process_environment(side),
            guard.TOKEN_NAME: self.supervisor.token,
            "DJANGO_SUPERUSER_PASSWORD": self.admin[1],
            "DANTARO_ACCESS_KEY": access_key,
            "DANTARO_SECRET_KEY": secret_key,
        }
        migrate = ("migrate", "--noinput", "--verbosity", "0")
        todo = [commands[marks[mark]] for mark in new]
        try:
            self._management.run(side, migrate, *todo, env=env)
        except CommandFailed as failure:
            new = new[: max(0, failure.finished - 1)]
            raise
        finally:
            with self._preparing:
                self.credentials.prepared += new
                self.credentials.save()

    def _central_commands(self) -> dict[str, Sequence[str]]:
        """Return what a new central database needs: an admin, and the user's key."""
        commands = {"admin": self._create_admin()}
        if not self._given["user"].get("CENTRAL_API_KEY"):
            file = str(self.directory / "user.env")
            commands["key"] = ("create_api_key", "user", "--env-file", file)
        return commands

    def _user_commands(self) -> dict[str, Sequence[str]]:
        account = ("--owner", ADMIN, "--name", PAPER_ACCOUNT)
        return {
            "admin": self._create_admin(),
            "account": ("create_account", *account),
        }

    def _create_admin(self) -> Sequence[str]:
        login = ("--username", ADMIN, "--email", f"{ADMIN}@localhost")
        return ("createsuperuser", "--noinput", *login)

    def _read_api_key(self) -> None:
        """Take the user server's key over, if central just wrote one."""
        written = read_file(self.directory / "user.env").get("CENTRAL_API_KEY", "")
        self.credentials.central_api_key = written
        self.credentials.save()
        self._write_env_files()
        for side in SIDES:
            self._programs |= {p.name: p for p in self._processes(side).all()}

    def _history_seconds(self) -> float:
        markets = MARKETS if self.options.upstream is None else UPSTREAM_MARKETS
        pages = markets * self.options.history_days * 24 / CANDLES_PER_CALL
        return pages / (CALLS_PER_SECOND * float(self.options.rate_factor))

    def _start_central(self) -> None:
        self._start_missing("central-web")
        if self.options.upstream_away:
            self._announce("Leaving central's history as it is until prices are back")
        else:
            days = str(self.options.history_days)
            self.manage("central", "backfill", "--days", days)
        self.start_side("central")

    def _write_env_files(self) -> None:
        for side in SIDES:
            write_file(self.directory / f"{side}.env", self.environment(side))
            if self.options.mode == "up":
                write_file(RUN / f"{side}.env", self.environment(side))

    def _process_environment(self, side: str) -> dict[str, str]:
        return process_environment(
            side,
            own=self.environment(side),
            file=self.directory / f"{side}.env",
            credentials=self.credentials,
        )

    def _processes(self, side: str) -> SideProcesses:
        return side_processes(
            side,
            env=self._process_environment(side),
            ports=self.credentials.ports,
            shards=int(self.environment("user")["DANTARO_SHARDS"]),
        )

    def _start_missing(self, *names: str) -> None:
        out = {*self.supervisor.running(), *self.options.without}
        missing = [name for name in names if name not in out]
        self._together(*(lambda name=name: self.start(name) for name in missing))

    def _wait_for_workers(self, side: str, nodes: set[str]) -> None:
        broker = self.environment(side)["REDIS_URL"]
        answer = workers_answer(side=side, broker_url=broker, names=nodes)
        deadline = time.monotonic() + WORKER_SECONDS
        while nodes and not answer():
            if time.monotonic() > deadline:
                raise StartFailed(
                    f"the {side} server's workers do not answer; look at {self.logs}"
                )

    def _together(self, *steps: Callable[[], object]) -> None:
        """Run the steps at the same time; raise the first failure."""
        pool = ThreadPoolExecutor(max_workers=max(1, len(steps)))
        try:
            for future in [pool.submit(step) for step in steps]:
                future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
