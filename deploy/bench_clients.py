"""What other people's clients cost themselves: their CPU for one order's life."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final
from uuid import uuid4

import ccxt
import httpx
from upbit import Upbit

from deploy.bench_http import ACCESS, PRICE, SECRET, VOLUME, Server

MARKET: Final = "KRW-BTC"


def upbit_sdk_ms(server: Server, *, lives: int) -> float:
    """Return the CPU milliseconds that upbit-sdk needs for one life of an order."""
    with Upbit(
        access_key=ACCESS,
        secret_key=SECRET,
        base_url=server.url,
        max_retries=0,
        timeout=httpx.Timeout(20),
    ) as client:

        def live() -> None:
            name = _name()
            client.orders.create(
                market=MARKET,
                side="bid",
                ord_type="limit",
                price=PRICE,
                volume=VOLUME,
                identifier=name,
            )
            client.orders.retrieve(identifier=name)
            client.orders.cancel(identifier=name)

        return _cpu_ms(live, lives=lives)


def ccxt_ms(server: Server, *, lives: int) -> float:
    """Return the CPU milliseconds that ccxt needs for one life of an order."""
    client: Any = ccxt.upbit(
        {"apiKey": ACCESS, "secret": SECRET, "enableRateLimit": False}
    )
    client.urls["api"] = {"public": server.url, "private": server.url}
    client.load_markets()
    price, volume = float(PRICE), float(VOLUME)

    def live() -> None:
        order = client.create_order("BTC/KRW", "limit", "buy", volume, price)
        client.fetch_order(order["id"])
        client.cancel_order(order["id"])

    return _cpu_ms(live, lives=lives)


def _name() -> str:
    return f"bench-{uuid4()}"[:36]


def _cpu_ms(live: Callable[[], None], *, lives: int) -> float:
    live()  # connections, imports and caches are not the order's
    before = time.process_time()
    for _ in range(lives):
        live()
    return 1000 * (time.process_time() - before) / lives
