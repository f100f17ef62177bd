"""Three support levels below the price, ordered by construction.

Per horizon the median of several candidate methods; then each level is pushed below the one
above it by a gap that grows with volatility, so 0 < conservative < moderate < aggressive <
price holds always. A level that cannot be given is null with a reason, never a guess.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import numpy as np

from central_project.analysis import indicators
from central_project.analysis.candidates import METHODS, Window, visits
from central_project.analysis.candles import (
    CandleSeries,
    daily_bars,
    last_days,
    span_days,
)
from central_project.analysis.rounding import leave_float
from common.money import TickTable
from common.wire import Level, SupportLevel, SupportLevels

MIN_CANDIDATES: Final = 3
MAX_DEPTH: Final = Decimal("0.70")
GAP_ATR: Final = 0.5
GAP_TICKS: Final = 2
LEAST_HISTORY: Final = 0.6
"""Share of the horizon below which no level is given; up to a full one it is degraded."""
MAX_MISSING: Final = 0.10

SHORT_HISTORY: Final = "SHORT_HISTORY"
NO_VOLATILITY: Final = "NO_VOLATILITY"
FEW_CANDIDATES: Final = "FEW_CANDIDATES"
TOO_DEEP: Final = "TOO_DEEP"
BELOW_TICK: Final = "BELOW_TICK"
MISSING_CANDLES: Final = "MISSING_CANDLES"


@dataclass(frozen=True, kw_only=True)
class Horizon:
    """How far a level looks back and how far below the price it lies at least."""

    days: int
    floor_atr: float
    """Least distance below the price in daily ATR (log scale)."""
    band_atr: float
    """Distance of the plain volatility band, one of the candidates, in daily ATR."""


HORIZONS: Final[Mapping[Level, Horizon]] = {
    Level.AGGRESSIVE: Horizon(days=7, floor_atr=0.6, band_atr=1.0),
    Level.MODERATE: Horizon(days=30, floor_atr=1.5, band_atr=2.0),
    Level.CONSERVATIVE: Horizon(days=90, floor_atr=3.0, band_atr=4.0),
}
"""Highest level first: each lies below the ones before it."""


@dataclass(frozen=True, kw_only=True)
class RawSupport:
    """What one horizon says by itself, before the levels are put in order."""

    horizon_days: int
    price: Decimal | None
    method: str = ""
    candidates: int = 0
    touches: int = 0
    degraded: bool = False
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class _Ground:
    """What all three levels of a coin stand on."""

    series: CandleSeries
    price: Decimal
    ticks: TickTable
    atr: float
    """Daily ATR in KRW; 0 when nothing moved or too little is known."""

    @property
    def volatility(self) -> float:
        return self.atr / float(self.price)

    @property
    def step(self) -> Decimal:
        """Raw prices are kept to a hundredth of a tick."""
        return self.ticks.tick_size(price=self.price) / 100


def calculate_aggressive_support(
    *, series: CandleSeries, price: Decimal, ticks: TickTable
) -> RawSupport:
    """Return the raw 7-day level below *price* (KRW)."""
    return _alone(_ground(series, price, ticks), HORIZONS[Level.AGGRESSIVE])


def calculate_moderate_support(
    *, series: CandleSeries, price: Decimal, ticks: TickTable
) -> RawSupport:
    """Return the raw 30-day level below *price* (KRW)."""
    return _alone(_ground(series, price, ticks), HORIZONS[Level.MODERATE])


def calculate_conservative_support(
    *, series: CandleSeries, price: Decimal, ticks: TickTable
) -> RawSupport:
    """Return the raw 90-day level below *price* (KRW)."""
    return _alone(_ground(series, price, ticks), HORIZONS[Level.CONSERVATIVE])


def calculate_support_levels(
    *, series: CandleSeries, price: Decimal, ticks: TickTable
) -> SupportLevels:
    """Return the three levels on tick, each at least a gap below the one above."""
    ground = _ground(series, price, ticks)
    levels: dict[Level, SupportLevel] = {}
    above: Decimal | None = None
    for level, horizon in HORIZONS.items():
        window = _window(ground, horizon)
        raw = _raw(ground, horizon, window)
        levels[level] = _ordered(ground, horizon, window, raw, above)
        above = levels[level].price or above
    return SupportLevels(symbol=series.market, price=price, levels=levels)


def _ground(series: CandleSeries, price: Decimal, ticks: TickTable, /) -> _Ground:
    atr = indicators.average_true_range(daily_bars(series.frame))
    return _Ground(series=series, price=price, ticks=ticks, atr=atr or 0.0)


def _alone(ground: _Ground, horizon: Horizon, /) -> RawSupport:
    return _raw(ground, horizon, _window(ground, horizon))


def _raw(ground: _Ground, horizon: Horizon, window: Window, /) -> RawSupport:
    """Take the median of all candidates below the price; need MIN_CANDIDATES of them."""
    days = horizon.days
    # One day less still counts as whole: a coin listed 90 days ago has 89 and a half.
    known = span_days(ground.series.frame) + 1
    if known < LEAST_HISTORY * days:
        return RawSupport(horizon_days=days, price=None, reason=SHORT_HISTORY)
    if ground.atr <= 0:
        return RawSupport(horizon_days=days, price=None, reason=NO_VOLATILITY)
    found = _candidates(window)
    level = leave_float(float(np.median(list(found.values()) or [0])), step=ground.step)
    if len(found) < MIN_CANDIDATES or level <= 0:
        return RawSupport(
            horizon_days=days,
            price=None,
            candidates=len(found),
            reason=FEW_CANDIDATES if len(found) < MIN_CANDIDATES else BELOW_TICK,
        )
    weakness = _weakness(ground.series, short=known < days)
    return RawSupport(
        horizon_days=days,
        price=level,
        method=f"median({','.join(found)})",
        candidates=len(found),
        touches=visits(window, float(level)),
        degraded=weakness is not None,
        reason=weakness,
    )


def _window(ground: _Ground, horizon: Horizon, /) -> Window:
    frame = last_days(ground.series.frame, days=horizon.days)
    return Window(
        frame=frame,
        bars=daily_bars(frame),
        price=float(ground.price),
        atr=ground.atr,
        atr_multiple=horizon.band_atr,
    )


def _candidates(window: Window, /) -> dict[str, float]:
    """Return what each method says, dropping answers that are no support."""
    answers = {name: method(window) for name, method in METHODS.items()}
    return {
        name: level
        for name, level in answers.items()
        if level is not None and math.isfinite(level) and 0 < level < window.price
    }


def _weakness(series: CandleSeries, /, *, short: bool) -> str | None:
    if short:
        return SHORT_HISTORY
    return MISSING_CANDLES if series.missing_share > MAX_MISSING else None


def _ordered(
    ground: _Ground,
    horizon: Horizon,
    window: Window,
    raw: RawSupport,
    above: Decimal | None,
    /,
) -> SupportLevel:
    """Push *raw* below the price's volatility floor and the level *above*, on tick."""
    price, problem = None, raw.reason
    if raw.price is not None:
        price = _highest_allowed(ground, horizon, raw.price, above)
        refusal = _refusal(ground, price)
        price, problem = (None, refusal) if refusal else (price, raw.reason)
    pushed = (
        price is not None and raw.price is not None and _is_pushed(ground, raw, price)
    )
    return SupportLevel(
        horizon_days=horizon.days,
        price=price,
        raw=raw.price,
        method=f"{raw.method}+volatility_floor" if pushed else raw.method,
        candidates=raw.candidates,
        touches=visits(window, float(price)) if price else 0,
        degraded=raw.degraded,
        reason=problem,
    )


def _highest_allowed(
    ground: _Ground, horizon: Horizon, raw: Decimal, above: Decimal | None, /
) -> Decimal:
    """Return the highest price on tick under all three bounds; 0 or less if none."""
    depth = math.exp(-horizon.floor_atr * ground.volatility)
    bounds = [raw, leave_float(float(ground.price) * depth, step=ground.step)]
    upper = ground.price
    if above is not None:
        gap = math.exp(-GAP_ATR * ground.volatility)
        bounds.append(leave_float(float(above) * gap, step=ground.step))
        upper = above
    bounds.append(upper - GAP_TICKS * ground.ticks.tick_size(price=upper))
    lowest = min(bounds)
    return ground.ticks.floor(price=lowest) if lowest > 0 else Decimal(0)


def _refusal(ground: _Ground, price: Decimal, /) -> str | None:
    if price <= 0:
        return BELOW_TICK
    too_deep = price < ground.price * (1 - MAX_DEPTH)
    return TOO_DEEP if too_deep else None


def _is_pushed(ground: _Ground, raw: RawSupport, price: Decimal, /) -> bool:
    return raw.price is not None and price < ground.ticks.floor(price=raw.price)
