"""A simulator for one foreign client: real pace, accounts of its own, and the truth."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar

import ccxt
import httpx
import requests
from upbit import Upbit

from deploy.ports import free_ports

PATIENCE_SECONDS = 30.0
KRW = 10_000_000
QUIET = "KRW-HUNT"
"""A coin that trades about once an hour: silent hours, and a thin book with a gap."""
BUSY = "KRW-BTC"
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One account's key."""

    access: str
    secret: str

    @property
    def option(self) -> str:
        return f"--account={self.access}:{self.secret}:{KRW}"


TRADER = Key(access="judge-trader", secret="t" * 64)
HASTY = Key(access="judge-hasty", secret="h" * 64)
"""Whose calls come too fast; a pocket of its own, so that nobody else waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A running simulator."""

    url: str

    def get(self, path: str, **query: Any) -> Any:
        """Return a public answer with exact numbers."""
        answer = requests.get(f"{self.url}{path}", params=query, timeout=20)
        assert answer.status_code == 200, answer.text
        return json.loads(answer.text, parse_float=Decimal)

    def admin(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Read from the exchange's own side, or change something there."""
        url = f"{self.url}/simulator/{path}"
        answer = (
            requests.get(url, timeout=20)
            if body is None
            else requests.post(url, json=body, timeout=20)
        )
        assert answer.ok, answer.text
        return answer.json()

    def orders(self, key: Key) -> dict[str, dict[str, Any]]:
        """Return an account's orders by uuid as the exchange itself knows them."""
        ledger = self.admin(f"ledger?account={key.access}")
        assert ledger["invariants"] == {"hold": True, "broken": []}
        rows = ledger["accounts"][key.access]["orders"]
        return {row["uuid"]: row for row in rows}

    def balances(self, key: Key) -> dict[str, tuple[Decimal, Decimal]]:
        """Return what an account has, free and locked, by currency."""
        ledger = self.admin(f"ledger?account={key.access}")
        rows = ledger["accounts"][key.access]["balances"]
        return {
            code: (Decimal(row["balance"]), Decimal(row["locked"]))
            for code, row in rows.items()
        }

    def inside(self, market: str) -> Decimal:
        """Return a price between the best bid and ask of a thin market."""
        best = self.best(market)
        (rules,) = self.get("/v1/orderbook/instruments", markets=market)
        price = best["bid_price"] + Decimal(rules["tick_size"])
        assert price < best["ask_price"], "the spread is closed"
        return price

    def trade(self, market: str, price: Decimal, volume: Decimal) -> None:
        """Let somebody else trade."""
        self.admin(
            "trades",
            {"market": market, "price": f"{price:f}", "volume": f"{volume:f}"},
        )

    def best(self, market: str) -> dict[str, Decimal]:
        """Return the first level of the book."""
        (book,) = self.get("/v1/orderbook", markets=market)
        first = book["orderbook_units"][0]
        return {name: Decimal(value) for name, value in first.items()}


@contextlib.contextmanager
def exchange(*options: str, speed: str = "0.05") -> Iterator[Exchange]:
    """Run a simulator with the exchange's real limits.

    Its market all but stands still unless hurried: prices read a moment ago still hold.
    """
    (port,) = free_ports(1)
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "deploy.simulator", "--port", str(port)),
            *("--seed", "3", "--speed", speed, "--faults"),
            *(TRADER.option, HASTY.option, *options),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        eventually(lambda: _answers(process, url))
        # The first look at all markets computes their year.
        requests.get(f"{url}/v1/ticker/all?quote_currencies=KRW", timeout=120)
        yield Exchange(url=url)
    finally:
        process.terminate()
        process.wait(timeout=20)


def ccxt_client(exchange: Exchange, key: Key, **options: Any) -> ccxt.upbit:
    """Return ccxt as anybody makes it, with another address."""
    client = ccxt.upbit({"apiKey": key.access, "secret": key.secret, **options})
    client.urls["api"] = {"public": exchange.url, "private": exchange.url}
    return client


def sdk_client(exchange: Exchange, key: Key, *, max_retries: int = 0) -> Upbit:
    """Return Upbit's own client with another address."""
    return Upbit(
        access_key=key.access,
        secret_key=key.secret,
        base_url=exchange.url,
        max_retries=max_retries,
        timeout=httpx.Timeout(20, connect=5),
    )


def facts(orders: Iterable[Mapping[str, Any]]) -> dict[str, tuple[Any, ...]]:
    """Return what must be the same wherever an order is told of."""
    return {
        one["uuid"]: (
            one["state"],
            one.get("identifier"),
            *(Decimal(one[name]) for name in ("executed_volume", "paid_fee", "locked")),
        )
        for one in orders
    }


def _answers(process: subprocess.Popen[bytes], url: str) -> bool:
    assert process.poll() is None, "the simulator ended"
    with contextlib.suppress(requests.ConnectionError):
        return requests.get(f"{url}/healthz", timeout=20).status_code == 200
    return False


def eventually(look: Callable[[], T | None]) -> T:
    """Look until there is something true; a tenth of a second keeps within the limits."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (seen := look()):
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.1)
    return seen


@contextlib.contextmanager
def within(seconds: int) -> Iterator[None]:
    """Interrupt a client that would wait for ever; it cannot be asked to stop."""

    def give_up(number: int, frame: object) -> None:
        raise AssertionError(f"nothing came within {seconds} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def flood(call: Callable[[], object]) -> None:
    """Call until the exchange has had enough."""
    for _ in range(500):
        call()
    raise AssertionError("nobody was ever refused")


def next_second() -> None:
    """Wait for fresh limits, as a client has to after a 429."""
    time.sleep(1.05 - time.time() % 1)
