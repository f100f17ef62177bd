"""An exchange whose market stands still and whose clock the test turns, over HTTP."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any
from urllib.parse import unquote, urlencode
from uuid import uuid4

import jwt
import numpy as np
import requests
from aiohttp import web

from deploy.simulator.exchange.conditions import Conditions
from deploy.simulator.exchange.venue import LATENCY_MS, Venue, instant
from deploy.simulator.house import House
from deploy.simulator.market.clock import PathClock
from deploy.simulator.market.feed import Book, Trades
from deploy.simulator.rest.auth import KeyRing
from deploy.simulator.rest.limits import RateLimits
from deploy.simulator.server import application
from user_project.trading.matching_orders import Level

D = Decimal
START_MS = 1_780_000_020_000
"""A whole minute of 2026."""
ACCESS, SECRET = "still-access", "s" * 64
CASH = D(100_000_000)
TICK_MS = LATENCY_MS + 50
MARKET_BUY = {"market": "KRW-BTC", "side": "bid", "ord_type": "price", "price": "6000"}


class StillFeed:
    """A market outside whose last price and book are written down."""

    ahead_ms = 0

    def __init__(self, *, market: str, price: Decimal, size: Decimal) -> None:
        self.market = market
        self.last = price
        self.asks = (Level(price, size),)
        self.bids = (Level(price * D("0.999"), size),)

    def price(self, *, at_ms: int) -> Decimal | None:
        return self.last

    def trades(self, *, after_ms: int, until_ms: int) -> Trades:
        none = np.empty(0)
        return Trades(np.empty(0, np.int64), none, none, none)

    def book(self, *, at_ms: int) -> Book:
        return Book(self.asks, self.bids)

    def set_halted(self, *, on: bool, at_ms: int) -> None:
        """Leave the outside as the test sets it."""

    def inject(self, *, price: Decimal, volume: Decimal, at_ms: int) -> None:
        self.last = price


class World:
    """One exchange, its clock, and signed calls to it."""

    def __init__(self, *, factor: float) -> None:
        self.now_ms = START_MS
        self.feeds = {
            "KRW-BTC": StillFeed(market="KRW-BTC", price=D(160_594_000), size=D(10)),
            "KRW-USDT": StillFeed(market="KRW-USDT", price=D(1376), size=D(10**6)),
        }
        keys = KeyRing()
        keys.add(access_key=ACCESS, secret=SECRET, now=instant(START_MS))
        self.house = House(
            venue=Venue(feeds=self.feeds, conditions=Conditions()),
            tapes={},
            listings=(),
            keys=keys,
            limits=RateLimits(factor=factor),
            clock=PathClock(start_ms=START_MS, path_start_ms=START_MS, speed=1.0),
            now_ms=lambda: self.now_ms,
        )
        self.house.venue.open_account(account=ACCESS, krw=CASH)
        self.cash = CASH
        self.url = ""

    def assume(self, **chosen: str) -> None:
        """Choose answers to open questions."""
        for name, value in chosen.items():
            assumptions = self.house.assumptions
            self.house.assumptions = assumptions.choosing(name=name, value=value)

    def pass_time(self, *, ms: int = TICK_MS) -> None:
        """Turn the clock on, by default until what was asked has happened."""
        self.now_ms += ms

    def get(self, path: str, **query: Any) -> requests.Response:
        """Send a signed GET; a name's trailing ``s_`` stands for ``s[]``."""
        return self.call("GET", path, query=query)

    def delete(self, path: str, **query: Any) -> requests.Response:
        """Send a signed DELETE."""
        return self.call("DELETE", path, query=query)

    def post(self, path: str, **body: Any) -> requests.Response:
        """Send a signed POST."""
        text = "&".join(f"{name}={value}" for name, value in body.items())
        return self.send("POST", path, headers=signed(text), json=body)

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any],
        access_key: str = ACCESS,
    ) -> requests.Response:
        """Send a signed call with a query."""
        named = {
            f"{name[:-1]}[]" if name.endswith("_") else name: value
            for name, value in query.items()
        }
        text = urlencode(named, doseq=True)
        headers = signed(unquote(text), access_key=access_key)
        return self.send(method, f"{path}?{text}" if text else path, headers=headers)

    def order(self, **asked: Any) -> dict[str, Any]:
        """Place an order that must be accepted."""
        answer = self.post("/v1/orders", **asked)
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    def rest(self, name: str, *, market: str = "KRW-BTC", **more: Any) -> str:
        """Let an order rest; return its uuid. Each is a second younger than the last."""
        self.pass_time(ms=1_000)
        price, volume = {"KRW-BTC": (10**8, "0.001"), "KRW-USDT": (1000, "10")}[market]
        asked = {"side": "bid", "ord_type": "limit", "price": price, "volume": volume}
        order = self.order(market=market, identifier=name, **{**asked, **more})
        return str(order["uuid"])

    def look(self, uuid: str) -> dict[str, Any]:
        """Look an order up after it met the market."""
        self.pass_time()
        answer = self.get("/v1/order", uuid=uuid)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def send(self, method: str, path: str, **options: Any) -> requests.Response:
        """Send a call as it is."""
        return requests.request(method, self.url + path, timeout=20, **options)


def signed(
    text: str = "",
    *,
    secret: str = SECRET,
    nonce: str | None = None,
    access_key: str = ACCESS,
) -> dict[str, str]:
    """Return the header of a call whose parameters read *text*."""
    claims = {"access_key": access_key, "nonce": nonce or str(uuid4())}
    if text:
        claims["query_hash"] = hashlib.sha512(text.encode()).hexdigest()
        claims["query_hash_alg"] = "SHA512"
    return {"Authorization": f"Bearer {jwt.encode(claims, secret, 'HS256')}"}


def problem(response: requests.Response) -> tuple[int, object]:
    """Return an error's status and name."""
    return response.status_code, response.json()["error"]["name"]


def names(rows: list[dict[str, Any]]) -> list[str]:
    """Return the identifiers of orders."""
    return [row["identifier"] for row in rows]


@contextmanager
def exchange(*, factor: float = 1000.0) -> Iterator[World]:
    """Serve a still exchange from a thread of this process."""
    world, loop = World(factor=factor), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    runner = web.AppRunner(application(house=world.house))
    try:
        port = asyncio.run_coroutine_threadsafe(_serve(runner), loop).result(20)
        world.url = f"http://127.0.0.1:{port}"
        yield world
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)
        loop.close()


async def _serve(runner: web.AppRunner) -> int:
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return int(runner.addresses[0][1])
