"""The market as a whole: how many coins rise, where bitcoin stands, how deep prices fell.

Limits were set on hourly Upbit closes: over 2022 to 2025 the large coins were in `crash` in
0.4 % of all hours, over the wild spring and summer of 2021 sixty coins in 6 %.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

import numpy as np

from central_project.analysis import indicators
from central_project.analysis.candles import CandleSeries, last_days
from central_project.analysis.rounding import leave_float
from common.wire import MarketStatus, Phase

BITCOIN: Final = "KRW-BTC"
EXCHANGE_OK: Final = "ok"
EXCHANGE_HALTED: Final = "maintenance"
"""Words for *exchange*; any other means that it cannot be reached."""

CRASH_FALL_6H: Final = 0.10
"""Half of all coins this far below their 6-hour high: under 1 hour in 50, even in 2021."""
CRASH_FALL_24H: Final = 0.15
"""The same within a day: deeper than most coins' lowest stage of a plan at 7 days."""
CRASH_BITCOIN_DAY: Final = 0.10
"""Bitcoin itself loses this in a day: the other coins follow within hours."""
CAUTION_FALL_24H: Final = 0.09
CAUTION_BREADTH: Final = 0.20
"""Fewer than one coin in five is up on the day; alone this is one hour in four ..."""
CAUTION_BITCOIN_GAP: Final = -0.03
"""... so it counts only while bitcoin is also well below its 7-day average."""
RATIO_STEP: Final = Decimal("0.0001")


def market_status(
    *,
    series: Mapping[str, CandleSeries],
    coins_failed: int,
    pipeline: str,
    exchange: str,
) -> MarketStatus:
    """Judge the market; `unknown` when the exchange is away or nothing was analysed."""
    days = _day_changes(series)
    bitcoin = series.get(BITCOIN)
    gap = (
        None
        if bitcoin is None
        else indicators.ema_gap(bitcoin.frame["close"], window=7 * 24)
    )
    breadth = float(np.mean([change > 0 for change in days.values()])) if days else None
    return MarketStatus(
        phase=_phase(series, days, breadth, gap, exchange),
        breadth=_ratio(breadth),
        btc_trend=_ratio(gap),
        volatility=_ratio(_median(_volatilities(series))),
        coins_analysed=len(series),
        coins_failed=coins_failed,
        pipeline=pipeline,
        exchange=exchange,
    )


def _phase(
    series: Mapping[str, CandleSeries],
    days: Mapping[str, float],
    breadth: float | None,
    gap: float | None,
    exchange: str,
    /,
) -> Phase:
    if exchange == EXCHANGE_HALTED:
        return Phase.HALTED
    if exchange != EXCHANGE_OK or breadth is None:
        return Phase.UNKNOWN
    fall_6h, fall_24h = _median(_falls(series, 6)), _median(_falls(series, 24))
    if (
        (fall_6h or 0) >= CRASH_FALL_6H
        or (fall_24h or 0) >= CRASH_FALL_24H
        or days.get(BITCOIN, 0) <= -CRASH_BITCOIN_DAY
    ):
        return Phase.CRASH
    weak = breadth < CAUTION_BREADTH and (gap or 0) <= CAUTION_BITCOIN_GAP
    if weak or (fall_24h or 0) >= CAUTION_FALL_24H:
        return Phase.CAUTION
    return Phase.NORMAL


def _day_changes(series: Mapping[str, CandleSeries], /) -> dict[str, float]:
    """Return each coin's change over the last 24 rows."""
    closes = {market: one.frame["close"].to_numpy() for market, one in series.items()}
    return {
        market: float(close[-1] / close[-25] - 1)
        for market, close in closes.items()
        if len(close) > 24
    }


def _falls(series: Mapping[str, CandleSeries], hours: int, /) -> list[float]:
    """Return how far each coin is below its high of the last *hours*."""
    frames = (one.frame.iloc[-hours:] for one in series.values())
    return [float(1 - f["close"].iloc[-1] / f["high"].max()) for f in frames if len(f)]


def _volatilities(series: Mapping[str, CandleSeries], /) -> list[float]:
    """Return each coin's daily volatility over three days."""
    values = (
        indicators.realised_volatility(last_days(one.frame, days=3)["close"])
        for one in series.values()
        if len(one.frame)
    )
    return [value for value in values if value is not None]


def _median(values: Iterable[float], /) -> float | None:
    known = list(values)
    return float(np.median(known)) if known else None


def _ratio(value: float | None, /) -> Decimal | None:
    return None if value is None else leave_float(value, step=RATIO_STEP)
