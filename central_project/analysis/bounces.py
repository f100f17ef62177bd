"""Do levels turn the price more often than arbitrary prices as far away?

Event: the first hour after a past day's end that reaches the level of that day. Success:
from the next hour on the price is *b* above the level before it is *b* below it.

The control are fake levels on the same coin and day, at the distance (in daily ATR) that
the real level had on other days. They are judged whether or not the real level was reached.
Comparing only where it was reached makes every shallower fake level a loser and shows a
bounce even in a random walk.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

from central_project.analysis.support_ground import (
    HORIZONS,
    LEAST_HISTORY,
    MIN_CANDIDATES,
    Ground,
    Horizon,
    answers_of,
    highest_allowed,
    window_of,
)
from common.wire import Level

Floats = npt.NDArray[np.float64]

SIGMA_ATR: Final = math.sqrt(math.pi / 8)
"""A day's standard deviation in daily ATR: the mean range of a Brownian motion is
sqrt(8 / pi) standard deviations (W. Feller, Ann. Math. Stat. 22, 1951)."""
RESOLVE_HOURS: Final = 7 * 24
"""Rows after the touch within which it must be decided."""
FEWEST_SAMPLES: Final = 30
AGES: Final = (12, 20, 28)
"""How many days ago the judged levels were given; the coin's turn adds up to a week."""
TURNS: Final = 8


@dataclass(frozen=True, kw_only=True)
class Tally:
    """How many first touches were followed by a bounce."""

    bounced: float = 0.0
    """An hour that reached both bounds counts half: its order is unknown."""
    samples: int = 0

    @property
    def rate(self) -> float | None:
        """Share of touches that bounced; None below FEWEST_SAMPLES."""
        if self.samples < FEWEST_SAMPLES:
            return None
        return self.bounced / self.samples

    def plus(self, other: Tally, /) -> Tally:
        """Return both together."""
        return Tally(
            bounced=self.bounced + other.bounced, samples=self.samples + other.samples
        )


@dataclass(frozen=True, kw_only=True)
class Bounces:
    """Real levels beside fake ones at the same distances."""

    real: Tally = Tally()
    placebo: Tally = Tally()


@dataclass(frozen=True, kw_only=True)
class PastLevel:
    """A level as it would have been given at the end of a past day."""

    row: int
    """First row after that day."""
    price: float
    """The coin's price then (KRW)."""
    volatility: float
    """Daily ATR as a share of that price."""
    distance: float
    """Depth of the level below that price in daily ATR (log scale)."""

    def at(self, distance: float, /) -> float:
        """Return the price *distance* ATR below (KRW)."""
        return self.price * math.exp(-distance * self.volatility)


def bounces_of(
    *, grounds: Iterable[Ground], ages: Sequence[int] = AGES
) -> dict[Level, Bounces]:
    """Pool all coins' past levels, those of *ages* days ago, plus up to TURNS - 1 days.

    *ages* lie a week or more apart: the fake levels come from a coin's other days.
    """
    pooled = dict.fromkeys(HORIZONS, Bounces())
    for turn, ground in enumerate(grounds):
        days = [ground.days - age - turn % TURNS for age in ages]
        past = [past_levels(ground=ground, day=day) for day in days if day > 0]
        for level in HORIZONS:
            given = [levels[level] for levels in past if level in levels]
            pooled[level] = _added(pooled[level], ground, given, HORIZONS[level])
    return pooled


def past_levels(*, ground: Ground, day: int) -> dict[Level, PastLevel]:
    """Return the levels known at the end of day *day* - 1, before rounding to a tick."""
    row = int(ground.edges[day])
    price, atr = float(ground.close[row - 1]), float(ground.atr[day - 1])
    levels: dict[Level, PastLevel] = {}
    above = None
    if not atr > 0:
        return levels
    for level, horizon in HORIZONS.items():
        if ground.known_days(end=row) + 1 < LEAST_HISTORY * horizon.days:
            continue
        window = window_of(ground=ground, days=horizon.days, last_day=day)
        _, raw, count = answers_of(window=window, horizon=horizon, price=price, atr=atr)
        if count < MIN_CANDIDATES:
            continue
        above = highest_allowed(
            raw=raw, price=price, above=above, volatility=atr / price, horizon=horizon
        )
        levels[level] = PastLevel(
            row=row,
            price=price,
            volatility=atr / price,
            distance=math.log(price / above) * price / atr,
        )
    return levels


def tally_of(
    *, ground: Ground, at: PastLevel, distances: Iterable[float], horizon: Horizon
) -> Tally:
    """Judge the levels at *distances* below the price of *at*; undecided ones are left out."""
    stop = ground.end_of(start=at.row, days=horizon.touch_days)
    factor = math.exp(horizon.bounce_sigma * SIGMA_ATR * at.volatility)
    outcomes = [
        _outcome(ground.low, ground.high, at.row, stop, at.at(distance), factor)
        for distance in distances
    ]
    decided = [outcome for outcome in outcomes if outcome >= 0]
    return Tally(bounced=sum(decided), samples=len(decided))


def _added(
    before: Bounces, ground: Ground, given: Sequence[PastLevel], horizon: Horizon, /
) -> Bounces:
    real, placebo = before.real, before.placebo
    for at in given:
        others = [other.distance for other in given if other is not at]
        real = real.plus(
            tally_of(ground=ground, at=at, distances=[at.distance], horizon=horizon)
        )
        placebo = placebo.plus(
            tally_of(ground=ground, at=at, distances=others, horizon=horizon)
        )
    return Bounces(real=real, placebo=placebo)


@njit(cache=True, error_model="numpy")
def _outcome(
    low: Floats, high: Floats, start: int, stop: int, level: float, factor: float
) -> float:
    """Return 1 for a bounce, 0 for a fall, 1/2 for both in one hour, -1 for neither."""
    row = start
    while row < stop and low[row] > level:
        row += 1
    if row >= stop:
        return -1.0
    for after in range(row + 1, min(row + 1 + RESOLVE_HOURS, len(low))):
        up, down = high[after] >= level * factor, low[after] <= level / factor
        if up and down:
            return 0.5
        if up or down:
            return 1.0 if up else 0.0
    return -1.0
