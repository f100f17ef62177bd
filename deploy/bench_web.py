"""Web servers on a core of their own, asked by wrk from another one."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from deploy.bench_http import Server
from deploy.readiness import http_answers
from deploy.stack_options import ROOT

CONNECTIONS: Final = 16
START_SECONDS: Final = 60.0
_SECONDS: Final = {"us": 1e-3, "ms": 1.0, "s": 1e3}
_LUA: Final = """
local keys = {%s}
local at = 0
request = function()
  at = at %% #keys + 1
  return wrk.format("GET", nil, {["Authorization"] = "Bearer " .. keys[at]})
end
"""
"""Each request with the next key."""


class ToolMissing(RuntimeError):
    """A program of the benchmark is not installed; the message says how to."""


class Measured(NamedTuple):
    """One round against one server."""

    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float
    """Server CPU per request, over all processes of the server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebServer:
    """A running server with its workers."""

    name: str
    url: str
    pid: int

    def cpu_seconds(self) -> float:
        """Return the time its processes have worked."""
        return sum(Server(pid=pid, port=0).cpu_seconds() for pid in _tree(self.pid))


def need(program: str, *, package: str) -> str:
    """Return the path of *program*; raise ToolMissing naming the Debian package."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin")
    if found is None:
        raise ToolMissing(f"{program} is missing: sudo apt install {package}")
    return found


@contextlib.contextmanager
def running(
    name: str,
    command: Sequence[str],
    *,
    url: str,
    ready: str,
    env: Mapping[str, str],
    log: Path,
    core: int,
) -> Iterator[WebServer]:
    """Run a server on one core until the block ends; *ready* is a path that answers."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=dict(env), stdout=output, stderr=output
        )
    try:
        os.sched_setaffinity(process.pid, {core})  # its workers inherit it
        _wait(process, f"{url}{ready}", log)
        for pid in _tree(process.pid):
            os.sched_setaffinity(pid, {core})
        yield WebServer(name=name, url=url, pid=process.pid)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def wrk_script(keys: Sequence[str], *, file: Path) -> Path:
    """Write a script for wrk that sends each request with the next key."""
    file.write_text(_LUA % ", ".join(f'"{key}"' for key in keys))
    return file


def ask(server: WebServer, path: str, *, script: Path, seconds: float) -> Measured:
    """Send requests as fast as the server answers; raise RuntimeError for a refusal."""
    wrk = need("wrk", package="wrk")
    before = server.cpu_seconds()
    result = subprocess.run(
        [
            *(wrk, "-t1", f"-c{CONNECTIONS}", f"-d{seconds:.0f}s", "--latency"),
            *("-s", str(script), f"{server.url}{path}"),
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    worked = server.cpu_seconds() - before
    if "Non-2xx" in result or "Socket errors" in result:
        raise RuntimeError(f"{server.name} refused or failed:\n{result}")
    return Measured(
        per_second=float(_find(r"Requests/sec:\s+([\d.]+)", result)[0]),
        p50_ms=_milliseconds("50%", result),
        p99_ms=_milliseconds("99%", result),
        cpu_us=1e6 * worked / int(_find(r"(\d+) requests in", result)[0]),
    )


def _milliseconds(share: str, text: str) -> float:
    value, unit = _find(rf"{share}\s+([\d.]+)(us|ms|s)", text)
    return float(value) * _SECONDS[unit]


def _find(pattern: str, text: str) -> tuple[str, ...]:
    match = re.search(pattern, text)
    if match is None:
        raise RuntimeError(f"wrk's output has no {pattern}:\n{text}")
    return match.groups()


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    answers = http_answers(url, any_status=True)
    while not answers():
        if process.poll() is not None or time.monotonic() > deadline:
            tail = log.read_text(errors="replace")[-2000:]
            raise RuntimeError(f"no answer from {url}:\n{tail}")
        time.sleep(0.1)


def _tree(root: int) -> list[int]:
    """Return *root* and all processes below it."""
    parents: dict[int, int] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = status.read_text().rpartition(")")[2].split()
            parents[int(status.parent.name)] = int(fields[1])
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found
