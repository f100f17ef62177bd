"""Orders over keep-alive HTTP: a server on a core of its own, prepared calls against it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.request import urlopen
from uuid import uuid4

from deploy import bench_cpu
from deploy.ports import HOST, free_ports

ACCESS: Final = "bench-access"
SECRET: Final = "b" * 64
CONNECTIONS: Final = 8
LIFE: Final = (
    "one life = POST /v1/orders (a resting limit buy), GET /v1/order and DELETE"
    " /v1/order by identifier; every call signed and fully checked"
)
PRICE: Final = "100000"
"""Won; far below the market of a coin worth millions, so that the order rests."""
VOLUME: Final = "1"
START_SECONDS: Final = 60.0
IDLE_LOOK_SECONDS: Final = 2.0
IDLE_SHARE: Final = 0.2
"""Of a core: less than this is no preparing any more."""
_ROOT: Final = Path(__file__).resolve().parent.parent


class Cores(NamedTuple):
    """Where the server runs and where its client does; the same on one core."""

    server: int
    client: int


def two_cores() -> Cores:
    """Return the first and the last core this process may use."""
    usable = sorted(os.sched_getaffinity(0))
    return Cores(server=usable[0], client=usable[-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A process that answers on this machine."""

    pid: int
    port: int

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def cpu_seconds(self) -> float:
        """Return the time its core has worked for it."""
        return bench_cpu.cpu_seconds(self.pid)


@contextlib.contextmanager
def simulator(*, core: int) -> Iterator[Server]:
    """Run the simulator with limits that nobody can reach, on one core."""
    options = (
        *("--seed", "1", "--rate-factor", "100000"),
        *("--account", f"{ACCESS}:{SECRET}:100000000000"),
    )
    with simulator_with(*options, core=core) as server:
        yield server


@contextlib.contextmanager
def simulator_with(*options: str, core: int) -> Iterator[Server]:
    """Run the simulator with *options* of its command line, on one core."""
    with _running("deploy.simulator", *options, core=core) as server:
        yield server


@contextlib.contextmanager
def still_server(*, core: int) -> Iterator[Server]:
    """Run a server of the same kind that answers a constant, on one core."""
    with _running("deploy.bench_still", core=core) as server:
        yield server


@contextlib.contextmanager
def _running(module: str, *options: str, core: int) -> Iterator[Server]:
    (port,) = free_ports(1)
    process = subprocess.Popen(
        [sys.executable, "-m", module, "--port", str(port), *options],
        stdout=subprocess.DEVNULL,
        cwd=_ROOT,
    )
    try:
        server = Server(pid=process.pid, port=port)
        _wait_for(server, process)
        _wait_until_idle(server)
        os.sched_setaffinity(process.pid, {core})
        yield server
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def _wait_for(server: Server, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with {process.returncode}")
        with contextlib.suppress(OSError), urlopen(f"{server.url}/healthz") as answer:
            answer.read()
            return
        if time.monotonic() > deadline:
            raise RuntimeError(f"no answer from {server.url} in {START_SECONDS:.0f} s")
        time.sleep(0.05)


def _wait_until_idle(server: Server) -> None:
    """Let a new server finish what it prepares in the background."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        before = server.cpu_seconds()
        time.sleep(IDLE_LOOK_SECONDS)
        if server.cpu_seconds() - before < IDLE_SHARE * IDLE_LOOK_SECONDS:
            return


class Measured(NamedTuple):
    """What a number of order lives took."""

    per_second: float
    server_ms: float
    """Server CPU per life."""
    client_ms: float
    """Client CPU per life, without preparing the calls."""


def measure(server: Server, *, lives: int) -> Measured:
    """Play order lives over several connections at once; raises RuntimeError."""
    calls = [_life(f"bench-{uuid4()}"[:36]) for _ in range(lives)]
    server_cpu, client_cpu = server.cpu_seconds(), time.process_time()
    started = time.perf_counter()
    asyncio.run(_play(server, calls))
    seconds = time.perf_counter() - started
    return Measured(
        per_second=lives / seconds,
        server_ms=1000 * (server.cpu_seconds() - server_cpu) / lives,
        client_ms=1000 * (time.process_time() - client_cpu) / lives,
    )


def _life(identifier: str) -> tuple[bytes, bytes, bytes]:
    order = {
        "market": "KRW-BTC",
        "side": "bid",
        "ord_type": "limit",
        "price": PRICE,
        "volume": VOLUME,
        "identifier": identifier,
    }
    text = "&".join(f"{name}={value}" for name, value in order.items())
    query = f"identifier={identifier}"
    return (
        _call("POST", "/v1/orders", text, json.dumps(order).encode()),
        _call("GET", f"/v1/order?{query}", query),
        _call("DELETE", f"/v1/order?{query}", query),
    )


def _call(method: str, path: str, hashed: str, body: bytes = b"") -> bytes:
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: {HOST}\r\n"
        f"Authorization: Bearer {_token(hashed)}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _token(hashed: str) -> str:
    """Sign a call as Upbit wants it, without a library's cost."""
    claims = {
        "access_key": ACCESS,
        "nonce": str(uuid4()),
        "query_hash": hashlib.sha512(hashed.encode()).hexdigest(),
        "query_hash_alg": "SHA512",
    }
    signed = f"{_part({'alg': 'HS256', 'typ': 'JWT'})}.{_part(claims)}"
    seal = hmac.digest(SECRET.encode(), signed.encode(), "sha256")
    return f"{signed}.{_plain64(seal)}"


def _part(value: dict[str, Any]) -> str:
    return _plain64(json.dumps(value).encode())


def _plain64(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


async def _play(server: Server, lives: Sequence[tuple[bytes, bytes, bytes]]) -> None:
    shares = [lives[number::CONNECTIONS] for number in range(CONNECTIONS)]
    await asyncio.gather(*(_over_one_connection(server, one) for one in shares))


async def _over_one_connection(
    server: Server, lives: Sequence[tuple[bytes, bytes, bytes]]
) -> None:
    reader, writer = await asyncio.open_connection(HOST, server.port)
    for life in lives:
        for call in life:
            writer.write(call)
            await _good_answer(reader)
    writer.close()
    await writer.wait_closed()


async def _good_answer(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    body = await reader.readexactly(length)
    if not head.startswith(b"HTTP/1.1 20"):
        raise RuntimeError(f"unexpected answer: {head[:40]!r} {body[:200]!r}")
