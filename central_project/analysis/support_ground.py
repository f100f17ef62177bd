"""What all levels of a coin stand on: its hours as arrays, whole days, daily ATR, horizons.

Days are 24-hour blocks that end with the last row, so the days up to any day's end are the
days of a series that ends there: a walk through the past needs no second preparation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

from central_project.analysis import candidates
from central_project.analysis.candles import CandleSeries
from common.wire import Level

Floats = npt.NDArray[np.float64]
Hours = npt.NDArray[np.int64]

ATR_DAYS: Final = 14
ATR_DAYS_LEAST: Final = 3
MIN_CANDIDATES: Final = 3
"""Fewer answers have no median worth the name."""
GAP_ATR: Final = 0.5
"""Least distance between two neighbouring levels in daily ATR (log scale)."""
LEAST_HISTORY: Final = 0.6
"""Share of the horizon below which no level is given; up to a full one it is degraded."""


@dataclass(frozen=True, kw_only=True)
class Horizon:
    """How far a level looks back, how deep it lies at least, what it is judged by."""

    days: int
    floor_atr: float
    """Least distance below the price in daily ATR (log scale)."""
    band_atr: float
    """Distance of the plain volatility band, one of the candidates, in daily ATR."""
    touch_days: int
    """Days within which the level's chance of being reached is stated."""
    bounce_sigma: float
    """How far a bounce must carry, in standard deviations of a day."""


HORIZONS: Final[Mapping[Level, Horizon]] = {
    Level.AGGRESSIVE: Horizon(
        days=7, floor_atr=0.6, band_atr=1.0, touch_days=3, bounce_sigma=0.5
    ),
    Level.MODERATE: Horizon(
        days=30, floor_atr=1.5, band_atr=2.0, touch_days=7, bounce_sigma=1.0
    ),
    Level.CONSERVATIVE: Horizon(
        days=90, floor_atr=3.0, band_atr=4.0, touch_days=21, bounce_sigma=1.0
    ),
}
"""Highest level first: each lies below the ones before it."""


@dataclass(frozen=True, kw_only=True)
class Ground:
    """One coin's hours and whole days, oldest first; prices in KRW."""

    hours: Hours
    """Start of each row in hours since 1970; gaps are allowed."""
    high: Floats
    low: Floats
    close: Floats
    traded: Floats
    """Quote volume."""
    edges: Hours
    """Day *d* holds the rows [edges[d], edges[d + 1])."""
    day_high: Floats
    day_low: Floats
    atr: Floats
    """Wilder's average true range of the days up to each day's end; NaN: too few days."""

    @property
    def days(self) -> int:
        """Number of whole days."""
        return len(self.day_low)

    def known_days(self, *, end: int) -> float:
        """Return how many days the rows before row *end* reach back."""
        return float(self.hours[end - 1] - self.hours[0] + 1) / 24

    def start_of(self, *, end: int, days: int) -> int:
        """Return the first row of the *days* before row *end*."""
        return int(np.searchsorted(self.hours, self.hours[end - 1] - 24 * days + 1))

    def end_of(self, *, start: int, days: int) -> int:
        """Return the row after the *days* that follow the row before *start*."""
        return int(
            np.searchsorted(self.hours, self.hours[start - 1] + 24 * days, side="right")
        )


@dataclass(frozen=True, kw_only=True)
class Window:
    """One horizon that ends before row *end* and with day *last_day*, both exclusive."""

    ground: Ground
    start: int
    end: int
    first_day: int
    last_day: int

    @property
    def rows(self) -> slice:
        """The horizon's hours."""
        return slice(self.start, self.end)

    @property
    def days(self) -> slice:
        """The horizon's whole days."""
        return slice(self.first_day, self.last_day)


