"""How likely a level is reached within the next days, judged by how far away it lies.

Distance is measured in daily ATR. For a price that wanders without drift the chance to fall
by *d* within *H* days is 2 N(-d / (s sqrt(H))) (reflection principle, L. Bachelier 1900),
with *s* the spread of one day in ATR. SPREAD was fitted to hourly candles of 64 coins of
2020 to 2024 and judged on others. The falls of the run's own coins correct it by as much
as they know: 90 days hold four times 21 days, and coins that fall together count as one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from central_project.analysis.bounces import Bounces, bounces_of
from central_project.analysis.candles import CandleSeries
from central_project.analysis.support_ground import HORIZONS, Ground, ground_of
from common.wire import Level

Floats = npt.NDArray[np.float64]

SPREAD: Final[Mapping[Level, float]] = {
    Level.AGGRESSIVE: 0.52,
    Level.MODERATE: 0.56,
    Level.CONSERVATIVE: 0.55,
}
"""One day's standard deviation in daily ATR, as the reached share of real levels has it."""
CURVE_WINDOWS: Final = 300.0
"""The curve weighs as much as this many separate windows of the run's own falls."""
DEEP: Final = 0.80
"""Falls beyond this quantile, about as far as levels lie, tell whether coins fall together."""


@dataclass(frozen=True, kw_only=True)
class Falls:
    """The deepest falls within a level's touch days, pooled over coins and days."""

    depths: Floats = field(default_factory=lambda: np.empty(0))
    """In daily ATR of the day they began, ascending."""
    windows: float = 0.0
    """How many windows neither overlap nor repeat what other coins did."""

    def share(self, *, distance: float) -> float:
        """Return the share of falls at least *distance* deep; needs one."""
        reached = len(self.depths) - np.searchsorted(self.depths, distance)
        return float(reached) / len(self.depths)


@dataclass(frozen=True, kw_only=True)
class TouchTable:
    """What the past of all coins together says about levels, the same for every coin."""

    falls: Mapping[Level, Falls]
    bounces: Mapping[Level, Bounces]

    def probability(self, *, level: Level, distance: float) -> float:
        """Return the chance that a level *distance* ATR below is reached in its days."""
        falls = self.falls[level]
        expected = curve(level=level, distance=distance)
        if not len(falls.depths):
            return expected
        weight = falls.windows / (falls.windows + CURVE_WINDOWS)
        return weight * falls.share(distance=distance) + (1 - weight) * expected


def curve(*, level: Level, distance: float) -> float:
    """Return the chance that the fitted curve gives; *distance* in daily ATR, not below 0."""
    spread = SPREAD[level] * math.sqrt(HORIZONS[level].touch_days)
    return math.erfc(distance / spread / math.sqrt(2))


def calibration_of(*, series: Sequence[CandleSeries]) -> TouchTable:
    """Return the table of a run; *series* are all its coins' hours known at its start.

    Made once per run, before the first coin's levels; it needs no candle of the run's own
    hour, so it can be made while those are still being collected.
    """
    grounds = [ground_of(series=one) for one in series]
    return TouchTable(
        falls={level: _pooled(grounds, level) for level in HORIZONS},
        bounces=bounces_of(grounds=grounds),
    )


def _pooled(grounds: Sequence[Ground], level: Level, /) -> Falls:
    days = HORIZONS[level].touch_days
    parts = [_falls(ground, days) for ground in grounds]
    length = max((len(part) for part in parts), default=0)
    # One row per coin; all end on the same day.
    table = np.full((len(parts), length), np.nan)
    for row, part in zip(table, parts, strict=True):
        row[length - len(part) :] = part
    depths = np.sort(table[np.isfinite(table)])
    if not len(depths):
        return Falls()
    return Falls(depths=depths, windows=length / days * _separate_coins(table, depths))


def _separate_coins(table: Floats, depths: Floats, /) -> float:
    """Return how many independent coins would give shares that vary as much by day.

    The share of *n* independent coins that fall deep has the variance p (1 - p) / n.
    """
    known = np.isfinite(table)
    coins = known.sum(axis=0)
    deep = (known & (table >= np.quantile(depths, DEEP))).sum(axis=0)
    share = deep.sum() / coins.sum()
    variance = float(np.var(deep[coins > 0] / coins[coins > 0]))
    if variance == 0:
        return 1.0
    return float(np.clip(share * (1 - share) / variance, 1, len(table)))


def _falls(ground: Ground, days: int, /) -> Floats:
    """Return the deepest fall after each day, in ATR; not finite on days without an ATR."""
    starts = ground.days - days
    if starts <= 0:
        return np.empty(0)
    lows = np.lib.stride_tricks.sliding_window_view(ground.day_low[1:], days).min(
        axis=1
    )
    close = ground.close[ground.edges[1 : starts + 1] - 1]
    with np.errstate(divide="ignore", invalid="ignore"):
        depths: Floats = np.log(close / lows) * close / ground.atr[:starts]
    return depths
