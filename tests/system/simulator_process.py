"""A simulator as its clients meet it: a real process, and calls to it."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from urllib.parse import unquote, urlencode
from uuid import uuid4

import httpx
import jwt
import requests
from upbit import Upbit
from upbit.types.order import Order

from common.money import KRW_TICKS, plain
from deploy.ports import free_ports

ACCESS: Final = "protocol-access"
SECRET: Final = "p" * 64
KRW: Final = Decimal(10_000_000)
PATIENCE_SECONDS: Final = 30.0


@dataclass
class Simulator:
    """A running process and where it listens."""

    process: subprocess.Popen[str]
    url: str

    def public(self, path: str, **query: Any) -> requests.Response:
        """Ask without a signature."""
        return requests.get(f"{self.url}{path}", params=query, timeout=20)

    def get(self, path: str, **query: Any) -> requests.Response:
        """Ask with a signature."""
        text = urlencode(query, doseq=True)
        return requests.get(
            f"{self.url}{path}?{text}", headers=signed(unquote(text)), timeout=20
        )

    def post(self, body: dict[str, str]) -> requests.Response:
        """Send a signed order."""
        text = "&".join(f"{name}={value}" for name, value in body.items())
        return requests.post(
            f"{self.url}/v1/orders", json=body, headers=signed(text), timeout=20
        )

    def operate(self, path: str, **body: Any) -> None:
        """Do something as the exchange's operator; needs `--faults`."""
        answer = requests.post(f"{self.url}/simulator/{path}", json=body, timeout=20)
        assert answer.ok, answer.text

    def price(self, market: str) -> Decimal:
        """Return a market's last price."""
        answer = self.public("/v1/ticker", markets=market)
        rows = json.loads(answer.text, parse_float=Decimal, parse_int=Decimal)
        return Decimal(rows[0]["trade_price"])

    def low_price(self, market: str) -> str:
        """Return a price at which a buy rests for long, on the grid."""
        return plain(KRW_TICKS.floor(price=self.price(market) * Decimal("0.6")))

    def client(self) -> Upbit:
        """Return the official client, which is to be closed."""
        return Upbit(
            access_key=ACCESS,
            secret_key=SECRET,
            base_url=self.url,
            max_retries=0,
            timeout=httpx.Timeout(20, connect=5),
        )

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End the process and return how it ended."""
        self.process.send_signal(number)
        return self.process.wait(timeout=20)


def start(*options: str, port: int | None = None) -> Simulator:
    """Start a simulator with one account and wait until it answers."""
    port = port or free_ports(1)[0]
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "deploy.simulator", "--port", str(port)),
            *("--account", f"{ACCESS}:{SECRET}:{KRW}", *options),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    simulator = Simulator(process, f"http://127.0.0.1:{port}")
    eventually(lambda: _healthy(simulator))
    return simulator


@contextmanager
def running(*options: str) -> Iterator[Simulator]:
    """Run a simulator for as long as the block lasts."""
    simulator = start(*options)
    try:
        yield simulator
    finally:
        simulator.stop()


def _healthy(simulator: Simulator) -> bool:
    assert simulator.process.poll() is None, "the simulator ended"
    try:
        return simulator.public("/healthz").status_code == 200
    except requests.ConnectionError:
        return False


def eventually(condition: Callable[[], object]) -> None:
    """Wait until something is true; fail after a while."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def ended(upbit: Upbit, uuid: str | None) -> Order:
    """Return an order once it is no longer open."""
    eventually(lambda: upbit.orders.retrieve(uuid=str(uuid)).state != "wait")
    return upbit.orders.retrieve(uuid=str(uuid))


def signed(
    text: str = "",
    *,
    secret: str = SECRET,
    nonce: str | None = None,
    access_key: str = ACCESS,
    algorithm: str = "HS256",
) -> dict[str, str]:
    """Return the header of a call whose parameters read *text*."""
    claims = {"access_key": access_key, "nonce": nonce or str(uuid4())}
    if text:
        claims["query_hash"] = hashlib.sha512(text.encode()).hexdigest()
        claims["query_hash_alg"] = "SHA512"
    return {"Authorization": f"Bearer {jwt.encode(claims, secret, algorithm)}"}


def problem(response: requests.Response) -> tuple[int, object]:
    """Return an error's status and name."""
    return response.status_code, response.json()["error"]["name"]