def ground_of(*, series: CandleSeries) -> Ground:
    """Return the arrays of *series*, without copies where its frame is one block."""
    starts = series.frame.index.to_numpy(dtype="datetime64[h]")
    hours = starts.astype(np.int64)
    columns = np.ascontiguousarray(series.frame.to_numpy(dtype="float64").T).view()
    # One kind of array, one machine code: pandas' own blocks are read-only.
    columns.flags.writeable = False
    _, high, low, close, _, traded = columns
    edges = _day_edges(hours)
    day_high, day_low, atr = _days(edges, high, low, close)
    return Ground(
        hours=hours,
        high=high,
        low=low,
        close=close,
        traded=traded,
        edges=edges,
        day_high=day_high,
        day_low=day_low,
        atr=atr,
    )


def window_of(*, ground: Ground, days: int, last_day: int | None = None) -> Window:
    """Return the last *days* of *ground*, or those up to the end of day *last_day* - 1."""
    end = len(ground.hours) if last_day is None else int(ground.edges[last_day])
    start = ground.start_of(end=end, days=days)
    return Window(
        ground=ground,
        start=start,
        end=end,
        first_day=int(np.searchsorted(ground.edges[:-1], start)),
        last_day=ground.days if last_day is None else last_day,
    )


def answers_of(
    *, window: Window, horizon: Horizon, price: float, atr: float
) -> tuple[Floats, float, int]:
    """Return every method's answer, the median of those in (0, *price*), their number."""
    ground, rows = window.ground, window.rows
    found = candidates.answers(
        ground.high[rows],
        ground.low[rows],
        ground.close[rows],
        ground.traded[rows],
        ground.day_low[window.days],
        price,
        atr,
        horizon.band_atr,
    )
    middle, count = candidates.median_below(found, price)
    return found, middle, count


def highest_allowed(
    *,
    raw: float,
    price: float,
    above: float | None,
    volatility: float,
    horizon: Horizon,
) -> float:
    """Return *raw*, pushed below the volatility floor and the level *above* (KRW).

    *volatility*: daily ATR as a share of the price.
    """
    bounds = [raw, price * math.exp(-horizon.floor_atr * volatility)]
    if above is not None:
        bounds.append(above * math.exp(-GAP_ATR * volatility))
    return min(bounds)


@njit(cache=True, error_model="numpy")
def _day_edges(hours: Hours) -> Hours:
    """Return where each whole 24-hour block begins, and the end; empty days are left out."""
    last, rows = hours[-1], len(hours)
    whole = (last - hours[0] + 1) // 24
    edges = np.empty(rows + 1, np.int64)
    edges[0], count, before = rows, 1, -1
    for row in range(rows - 1, -1, -1):
        day = (last - hours[row]) // 24
        if day >= whole:
            break
        if day != before:
            count += 1
        edges[count - 1] = row
        before = day
    return edges[:count][::-1].copy()


@njit(cache=True, error_model="numpy")
def _days(
    edges: Hours, high: Floats, low: Floats, close: Floats
) -> tuple[Floats, Floats, Floats]:
    """Return each day's high, low and the average true range up to its end.

    Wilder's smoothing as in `ta`; with fewer than ATR_DAYS days the plain mean of all.
    """
    days = len(edges) - 1
    highs, lows, atr = np.empty(days), np.empty(days), np.full(days, np.nan)
    total, smoothed = 0.0, 0.0
    for day in range(days):
        rows = slice(edges[day], edges[day + 1])
        highs[day], lows[day] = high[rows].max(), low[rows].min()
        top, bottom = highs[day], lows[day]
        if day:
            before = close[edges[day] - 1]
            top, bottom = max(top, before), min(bottom, before)
        total += top - bottom
        if day < ATR_DAYS:
            smoothed = total / (day + 1)
        else:
            smoothed = (smoothed * (ATR_DAYS - 1) + (top - bottom)) / ATR_DAYS
        if day + 1 >= ATR_DAYS_LEAST:
            atr[day] = smoothed
    return highs, lows, atr
