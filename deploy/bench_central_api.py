"""The central API's cached answers beside FastAPI with fastapi-cache2, DRF and nginx."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from statistics import median
from typing import Final

from deploy import bench_web
from deploy.bench import Figure, show
from deploy.bench_central_world import central_environment
from deploy.bench_env import PeersUnavailable, bench_bin
from deploy.bench_http import Cores, two_cores
from deploy.bench_web import Measured, ToolMissing, WebServer
from deploy.environments import inherited
from deploy.ports import HOST, free_ports
from deploy.stack_options import ROOT

ROUNDS: Final = 5
SECONDS: Final = 3.0
KEYS: Final = 200
PATH: Final = "/api/v1/recommendations"
LANE: Final = "central: fast lane"
DRF: Final = "central: DRF alone"
FASTAPI: Final = "FastAPI + fastapi-cache2"
NGINX: Final = "nginx static"
HOW: Final = (
    f"GET {PATH} (50 coins), wrk -t1 -c{bench_web.CONNECTIONS} on another core,"
    f" {KEYS} keys in turn, every request checked and counted exactly in Redis;"
    " one worker each, rounds in turn, medians"
)
Step = Callable[[str], None]


def figures(
    step: Step, *, rounds: int = ROUNDS, seconds: float = SECONDS
) -> list[Figure]:
    """Measure all servers in alternating rounds.

    What is not installed is left out with a message on stderr.
    """
    cores = two_cores()
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cores.client})  # the services, too: they are not measured
    try:
        with _servers(cores, step) as (servers, script):
            step("API: one look at each server")
            for server in servers:
                bench_web.ask(server, PATH, script=script, seconds=1)
            taken: dict[str, list[Measured]] = {server.name: [] for server in servers}
            for number in range(rounds):
                step(f"API: round {number + 1} of {rounds}")
                for server in servers:
                    found = bench_web.ask(server, PATH, script=script, seconds=seconds)
                    taken[server.name].append(found)
    except ToolMissing as missing:
        print(f"bench: the API's figures are left out: {missing}", file=sys.stderr)
        return []
    finally:
        os.sched_setaffinity(0, before)
    return _figures({name: _median(all_) for name, all_ in taken.items()})


def _median(rounds: list[Measured]) -> Measured:
    return Measured(*(median(values) for values in zip(*rounds, strict=True)))


def _figures(found: Mapping[str, Measured]) -> list[Figure]:
    ours = found[LANE]
    rows = [
        Figure(
            name=f"api_rps_{name}",
            value=found[server].per_second,
            unit="requests/s",
            baseline=LANE,
            baseline_value=ours.per_second,
            about=f"{server}: p50 {found[server].p50_ms:.2f} ms, p99"
            f" {found[server].p99_ms:.2f} ms, {found[server].cpu_us:.0f} us of server"
            " CPU a request",
        )
        for name, server in (
            ("lane", LANE), ("drf", DRF), ("fastapi_cache", FASTAPI),
            ("nginx_static", NGINX),
        )
        if server in found
    ]  # fmt: skip
    if peer := found.get(FASTAPI):
        rows.append(
            Figure(
                name="api_rps_vs_fastapi_cache",
                value=ours.per_second / peer.per_second,
                unit="x",
                baseline=f"{FASTAPI} on granian",
                baseline_value=1.0,
                about=f"{ours.per_second:,.0f} and {peer.per_second:,.0f} requests/s;"
                f" CPU {peer.cpu_us / ours.cpu_us:.1f} times as little. {HOW}.",
            )
        )
    if limit := found.get(NGINX):
        rows.append(
            Figure(
                name="api_cpu_vs_nginx",
                value=ours.cpu_us / limit.cpu_us,
                unit="x",
                baseline=f"{NGINX}, the same bytes, neither key nor limit",
                baseline_value=1.0,
                about=f"server CPU a request: {ours.cpu_us:.0f} and {limit.cpu_us:.0f} us"
                f" ({limit.per_second:,.0f} requests/s are wrk's limit or nginx's)",
            )
        )
    return rows


@contextmanager
def _servers(cores: Cores, step: Step) -> Iterator[tuple[list[WebServer], Path]]:
    bench_web.need("wrk", package="wrk")
    with ExitStack() as stack:
        directory = Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="dantaro-bench-"))
        )
        step("API: stores and data")
        env = stack.enter_context(central_environment())
        seeded = json.loads(_seed(env))
        body = directory / "body.json"
        body.write_text(seeded["body"], encoding="utf-8")
        script = bench_web.wrk_script(seeded["keys"], file=directory / "keys.lua")
        servers = [
            stack.enter_context(server)
            for server in _started(directory, env, body, cores.server, step)
        ]
        yield servers, script


def _started(
    directory: Path, env: Mapping[str, str], body: Path, core: int, step: Step
) -> Iterator[AbstractContextManager[WebServer]]:
    """Yield each server that can be had, not started yet."""
    ours = Path(sys.executable).parent / "granian"
    for name, application in ((LANE, "application"), (DRF, "django_application")):
        step(f"API: {name}")
        yield _granian(
            name, ours, "wsgi", f"central_project.wsgi:{application}",
            env=env, directory=directory, core=core,
        )  # fmt: skip
    step(f"API: {FASTAPI}")
    try:
        theirs = bench_bin() / "granian"
    except PeersUnavailable as missing:
        print(f"bench: {FASTAPI} is left out: {missing}", file=sys.stderr)
    else:
        yield _granian(
            FASTAPI, theirs, "asgi", "deploy.bench_central_fastapi:app",
            env={**env, "BENCH_BODY": str(body)}, directory=directory, core=core,
        )  # fmt: skip
    step(f"API: {NGINX}")
    try:
        yield _nginx(directory, body, core=core)
    except ToolMissing as missing:
        print(f"bench: {NGINX} is left out: {missing}", file=sys.stderr)


def _granian(
    name: str,
    program: Path,
    interface: str,
    application: str,
    *,
    env: Mapping[str, str],
    directory: Path,
    core: int,
) -> AbstractContextManager[WebServer]:
    (port,) = free_ports(1)
    options = ["--host", HOST, "--port", str(port), "--no-ws", "--workers", "1"]
    options += ["--workers-kill-timeout", "5"]
    if interface == "wsgi":
        options += ["--blocking-threads", "4"]  # as it is run in production
    return bench_web.running(
        name,
        [str(program), "--interface", interface, *options, application],
        url=f"http://{HOST}:{port}",
        ready="/healthz",
        env={**env, "PYTHONPATH": str(ROOT)},
        log=directory / f"{port}.log",
        core=core,
    )


def _nginx(
    directory: Path, body: Path, *, core: int
) -> AbstractContextManager[WebServer]:
    program = bench_web.need("nginx", package="nginx-light")
    (port,) = free_ports(1)
    file = directory / "www" / PATH.lstrip("/")
    file.parent.mkdir(parents=True)
    shutil.copyfile(body, file)
    config = directory / "nginx.conf"
    config.write_text(
        _NGINX.format(
            directory=directory,
            port=port,
            host=HOST,
            # As root its worker would be somebody who may not read our directory.
            user="user root;" if os.geteuid() == 0 else "",
        )
    )
    return bench_web.running(
        NGINX,
        [program, "-p", str(directory), "-c", str(config)],
        url=f"http://{HOST}:{port}",
        ready=PATH,
        env=inherited(),
        log=directory / "nginx.log",
        core=core,
    )


_NGINX: Final = """
daemon off; {user} worker_processes 1; pid {directory}/nginx.pid;
error_log {directory}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000000;
  open_file_cache max=10; default_type application/json;
  client_body_temp_path {directory}/t1; proxy_temp_path {directory}/t2;
  fastcgi_temp_path {directory}/t3; uwsgi_temp_path {directory}/t4;
  scgi_temp_path {directory}/t5;
  server {{ listen {host}:{port}; root {directory}/www; }}
}}
"""


def _seed(env: Mapping[str, str]) -> str:
    return subprocess.run(
        [sys.executable, "-m", "deploy.bench_central_data", str(KEYS)],
        cwd=ROOT,
        env=dict(env),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout


if __name__ == "__main__":
    show(figures(lambda doing: print(doing, file=sys.stderr)), title="Central API")
