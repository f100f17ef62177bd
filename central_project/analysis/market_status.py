"""The market as a whole: how many coins rise, where bitcoin stands, how deep prices fell.

Limits were set on hourly Upbit closes: over 2022 to 2025 the large coins were in `crash` in
0.4 % of all hours, over the wild spring and summer of 2021 sixty coins in 6 %.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

import numpy as np

from central_project.analysis.indicators import Figures
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
    figures: Mapping[str, Figures],
    coins_failed: int,
    pipeline: str,
    exchange: str,
) -> MarketStatus:
    """Judge the market; `unknown` when the exchange is away or nothing was analysed."""
    days = _known(figures, "change_24h")
    bitcoin = figures.get(BITCOIN)
    breadth = float(np.mean([change > 0 for change in days])) if days else None
    gap = bitcoin.ema_gap_7d if bitcoin else None
    return MarketStatus(
        phase=_phase(figures, breadth, gap, exchange),
        breadth=_ratio(breadth),
        btc_trend=_ratio(gap),
        volatility=_ratio(_median(figures, "volatility_3d")),
        coins_analysed=len(figures),
        coins_failed=coins_failed,
        pipeline=pipeline,
        exchange=exchange,
    )


def _phase(
    figures: Mapping[str, Figures],
    breadth: float | None,
    gap: float | None,
    exchange: str,
    /,
) -> Phase:
    if exchange == EXCHANGE_HALTED:
        return Phase.HALTED
    if exchange != EXCHANGE_OK or breadth is None:
        return Phase.UNKNOWN
    fall_24h = _median(figures, "fall_24h") or 0
    if _is_crash(figures, fall_24h):
        return Phase.CRASH
    weak = breadth < CAUTION_BREADTH and (gap or 0) <= CAUTION_BITCOIN_GAP
    if weak or fall_24h >= CAUTION_FALL_24H:
        return Phase.CAUTION
    return Phase.NORMAL


def _is_crash(figures: Mapping[str, Figures], fall_24h: float, /) -> bool:
    bitcoin = figures.get(BITCOIN)
    bitcoin_day = (bitcoin.change_24h if bitcoin else None) or 0
    return (
        (_median(figures, "fall_6h") or 0) >= CRASH_FALL_6H
        or fall_24h >= CRASH_FALL_24H
        or bitcoin_day <= -CRASH_BITCOIN_DAY
    )


def _known(figures: Mapping[str, Figures], name: str, /) -> list[float]:
    """Return one figure of every coin that has it."""
    values = (getattr(one, name) for one in figures.values())
    return [value for value in values if value is not None]


def _median(figures: Mapping[str, Figures], name: str, /) -> float | None:
    known = _known(figures, name)
    return float(np.median(known)) if known else None


def _ratio(value: float | None, /) -> Decimal | None:
    return None if value is None else leave_float(value, step=RATIO_STEP)
