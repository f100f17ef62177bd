"""Upbit's JSON of markets and trades: values are numbers, times UTC."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

import numpy as np

from deploy.simulator.exchange.conditions import Condition
from deploy.simulator.market.clock import DAY_MS
from deploy.simulator.market.path import Ints, Listing
from deploy.simulator.market.reel import directions
from deploy.simulator.market.tape import Tape

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
            **_trade_times(at_ms // 1000),
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


@lru_cache(maxsize=4096)
def _trade_times(second: int) -> Json:
    at = datetime.fromtimestamp(second, UTC)
    return {"trade_date_utc": f"{at:%Y-%m-%d}", "trade_time_utc": f"{at:%H:%M:%S}"}


def _places(at_ms: Ints) -> list[int]:
    """Return each trade's place among those of its millisecond."""
    indexes = np.arange(len(at_ms))
    firsts = np.where(np.diff(at_ms, prepend=-1) != 0, indexes, 0)
    places: list[int] = (indexes - np.maximum.accumulate(firsts)).tolist()
    return places
