"""The processes of both servers: which commands, in which order, and when ready."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.credentials import Credentials
from deploy.environments import inherited
from deploy.ports import HOST
from deploy.readiness import Check, http_answers, postgres_answers, redis_answers
from deploy.services import Postgres, Valkey
from deploy.stack_options import ROOT, StackOptions
from deploy.supervisor import Program

BIN = Path(sys.executable).parent


@dataclass(frozen=True, kw_only=True)
class SideProcesses:
    """One server's processes, in the groups in which they are started."""

    web: Program
    workers: Mapping[str, Program]  # by Celery node name (the part before @)
    loops: tuple[Program, ...]
    flower: Program

    def all(self) -> list[Program]:
        """Return all programs in starting order."""
        return [self.web, *self.workers.values(), *self.loops, self.flower]


def side_processes(
    side: str, *, env: Mapping[str, str], ports: Mapping[str, int], shards: int
) -> SideProcesses:
    """Return the processes of a side; the user side has one worker per shard."""
    if side == "central":
        return _central_processes(env=env, ports=ports)
    return _user_processes(env=env, ports=ports, shards=shards)


def _central_processes(
    *, env: Mapping[str, str], ports: Mapping[str, int]
) -> SideProcesses:
    side = "central"
    return SideProcesses(
        web=_web(side, env=env, port=ports["CENTRAL_PORT"]),
        workers={
            "pipeline": _worker(side, "pipeline", queues="pipeline", env=env),
            # Two at a time: the daily report card works for minutes, a due run cannot wait.
            "housekeeping": _worker(
                side, "housekeeping", queues="housekeeping", env=env, at_once=2
            ),
        },
        loops=(_beat(side, env=env),),
        flower=_flower(side, env=env, port=ports["CENTRAL_FLOWER_PORT"]),
    )


def _user_processes(
    *, env: Mapping[str, str], ports: Mapping[str, int], shards: int
) -> SideProcesses:
    side = "user"
    queues = {f"bots{shard}": f"bots.{shard}" for shard in range(shards)}
    queues |= {"reconcile": "reconcile", "pull": "pull,housekeeping"}
    watch = Program(
        name="user-watch",
        command=(sys.executable, "manage_user.py", "watch"),
        env=env,
        directory=ROOT,
    )
    publish = Program(
        name="user-publish",
        command=(sys.executable, "manage_user.py", "publish"),
        env=env,
        directory=ROOT,
    )
    return SideProcesses(
        web=_web(side, env=env, port=ports["USER_PORT"]),
        workers={
            node: _worker(side, node, queues=names, env=env)
            for node, names in queues.items()
        },
        loops=(
            watch,
            publish,
            _stream(env, ports["USER_STREAM_PORT"]),
            _beat(side, env=env),
        ),
        flower=_flower(side, env=env, port=ports["USER_FLOWER_PORT"]),
    )


def simulator(*, options: StackOptions, credentials: Credentials) -> Program:
    """Return the local exchange with one paper account; it survives restarts."""
    port = credentials.ports["SIMULATOR_PORT"]
    keys = f"{credentials.access_key}:{credentials.secret_key}"
    command = [sys.executable, "-m", "deploy.simulator", "--port", str(port)]
    command += ["--account", f"{keys}:{options.paper_won}"]
    command += ["--rate-factor", options.rate_factor]
    command += ["--state", str(options.directory / "simulator")]
    command += _market(options)
    return Program(
        name="simulator", command=tuple(command), env=inherited(), directory=ROOT
    )


def _market(options: StackOptions) -> list[str]:
    if options.upstream is not None:
        return ["--upstream", options.upstream]
    command = ["--seed", str(options.seed), "--speed", options.speed]
    if options.replay is not None:
        command += ["--replay", str(options.replay)]
    if options.replay_from is not None:
        command += ["--replay-from", options.replay_from]
    return command


def readiness(
    name: str,
    *,
    services: Mapping[str, tuple[Postgres, Valkey]],
    urls: Callable[[str], str],
) -> Check | None:
    """Return the check that a program is ready, or None if running is enough.

    `urls` turns a port's name into the address behind it.
    """
    for postgres, valkey in services.values():
        if name == postgres.name:
            return postgres_answers(postgres.url("postgres"))
        if name == valkey.name:
            return redis_answers(valkey.url())
    if name == "simulator":
        return http_answers(f"{urls('SIMULATOR_PORT')}/healthz")
    side, _, kind = name.partition("-")
    if kind == "web":
        return http_answers(f"{urls(f'{side.upper()}_PORT')}/healthz", any_status=True)
    if name == "user-stream":
        return http_answers(urls("USER_STREAM_PORT"), any_status=True)
    if kind == "flower":
        return http_answers(urls(f"{side.upper()}_FLOWER_PORT"), any_status=True)
    return None


def _web(side: str, *, env: Mapping[str, str], port: int) -> Program:
    options = ["--host", HOST, "--port", str(port), "--no-ws", "--workers", "1"]
    options += ["--blocking-threads", "4", "--respawn-failed-workers"]
    options += ["--workers-kill-timeout", "5"]
    if side == "central":
        options += ["--log-config", str(ROOT / "central_project" / "granian_logs.json")]
    return Program(
        name=f"{side}-web",
        command=(
            # As a module: its log settings name a class of the server's own.
            *(sys.executable, "-m", "granian", "--interface", "wsgi", *options),
            f"{side}_project.wsgi:application",
        ),
        env=env,
        directory=ROOT,
    )


def _stream(env: Mapping[str, str], port: int) -> Program:
    options = ["--host", HOST, "--port", str(port), "--no-ws", "--workers", "1"]
    options += ["--respawn-failed-workers", "--workers-kill-timeout", "2"]
    return Program(
        name="user-stream",
        command=(
            # Without lifespan, which Django does not speak.
            *(sys.executable, "-m", "granian", "--interface", "asginl", *options),
            "user_project.stream.asgi:application",
        ),
        env=env,
        directory=ROOT,
    )


def _celery(side: str) -> tuple[str, ...]:
    return (str(BIN / "celery"), "-q", "-A", f"{side}_project.celery")


def _worker(
    side: str, node: str, *, queues: str, env: Mapping[str, str], at_once: int = 1
) -> Program:
    options = [
        "-Q",
        queues,
        "-c",
        str(at_once),
        "-n",
        f"{node}@%h",
        "-O",
        "fair",
        "-l",
        "INFO",
    ]
    return Program(
        name=f"{side}-{node}",
        command=(
            *(*_celery(side), "worker", *options),
            *("--without-mingle", "--without-gossip"),
        ),
        env=env,
        directory=ROOT,
        stop_seconds=20.0,
    )


def _beat(side: str, *, env: Mapping[str, str]) -> Program:
    scheduler = "django_celery_beat.schedulers:DatabaseScheduler"
    return Program(
        name=f"{side}-beat",
        command=(*_celery(side), "beat", "-S", scheduler, "--pidfile=", "-l", "INFO"),
        env=env,
        directory=ROOT,
    )


def _flower(side: str, *, env: Mapping[str, str], port: int) -> Program:
    options = [f"--address={HOST}", f"--port={port}", "--read_only=true"]
    return Program(
        name=f"{side}-flower",
        command=(*_celery(side), "flower", *options),
        env=env,
        directory=ROOT,
        stop_seconds=5.0,
    )
