"""Three support levels below the price, ordered by construction.

Per horizon the median of several candidate methods; then each level is pushed below the one
above it by a gap that grows with volatility, so 0 < conservative < moderate < aggressive <
price holds always. A level that cannot be given is null with a reason, never a guess; so
is every figure that says how good a level is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

from central_project.analysis import candidates
from central_project.analysis.candidates import METHODS, ZONE_ATR
from central_project.analysis.candles import CandleSeries
from central_project.analysis.rounding import leave_float
from central_project.analysis.support_evidence import evidence_of
from central_project.analysis.support_ground import (
    HORIZONS,
    LEAST_HISTORY,
    MIN_CANDIDATES,
    Ground,
    Horizon,
    Window,
    answers_of,
    ground_of,
    highest_allowed,
    window_of,
)
from central_project.analysis.touches import TouchTable
from common.money import TickTable
from common.wire import Level, SupportLevel, SupportLevels

MAX_DEPTH: Final = Decimal("0.70")
GAP_TICKS: Final = 2
MAX_MISSING: Final = 0.10

SHORT_HISTORY: Final = "SHORT_HISTORY"
NO_VOLATILITY: Final = "NO_VOLATILITY"
FEW_CANDIDATES: Final = "FEW_CANDIDATES"
TOO_DEEP: Final = "TOO_DEEP"
BELOW_TICK: Final = "BELOW_TICK"
MISSING_CANDLES: Final = "MISSING_CANDLES"


@dataclass(frozen=True, kw_only=True)
class RawSupport:
    """What one horizon says by itself, before the levels are put in order."""

    horizon_days: int
    price: Decimal | None
    method: str = ""
    candidates: int = 0
    candles: int = 0
    touches: int = 0
    degraded: bool = False
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class _Coin:
    """One coin at one price, with what is known about its past."""

    series: CandleSeries
    ground: Ground
    price: Decimal
    ticks: TickTable
    step: Decimal
    """Raw prices are kept to a hundredth of a tick."""

    @property
    def atr(self) -> float:
        """Daily ATR in KRW; 0 when nothing moved or too little is known."""
        last = float(self.ground.atr[-1]) if self.ground.days else 0.0
        return last if last > 0 else 0.0

    @property
    def volatility(self) -> float:
        return self.atr / float(self.price)


def calculate_aggressive_support(
    *, series: CandleSeries, price: Decimal, ticks: TickTable
) -> RawSupport:
    """Return the raw 7-day level below *price* (KRW)."""
    return _alone(_coin(series, price, ticks), HORIZONS[Level.AGGRESSIVE])


def calculate_moderate_support(
    *, series: CandleSeries, price: Decimal, ticks: TickTable
) -> RawSupport:
    """Return the raw 30-day level below *price* (KRW)."""
    return _alone(_coin(series, price, ticks), HORIZONS[Level.MODERATE])


def calculate_conservative_support(
    *, series: CandleSeries, price: Decimal, ticks: TickTable
) -> RawSupport:
    """Return the raw 90-day level below *price* (KRW)."""
    return _alone(_coin(series, price, ticks), HORIZONS[Level.CONSERVATIVE])


def calculate_support_levels(
    *,
    series: CandleSeries,
    price: Decimal,
    ticks: TickTable,
    touches: TouchTable | None = None,
) -> SupportLevels:
    """Return the three levels on tick, each at least a gap below the one above.

    *touches*: the run's table (`touches.calibration_of`, made once from the hours known at
    the run's start); without it no level says how often it is reached or holds.
    """
    coin = _coin(series, price, ticks)
    levels: dict[Level, SupportLevel] = {}
    above: Decimal | None = None
    for level, horizon in HORIZONS.items():
        window = window_of(ground=coin.ground, days=horizon.days)
        raw = _raw(coin, horizon, window)
        price_, refusal = _ordered(coin, horizon, raw, above)
        pushed = _is_pushed(coin, raw, price_)
        levels[level] = SupportLevel(
            horizon_days=horizon.days,
            price=price_,
            raw=raw.price,
            clamped=pushed,
            method=f"{raw.method}+volatility_floor" if pushed else raw.method,
            candidates=raw.candidates,
            candles=raw.candles,
            touches=_touches(coin, window, price_),
            last_touch_at=_last_touch(coin, window, price_),
            degraded=raw.degraded,
            reason=refusal or raw.reason,
            **evidence_of(level=level, distance=_distance(coin, price_), table=touches),
        )
        above = price_ or above
    return SupportLevels(symbol=series.market, price=price, levels=levels)


def _coin(series: CandleSeries, price: Decimal, ticks: TickTable, /) -> _Coin:
    return _Coin(
        series=series,
        ground=ground_of(series=series),
        price=price,
        ticks=ticks,
        step=ticks.tick_size(price=price) / 100,
    )


def _alone(coin: _Coin, horizon: Horizon, /) -> RawSupport:
    return _raw(coin, horizon, window_of(ground=coin.ground, days=horizon.days))


def _raw(coin: _Coin, horizon: Horizon, window: Window, /) -> RawSupport:
    """Take the median of all candidates below the price; need MIN_CANDIDATES of them."""
    days, ground = horizon.days, coin.ground
    # One day less still counts as whole: a coin listed 90 days ago has 89 and a half.
    known = ground.known_days(end=len(ground.hours)) + 1
    candles = window.end - window.start
    if known < LEAST_HISTORY * days:
        return _none(horizon, SHORT_HISTORY, candles)
    if coin.atr <= 0:
        return _none(horizon, NO_VOLATILITY, candles)
    price = float(coin.price)
    found, middle, count = answers_of(
        window=window, horizon=horizon, price=price, atr=coin.atr
    )
    if count < MIN_CANDIDATES:
        return _none(horizon, FEW_CANDIDATES, candles, count)
    level = leave_float(middle, step=coin.step)
    if level <= 0:
        return _none(horizon, BELOW_TICK, candles, count)
    used = [name for name, one in zip(METHODS, found, strict=True) if 0 < one < price]
    weakness = _weakness(coin.series, short=known < days)
    return RawSupport(
        horizon_days=days,
        price=level,
        method=f"median({','.join(used)})",
        candidates=count,
        candles=candles,
        touches=_touches(coin, window, level),
        degraded=weakness is not None,
        reason=weakness,
    )


def _none(horizon: Horizon, reason: str, candles: int, count: int = 0, /) -> RawSupport:
    return RawSupport(
        horizon_days=horizon.days,
        price=None,
        candidates=count,
        candles=candles,
        reason=reason,
    )


def _weakness(series: CandleSeries, /, *, short: bool) -> str | None:
    if short:
        return SHORT_HISTORY
    return MISSING_CANDLES if series.missing_share > MAX_MISSING else None


def _ordered(
    coin: _Coin, horizon: Horizon, raw: RawSupport, above: Decimal | None, /
) -> tuple[Decimal | None, str | None]:
    """Push *raw* below the volatility floor and the level *above*, on tick.

    Returns the level, or none with the reason.
    """
    if raw.price is None:
        return None, raw.reason
    bound = highest_allowed(
        raw=float(raw.price),
        price=float(coin.price),
        above=None if above is None else float(above),
        volatility=coin.volatility,
        horizon=horizon,
    )
    upper = coin.price if above is None else above
    lowest = min(
        raw.price,
        leave_float(bound, step=coin.step),
        upper - GAP_TICKS * coin.ticks.tick_size(price=upper),
    )
    price = coin.ticks.floor(price=lowest) if lowest > 0 else Decimal(0)
    if price <= 0:
        return None, BELOW_TICK
    if price < coin.price * (1 - MAX_DEPTH):
        return None, TOO_DEEP
    return price, None


def _is_pushed(coin: _Coin, raw: RawSupport, price: Decimal | None, /) -> bool:
    if price is None or raw.price is None:
        return False
    return price < coin.ticks.floor(price=raw.price)


def _touches(coin: _Coin, window: Window, price: Decimal | None, /) -> int:
    if price is None:
        return 0
    days = window.days
    low, high = coin.ground.day_low[days], coin.ground.day_high[days]
    return candidates.visits(low, high, float(price), ZONE_ATR * coin.atr)


def _last_touch(
    coin: _Coin, window: Window, price: Decimal | None, /
) -> datetime | None:
    """Return the start of the horizon's last hour that came near the level."""
    if price is None:
        return None
    ground, rows = coin.ground, window.rows
    row = candidates.last_visit(
        ground.low[rows], ground.high[rows], float(price), ZONE_ATR * coin.atr
    )
    if row < 0:
        return None
    return datetime.fromtimestamp(int(ground.hours[window.start + row]) * 3600, UTC)


def _distance(coin: _Coin, price: Decimal | None, /) -> float | None:
    """Return how deep *price* lies below the market in daily ATR (log scale)."""
    if price is None:
        return None
    return math.log(float(coin.price) / float(price)) / coin.volatility
