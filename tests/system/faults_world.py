"""A simulator with faults, and a raw client that sees exactly what comes over the wire."""

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
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.parse import unquote, urlencode
from uuid import uuid4

import jwt
import requests

from deploy.ports import free_ports
from tests.unit.simulator_world import write_recording

MARKET: Final = "KRW-BTC"
KRW: Final = 10_000_000
SECRET: Final = "f" * 64
PATIENCE_SECONDS: Final = 30.0
SHORT_SECONDS: Final = 1.0
"""How long a client waits where no answer is expected."""
_numbers = count()


@dataclass(slots=True)
class Simulator:
    """A running process."""

    process: subprocess.Popen[str]
    url: str

    def admin(self, method: str, path: str, body: Any = None) -> requests.Response:
        """Ask the simulator for something that Upbit does not have."""
        return requests.request(
            method, f"{self.url}/simulator/{path}", json=body, timeout=20
        )

    def told(self, method: str, path: str, body: Any = None) -> Any:
        """Return what the simulator answers when all is well."""
        answer = self.admin(method, path, body)
        assert answer.ok, answer.text
        return answer.json()

    def add_fault(
        self, kind: str, endpoint: str = "POST /v1/orders", **more: Any
    ) -> str:
        """Arm a fault and return its id."""
        body = {"kind": kind, "endpoint": endpoint, **more}
        return str(self.told("POST", "faults", body)["id"])

    def log(self) -> list[dict[str, Any]]:
        """Return what faults did."""
        return list(self.told("GET", "faults/log"))

    def public(self, path: str, **query: Any) -> requests.Response:
        """Ask for market data."""
        return requests.get(f"{self.url}{path}", params=query, timeout=20)

    def low_price(self) -> Decimal:
        """Return a price at which a buy rests for long, on the grid."""
        last = self.public("/v1/ticker", markets=MARKET).json()[0]["trade_price"]
        return Decimal(str(last)) * Decimal("0.7") // 1000 * 1000

    def stop(self) -> int:
        """End the process as an operator does."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)


@dataclass(frozen=True, slots=True)
class Trader:
    """One account with one key."""

    simulator: Simulator
    name: str

    def call(
        self, method: str, path: str, *, patience: float = 20, **asked: Any
    ) -> requests.Response:
        """Make one signed call on a connection of its own."""
        text = urlencode(asked, doseq=True)
        claims = {"access_key": self.name, "nonce": str(uuid4())}
        if asked:
            claims["query_hash"] = hashlib.sha512(unquote(text).encode()).hexdigest()
        token = jwt.encode(claims, SECRET, "HS256")
        in_body = method == "POST"
        return requests.request(
            method,
            f"{self.simulator.url}{path}",
            params=None if in_body else text,
            data=json.dumps(asked) if in_body else None,
            headers={
                "Authorization": f"Bearer {token}",
                "Content-Type": "application/json",
            },
            timeout=patience,
        )

    def order(
        self, identifier: str | None = None, *, patience: float = 20
    ) -> requests.Response:
        """Ask for a buy that will rest."""
        asked = {
            "market": MARKET,
            "side": "bid",
            "ord_type": "limit",
            "price": str(self.simulator.low_price()),
            "volume": "0.01",
        }
        if identifier is not None:
            asked["identifier"] = identifier
        return self.call("POST", "/v1/orders", patience=patience, **asked)

    def truth(self) -> dict[str, Any]:
        """Return what the exchange knows of the account, once it adds up."""
        ledger = self.simulator.told("GET", f"ledger?account={self.name}")
        assert ledger["invariants"] == {"hold": True, "broken": []}
        return dict(ledger["accounts"][self.name])

    def orders(self, identifier: str | None) -> list[dict[str, Any]]:
        """Return the account's true orders with an identifier."""
        return [
            one for one in self.truth()["orders"] if one["identifier"] == identifier
        ]


def new_name(what: str) -> str:
    """Return a name that no other test has."""
    return f"{what}-{next(_numbers)}"


def new_trader(simulator: Simulator, **more: Any) -> Trader:
    """Open an account while the simulator runs."""
    name = new_name("trader")
    body = {"access_key": name, "secret_key": SECRET, "krw": KRW, **more}
    simulator.told("POST", "accounts", body)
    return Trader(simulator, name)


def error_of(answer: requests.Response) -> tuple[int, Any]:
    """Return the status and the name of an error."""
    return answer.status_code, answer.json()["error"]["name"]


def outward(
    ask: Callable[[], requests.Response],
) -> tuple[str, requests.Response | None]:
    """Return how a call ended as its caller sees it."""
    try:
        return "answer", ask()
    except requests.Timeout:
        return "timeout", None
    except requests.ConnectionError as error:
        return ("reset" if "ConnectionResetError" in repr(error) else "closed"), None
    except requests.exceptions.ChunkedEncodingError:
        return "cut", None


@contextmanager
def running(*options: str) -> Iterator[Simulator]:
    """Run a simulator of two recorded markets; it ends with the block."""
    port = free_ports(1)[0]
    with TemporaryDirectory() as folder:
        file = Path(folder, "market.parquet")
        write_recording(file)
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "deploy.simulator", "--port", str(port)),
                *("--replay", str(file), "--replay-from", "2022-10-05"),
                *("--rate-factor", "50", *options),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        simulator = Simulator(process, f"http://127.0.0.1:{port}")
        try:
            eventually(lambda: _is_healthy(simulator))
            yield simulator
        finally:
            process.kill()
            process.wait(timeout=20)


def _is_healthy(simulator: Simulator) -> bool:
    assert simulator.process.poll() is None, "the simulator ended"
    try:
        return simulator.public("/healthz").status_code == 200
    except requests.ConnectionError:
        return False


def eventually(condition: Callable[[], object]) -> None:
    """Wait until something holds."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


def settled(simulator: Simulator) -> Simulator:
    """Return a process without faults and with a true clock."""
    simulator.told("DELETE", "faults")
    simulator.told("POST", "clock", {"offset_ms": 0})
    return simulator
