"""A market's book as text, and what it can be gathered to.

Thirty books are a thousand rows of four numbers: put as values that are then encoded,
they would take twice as long.
"""

from __future__ import annotations

import json
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from common.money import TickTable, plain
from deploy.simulator.market.books import DEPTH
from deploy.simulator.market.tape import Tape
from user_project.trading.matching_orders import Level

Json = dict[str, Any]


def orderbook_view(
    tape: Tape, *, now_ms: int, levels: int = DEPTH, level: Decimal = Decimal(0)
) -> Json | None:
    """Return the first *levels* of the book, prices gathered to multiples of *level*.

    None before the first trade and where the market has no such *level*.
    """
    text = orderbook_text(tape, now_ms=now_ms, levels=levels, level=level)
    return None if text is None else json.loads(text)


def orderbook_text(
    tape: Tape, *, now_ms: int, levels: int = DEPTH, level: Decimal = Decimal(0)
) -> str | None:
    """Return as JSON what `orderbook_view` returns."""
    price = tape.price(at_ms=now_ms)
    if price is None or level not in supported_levels(ticks=tape.ticks, price=price):
        return None
    book = tape.book(at_ms=now_ms)
    asks, bids = book.asks, book.bids
    if level:
        asks = _gathered(asks, level, ROUND_CEILING)
        bids = _gathered(bids, level, ROUND_FLOOR)
    units = ",".join(
        f'{{"ask_price":{ask},"bid_price":{bid},"ask_size":{more},"bid_size":{less}}}'
        for (ask, more), (bid, less) in zip(asks[:levels], bids[:levels], strict=False)
    )
    return (
        f'{{"market":"{tape.market}","timestamp":{now_ms},'
        f'"total_ask_size":{sum(one.size for one in book.asks)},'
        f'"total_bid_size":{sum(one.size for one in book.bids)},'
        f'"orderbook_units":[{units}],"level":{plain(level)}}}'
    )


def _gathered(
    levels: tuple[Level, ...], unit: Decimal, rounding: str
) -> tuple[Level, ...]:
    """Return *levels* put together at multiples of *unit*; nothing is left at 0."""
    sums: dict[Decimal, Decimal] = {}
    for price, size in levels:
        at = (price / unit).to_integral_value(rounding=rounding) * unit
        sums[at] = sums.get(at, Decimal(0)) + size
    return tuple(Level(price, size) for price, size in sums.items() if price)


def supported_levels(*, ticks: TickTable, price: Decimal) -> list[Decimal]:
    """Return what a book can be gathered to: 0, and powers of ten from tick to price."""
    tick = ticks.tick_size(price=price)
    exponents = range(tick.adjusted() + 1, price.adjusted() + 1)
    return [Decimal(0), *(Decimal(1).scaleb(exponent) for exponent in exponents)]


def instrument_view(tape: Tape, *, now_ms: int) -> Json | None:
    """Return a market's tick at its present price; strings, as the exchange sends."""
    price = tape.price(at_ms=now_ms)
    if price is None:
        return None
    return {
        "market": tape.market,
        "quote_currency": tape.market.partition("-")[0],
        "tick_size": plain(tape.ticks.tick_size(price=price)),
        "supported_levels": [
            plain(level) for level in supported_levels(ticks=tape.ticks, price=price)
        ],
    }


def levels_view(tape: Tape, *, now_ms: int) -> Json | None:
    """Return what a market's book can be gathered to; numbers, as the old call sends."""
    price = tape.price(at_ms=now_ms)
    if price is None:
        return None
    levels = supported_levels(ticks=tape.ticks, price=price)
    return {
        "market": tape.market,
        "supported_levels": [float(one) if one % 1 else int(one) for one in levels],
    }
