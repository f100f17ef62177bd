"""A market's ticker as text.

Two hundred tickers are asked for at once and nearly all have changed: putting each as a
dictionary that is then encoded would take longer than everything else together.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final

from deploy.simulator.market.clock import DAY, DAY_MS
from deploy.simulator.market.stretch import Moment
from deploy.simulator.market.tape import Tape
from deploy.simulator.rest.order_views import SEOUL

Json = dict[str, Any]
_LEAST_CHANGE: Final = 5e-9
"""Prices have at most 8 decimals."""


def ticker_view(tape: Tape, *, now_ms: int) -> Json | None:
    """Return a market's ticker, or None before its first trade."""
    text = ticker_text(tape, now_ms=now_ms)
    return None if text is None else json.loads(text)


def ticker_text(tape: Tape, *, now_ms: int) -> str | None:
    """Return a market's ticker as JSON, or None before its first trade."""
    moment = tape.moment(now_ms=now_ms)
    if moment is None:
        return None
    if not moment.text:
        moment.text = _written(tape.market, moment)
    return moment.text


def _written(market: str, moment: Moment) -> str:
    if moment.frame is None:
        moment.frame = _framed(moment)
    daily, yearly = moment.frame
    at_ms, price = moment.at_ms, moment.price
    return (
        f'{{"market":"{market}",{_trade_times(at_ms // 1000)},'
        f'"trade_timestamp":{at_ms},{daily},{_change(price, _previous(moment))},'
        f'"trade_volume":{moment.volume:.8f},'
        f'"acc_trade_price":{moment.quote_today:.5f},'
        f'"acc_trade_price_24h":{moment.quote_24h:.5f},'
        f'"acc_trade_volume":{moment.volume_today:.8f},'
        f'"acc_trade_volume_24h":{moment.volume_24h:.8f},'
        f'{yearly},"timestamp":{at_ms}}}'
    )


def _previous(moment: Moment) -> float:
    """Return the close of the day before; on a market's first day its opening."""
    close = moment.year.previous_close
    return moment.opening if math.isnan(close) else close


def _framed(moment: Moment) -> tuple[str, str]:
    """Return what the day and the year have in the ticker."""
    year, today = moment.year.extremes, moment.at_ms // DAY_MS * DAY
    high, high_at = max((moment.high, today), (year.high, year.high_minute))
    low, low_at = min((moment.low, today), (year.low, year.low_minute))
    return (
        f'"opening_price":{moment.opening!r},"high_price":{moment.high!r},'
        f'"low_price":{moment.low!r},"prev_closing_price":{_previous(moment)!r}',
        f'"highest_52_week_price":{high!r},"highest_52_week_date":"{_date(high_at)}",'
        f'"lowest_52_week_price":{low!r},"lowest_52_week_date":"{_date(low_at)}"',
    )


@lru_cache(maxsize=4096)
def _trade_times(second: int) -> str:
    at = datetime.fromtimestamp(second, UTC)
    korean = at.astimezone(SEOUL)
    return (
        f'"trade_date":"{at:%Y%m%d}","trade_time":"{at:%H%M%S}",'
        f'"trade_date_kst":"{korean:%Y%m%d}","trade_time_kst":"{korean:%H%M%S}"'
    )


def _change(price: float, previous: float) -> str:
    change = price - previous
    if abs(change) < _LEAST_CHANGE:
        word, sign, change = "EVEN", "", 0.0
    elif change > 0:
        word, sign = "RISE", ""
    else:
        word, sign, change = "FALL", "-", -change
    amount, rate = f"{change:.8f}", f"{change / previous:.10f}"
    return (
        f'"trade_price":{price!r},"change":"{word}",'
        f'"change_price":{amount},"change_rate":{rate},'
        f'"signed_change_price":{sign}{amount},"signed_change_rate":{sign}{rate}'
    )


def _date(minute: int) -> str:
    return f"{datetime.fromtimestamp(minute * 60, UTC):%Y-%m-%d}"
