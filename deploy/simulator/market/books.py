"""The book around a market's last price: thin coins have wide and shallow ones."""

from __future__ import annotations

from decimal import Decimal
from typing import Final
from zlib import crc32

import numpy as np

from common.money import VOLUME_STEP, TickTable
from deploy.simulator.market.feed import Book
from user_project.trading.matching_orders import Level

DEPTH: Final = 30
EMPTY: Final = Book(asks=(), bids=())
_DEEP = 3e9
"""KRW a day from which on a book has no gap."""
_WIDEST = 5
_MOST = 2.0**62
"""Units of size; more would not fit an integer."""
_DRAWS = 1 << 14
# Drawn once: a generator for each second and market would cost more than the book.
_SHARES = np.random.default_rng(0).lognormal(0, 0.6, _DRAWS + 2 * DEPTH)


def book(
    *, market: str, price: Decimal, turnover: float, ticks: TickTable, second: int
) -> Book:
    """Return the book of a *second*; sizes are about a minute's turnover a level.

    *turnover* = KRW in 24 hours.
    """
    gap = int(min(max(_DEEP / max(turnover, 1.0), 1), _WIDEST))
    typical = max(turnover, 1e6) / 1440 / float(price)
    start = crc32(f"{market} {second}".encode()) % _DRAWS
    drawn = _SHARES[start : start + 2 * DEPTH] * (typical * 1e8)
    sizes = [
        units * VOLUME_STEP for units in drawn.clip(1, _MOST).astype(np.int64).tolist()
    ]
    asks = _rising(ticks.ceil(price=price), ticks)
    bids = _falling(price, gap, ticks)
    return Book(
        asks=tuple(map(Level, asks, sizes[:DEPTH])),
        bids=tuple(map(Level, bids, sizes[DEPTH:])),
    )


def _rising(price: Decimal, ticks: TickTable) -> list[Decimal]:
    """Return valid prices from *price* upwards."""
    above = [edge for edge, _ in ticks.bands if edge > price]
    tick, prices = ticks.tick_size(price=price), [price]
    while len(prices) < DEPTH:
        price += tick
        if above and price >= above[-1]:
            tick = ticks.tick_size(price=above.pop())
        prices.append(price)
    return prices


def _falling(price: Decimal, gap: int, ticks: TickTable) -> list[Decimal]:
    """Return valid prices downwards, the first one *gap* ticks below *price*."""
    lower = ticks.floor(price=price)
    prices = [lower] if 0 < lower < price else []
    # On an edge the finer band below counts.
    bands = [band for band in ticks.bands if band[0] < lower]
    while bands and len(prices) < DEPTH + gap - 1:
        edge, tick = bands[0]
        lower -= tick
        if lower <= edge:
            del bands[0]
        if lower > 0:
            prices.append(lower)
    return prices[gap - 1 :]
