"""A simulator as a process, and the adapter as a worker builds it."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from deploy.ports import free_ports
from deploy.readiness import http_answers, redis_answers
from deploy.services import Valkey
from deploy.supervisor import Supervisor
from user_project.exchanges.registry import build_adapter
from user_project.exchanges.upbit import UpbitAdapter

ACCESS, SECRET = "adapter-access-key", "a" * 40
KRW = 100_000_000
NO_REDIS = "redis://127.0.0.1:1/0"
FAST = 50
"""Rate factor of tests that are not about rates, for the exchange and for us."""
PATIENCE_SECONDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A running simulator whose operator we are."""

    url: str

    def admin(self, method: str, path: str, body: Any = None) -> Any:
        """Do something on the exchange's own side."""
        answer = requests.request(
            method, f"{self.url}/simulator/{path}", json=body, timeout=30
        )
        assert answer.ok, answer.text
        return answer.json()

    def received(self, endpoint: str | None = None) -> list[dict[str, Any]]:
        """Return the calls that came in, the oldest first."""
        query = "" if endpoint is None else f"?endpoint={endpoint}"
        calls: list[dict[str, Any]] = self.admin("GET", f"requests{query}")
        return calls

    def orders(self) -> dict[str, dict[str, Any]]:
        """Return our account's orders by identifier, as the exchange knows them."""
        rows = self.admin("GET", f"ledger?account={ACCESS}")["accounts"][ACCESS]
        return {row["identifier"]: row for row in rows["orders"]}


@contextmanager
def exchange(
    *options: str, rate_factor: int = FAST, port: int | None = None
) -> Iterator[Exchange]:
    """Run a simulator with faults and one account of a hundred million won."""
    port = port or free_ports(1)[0]
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "deploy.simulator", "--port", str(port)),
            *("--seed", "1", "--speed", "1", "--faults"),
            *("--rate-factor", str(rate_factor)),
            *("--account", f"{ACCESS}:{SECRET}:{KRW}", *options),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    answers = http_answers(f"{url}/healthz")

    def is_ready() -> bool:
        assert process.poll() is None, "the simulator ended"
        return answers()

    try:
        eventually(is_ready, within=60)
        yield Exchange(url=url)
    finally:
        process.terminate()
        process.wait(timeout=20)


@contextmanager
def redis_server(directory: Path) -> Iterator[str]:
    """Run a Redis of our own; yield its address."""
    (port,) = free_ports(1)
    server = Valkey(
        name="valkey",
        directory=directory / "valkey",
        port=port,
        password=uuid.uuid4().hex,
        durable=False,
    )
    server.prepare()
    with Supervisor(log_directory=directory / "logs") as supervisor:
        supervisor.start(server.program(), ready=redis_answers(server.url()))
        yield server.url()


def adapter_at(url: str, **changes: Any) -> UpbitAdapter:
    """Return the adapter of our account."""
    options = {
        "base_url": url,
        "access_key": ACCESS,
        "secret_key": SECRET,
        "rate_factor": FAST,
        "redis_url": NO_REDIS,
        "pocket": "adapter",
        **changes,
    }
    adapter = build_adapter(exchange="upbit", **options)
    assert isinstance(adapter, UpbitAdapter)
    return adapter


def new_identifier() -> str:
    """Return a name no order ever had."""
    return f"adapter-{uuid.uuid4().hex[:20]}"


def eventually(check: Callable[[], object], *, within: float = PATIENCE_SECONDS) -> Any:
    """Ask again until the answer is true, and return it; fail after *within* seconds."""
    deadline = time.monotonic() + within
    while not (answer := check()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
    return answer
