"""Upbit's JSON of markets, books and trades: values are numbers, times UTC."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any, Final

import numpy as np

from common.money import TickTable, plain
from deploy.simulator.books import DEPTH
from deploy.simulator.clock import DAY_MS
from deploy.simulator.conditions import Condition
from deploy.simulator.path import Ints, Listing
from deploy.simulator.reel import directions
from deploy.simulator.tape import Tape
from user_project.trading.matching_orders import Level

Json = dict[str, Any]
CAUTIONS: Final = (
    *("PRICE_FLUCTUATIONS", "TRADING_VOLUME_SOARING", "DEPOSIT_AMOUNT_SOARING"),
    *("GLOBAL_PRICE_DIFFERENCES", "CONCENTRATION_OF_SMALL_ACCOUNTS"),
)
SEQUENCE: Final = 10_000
"""A trade's number is its millisecond times this, and its place in it."""


def market_view(listing: Listing, *, condition: Condition, details: bool) -> Json:
    """Return one row of the market list; switched flags outdo the market's own."""
    view: Json = {
        "market": listing.market,
        "korean_name": listing.korean_name,
        "english_name": listing.english_name,
    }
    if not details:
        return view
    if condition.warning is not None:
        listing = replace(listing, warning=condition.warning)
    if condition.caution is not None:
        listing = replace(listing, caution=condition.caution)
    cautions = {name: name in listing.caution for name in CAUTIONS}
    return view | {"market_event": {"warning": listing.warning, "caution": cautions}}


def orderbook_view(
    tape: Tape, *, now_ms: int, levels: int = DEPTH, level: Decimal = Decimal(0)
) -> Json | None:
    """Return the first *levels* of the book, prices gathered to multiples of *level*.

    None before the first trade and where the market has no such *level*.
    """
    book, price = tape.book(at_ms=now_ms), tape.price(at_ms=now_ms)
    if price is None or level not in supported_levels(ticks=tape.ticks, price=price):
        return None
    asks, bids = book.asks, book.bids
    if level:
        asks = _gathered(asks, level, ROUND_CEILING)
        bids = _gathered(bids, level, ROUND_FLOOR)
    pairs = zip(asks[:levels], bids[:levels], strict=False)
    return {
        "market": tape.market,
        "timestamp": now_ms,
        "total_ask_size": float(sum(ask.size for ask in book.asks)),
        "total_bid_size": float(sum(bid.size for bid in book.bids)),
        "orderbook_units": [
            {
                "ask_price": float(ask.price),
                "bid_price": float(bid.price),
                "ask_size": float(ask.size),
                "bid_size": float(bid.size),
            }
            for ask, bid in pairs
        ],
        "level": float(level) if level % 1 else int(level),
    }


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


def trade_rows(tape: Tape, *, after_ms: int, until_ms: int) -> list[Json]:
    """Return the trades in ``(after_ms, until_ms]``, oldest first.

    A trade is a buyer's (BID) when it raised the price, a seller's (ASK) when it lowered
    it, and of the last one's side when it did neither.
    """
    trades = tape.trades(after_ms=after_ms, until_ms=until_ms)
    if not len(trades):
        return []
    before = tape.before(at_ms=after_ms)
    prices = np.concatenate(([before.price], trades.price))
    columns = (
        *(trades.at_ms.tolist(), trades.price.tolist(), trades.volume.tolist()),
        *(directions(prices, bid=before.bid)[1:].tolist(), _places(trades.at_ms)),
    )
    days = np.unique(trades.at_ms // DAY_MS).tolist()
    closes = {day: tape.previous_close(day=day) for day in days}
    return [
        {
            "market": tape.market,
            **_trade_times(at_ms),
            "timestamp": at_ms,
            "trade_price": price,
            "trade_volume": round(volume, 8),
            "prev_closing_price": closes[at_ms // DAY_MS],
            "change_price": round(price - closes[at_ms // DAY_MS], 8),
            "ask_bid": "BID" if bid else "ASK",
            "sequential_id": at_ms * SEQUENCE + place,
        }
        for at_ms, price, volume, bid, place in zip(*columns, strict=True)
    ]


def _trade_times(at_ms: int) -> Json:
    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    return {"trade_date_utc": f"{at:%Y-%m-%d}", "trade_time_utc": f"{at:%H:%M:%S}"}


def _places(at_ms: Ints) -> list[int]:
    """Return each trade's place among those of its millisecond."""
    indexes = np.arange(len(at_ms))
    firsts = np.where(np.diff(at_ms, prepend=-1) != 0, indexes, 0)
    places: list[int] = (indexes - np.maximum.accumulate(firsts)).tolist()
    return places
