"""Upbit's JSON of candles, newest first; values are numbers, times UTC and KST."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from deploy.simulator.market.bars import Bars
from deploy.simulator.market.clock import MINUTE_MS
from deploy.simulator.market.path import Ints

Json = dict[str, Any]
_KST: Final = 9 * 3600


def second_candles(*, market: str, bars: Bars) -> list[Json]:
    """Return candles of one second."""
    return _candles(market, bars, unit_ms=1000)[::-1]


def minute_candles(*, market: str, unit: int, bars: Bars) -> list[Json]:
    """Return candles of *unit* minutes."""
    return [{**row, "unit": unit} for row in _candles(market, bars)][::-1]


def day_candles(
    *, market: str, bars: Bars, before: Bars, converted: str | None
) -> list[Json]:
    """Return day candles; *before* = the bar before the oldest, if any."""
    rows = _candles(market, bars)
    previous = float(before.close[-1]) if len(before) else None
    for row in rows:
        close = row["trade_price"]
        base = row["opening_price"] if previous is None else previous
        row["prev_closing_price"] = base
        row["change_price"] = round(close - base, 8)
        row["change_rate"] = round((close - base) / base, 10)
        if converted is not None:
            row["converted_trade_price"] = close
        previous = close
    return rows[::-1]


def period_candles(*, market: str, bars: Bars) -> list[Json]:
    """Return candles of weeks, months or years."""
    rows = _candles(market, bars)
    return [
        {**row, "first_day_of_period": row["candle_date_time_utc"][:10]} for row in rows
    ][::-1]


def _candles(market: str, bars: Bars, *, unit_ms: int = MINUTE_MS) -> list[Json]:
    begin = bars.minute * (unit_ms // 1000)
    columns = (
        *(_texts(begin), _texts(begin + _KST)),
        *(bars.open.tolist(), bars.high.tolist(), bars.low.tolist()),
        *(bars.close.tolist(), bars.last_ms.tolist()),
        *(np.round(bars.quote, 5).tolist(), np.round(bars.volume, 8).tolist()),
    )
    return [
        {
            "market": market,
            "candle_date_time_utc": utc,
            "candle_date_time_kst": kst,
            "opening_price": opening,
            "high_price": high,
            "low_price": low,
            "trade_price": close,
            "timestamp": last_ms,
            "candle_acc_trade_price": quote,
            "candle_acc_trade_volume": volume,
        }
        for utc, kst, opening, high, low, close, last_ms, quote, volume in zip(
            *columns, strict=True
        )
    ]


def _texts(seconds: Ints) -> list[str]:
    times = seconds.astype("datetime64[s]")
    return [str(text) for text in np.datetime_as_string(times)]
