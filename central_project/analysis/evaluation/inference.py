"""Means with honest errors: overlapping windows, few dates, coins that move together.

Two yardsticks are used side by side. Over time: the Newey-West error of a mean of dates whose
outcome windows overlap, read as Student's t with few degrees of freedom. Over coins: the same
figure after giving each coin another coin's outcomes, which keeps everything about scores and
outcomes except who belongs to whom.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

USUAL: Final = 1.959964
"""Two-sided 95 % of the normal distribution: all intervals shown are 95 %."""
LAG_WINDOWS: Final = 2
"""Newey-West lag per overlapping date. With one, long windows come out a third too sure."""
BLOCK_DAYS: Final = 21
TWIN_SEED: Final = 20_210_613
ALMOST_ALL: Final = 1 - 1e-9
"""A correlation of 1 counts as this: it has no finite t."""
LEAST_BLOCKS: Final = 4


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean, its 95 % interval and how many normal errors it lies from 0."""

    value: float
    n: int
    """Dates or blocks the error comes from."""
    low: float | None = None
    high: float | None = None
    t: float | None = None
    z: float | None = None
    """*t* as the normal deviate of the same probability; None: too short to judge."""
    spread: float | None = None
    """Standard deviation over the dates; None for rates over blocks."""


@dataclass(frozen=True, kw_only=True)
class Chance:
    """What the figure is when coins are shuffled: mean, 95 % band, place of the real one."""

    low: float
    high: float
    z: float


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One question put to the data: the figure, a random twin, and what chance gives."""

    estimate: Estimate
    twin: Estimate
    chance: Chance

    @property
    def z(self) -> float | None:
        """Return the weaker of the two yardsticks; they must point the same way."""
        if self.estimate.z is None:
            return None
        over_time, over_coins = self.estimate.z, self.chance.z
        if over_time * over_coins <= 0:
            return 0.0
        return math.copysign(min(abs(over_time), abs(over_coins)), over_time)


def mean_over_dates(values: Floats, /, *, window: int) -> Estimate | None:
    """Return the mean of equally spaced dates whose outcomes span *window* dates.

    Bartlett weights (W. K. Newey, K. D. West, 1987), lag 1 where no windows overlap;
    n / (lag + 1) - 1 degrees of freedom. Simulated means of overlapping noise pass a bar of
    0.1 % in at most 0.23 % of cases. NaN dates do not count. None without any date.
    """
    known = values[np.isfinite(values)]
    n = len(known)
    if n == 0:
        return None
    mean = float(known.mean())
    lag = LAG_WINDOWS * (window - 1) + 1
    freedom = n / (lag + 1) - 1
    spread = float(known.std(ddof=1)) if n > 1 else None
    error = math.sqrt(max(0.0, _long_run_variance(known - mean, lag)) / n)
    if freedom < 1 or error <= 1e-12:
        return Estimate(value=mean, n=n, spread=spread)
    return _estimate(mean, error, freedom, n=n, spread=spread)


def ratio_over_blocks(
    *, hits: Floats, trials: Floats, against: tuple[Floats, Floats] | None = None
) -> Estimate | None:
    """Return sum(hits) / sum(trials) over blocks, minus the same of *against* if given.

    The error is the delete-one-block jackknife's (M. Quenouille, J. Tukey): coins of one
    block move together, blocks hardly do. None when nothing was tried.
    """
    parts = [hits, trials, *(against or ())]
    totals = [float(part.sum()) for part in parts]
    if min(totals[1], totals[-1] if against else 1) <= 0:
        return None
    value = _difference(totals)
    n = int(np.count_nonzero(trials > 0))
    if n < LEAST_BLOCKS:
        return Estimate(value=value, n=n)
    without = [
        _difference([total - float(part[k]) for total, part in zip(totals, parts)])  # noqa: B905
        for k in np.flatnonzero(trials > 0)
    ]
    known = np.array([one for one in without if math.isfinite(one)])
    error = math.sqrt((n - 1) / n * float(((known - known.mean()) ** 2).sum()))
    if len(known) < n or error <= 1e-12:
        return Estimate(value=value, n=n)
    return _estimate(value, error, n - 1, n=n)


def shuffled(pairs: Floats, /) -> Chance:
    """Return the distribution of sum(pairs[i, p(i)]) over all permutations p of the coins.

    *pairs* is square: the figure if coin i had coin j's outcomes. Mean and variance are
    exact (W. Hoeffding, "A combinatorial central limit theorem", 1951). The tail is that of
    a correlation under permutation, Student's t (E. J. G. Pitman, 1937): a lasting ranking
    of n coins is one correlation, a changing one as many as *pairs* has dimensions.
    """
    n = len(pairs)
    mean = float(pairs.sum()) / n
    rest = pairs - pairs.mean(0) - pairs.mean(1)[:, None] + pairs.mean()
    size = float((rest**2).sum())
    if n < 3 or size <= 1e-24:
        return Chance(low=mean, high=mean, z=0.0)
    error = math.sqrt(size / (n - 1))
    dimensions = size**2 / float(((rest.T @ rest) ** 2).sum())
    freedom = (n - 1) * dimensions - 1
    share = float(np.trace(rest)) / error / math.sqrt(freedom + 1)
    share = max(-ALMOST_ALL, min(ALMOST_ALL, share))
    t = share * math.sqrt(freedom / (1 - share**2))
    reach = USUAL * error
    return Chance(low=mean - reach, high=mean + reach, z=normal_of_t(t, freedom))


def tried(*, weights: Floats, outcomes: Floats, window: int) -> Trial | None:
    """Return the mean over dates of sum(weights * outcomes), both dates x coins.

    Coins that do not take part on a date are 0 in both. The random twin gives each coin
    the outcomes of another one, the same for all dates. None without any date or pair.
    """
    used = np.abs(weights).sum(0) > 0
    if used.sum() < 2:
        return None
    weights, outcomes = weights[:, used], outcomes[:, used]
    estimate = mean_over_dates((weights * outcomes).sum(1), window=window)
    other = twin_of(outcomes.shape[1])
    twin = mean_over_dates((weights * outcomes[:, other]).sum(1), window=window)
    if estimate is None or twin is None:
        return None
    chance = shuffled(weights.T @ outcomes / len(weights))
    return Trial(estimate=estimate, twin=twin, chance=chance)


def twin_of(coins: int, /) -> Integers:
    """Return for each coin the one whose outcomes its random twin gets (seeded)."""
    return np.random.default_rng(TWIN_SEED).permutation(coins)


def mid_ranks(values: Floats, /) -> Floats:
    """Return ranks from 1 in rising order; equal values share their mean rank."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    above = np.cumsum(counts)
    ranks: Floats = (above - (counts - 1) / 2)[place]
    return ranks


def standard_ranks(values: Floats, /) -> Floats:
    """Return centred ranks of length 1, so that two of them multiply to Spearman's rho."""
    centred = mid_ranks(values)
    centred -= centred.mean()
    length = float(np.sqrt((centred**2).sum()))
    return centred / length if length > 0 else centred


def normal_of_t(t: float, freedom: float, /) -> float:
    """Return the normal deviate as likely as Student's *t* (D. L. Wallace, 1959)."""
    factor = (8 * freedom + 1) / (8 * freedom + 3)
    return math.copysign(factor * math.sqrt(freedom * math.log1p(t * t / freedom)), t)


def t_of_normal(z: float, freedom: float, /) -> float:
    """Return Student's t as likely as the normal deviate *z*."""
    factor = (8 * freedom + 3) / (8 * freedom + 1)
    return math.copysign(
        math.sqrt(freedom * math.expm1((z * factor) ** 2 / freedom)), z
    )


def blocks_of(days: Integers, /) -> Integers:
    """Return each day's block of BLOCK_DAYS; a short rest joins the last whole block."""
    if not len(days):
        return days
    age = days - days[0]
    last = max(0, int(age[-1] + 1) // BLOCK_DAYS - 1)
    blocks: Integers = np.minimum(age // BLOCK_DAYS, last)
    return blocks


def _estimate(
    value: float,
    error: float,
    freedom: float,
    /,
    *,
    n: int,
    spread: float | None = None,
) -> Estimate:
    t = value / error
    reach = t_of_normal(USUAL, freedom) * error
    return Estimate(
        value=value,
        n=n,
        low=value - reach,
        high=value + reach,
        t=t,
        z=normal_of_t(t, freedom),
        spread=spread,
    )


def _long_run_variance(rest: Floats, lag: int, /) -> float:
    total = float(rest @ rest)
    for k in range(1, min(lag, len(rest) - 1) + 1):
        total += 2 * (1 - k / (lag + 1)) * float(rest[k:] @ rest[:-k])
    return total / len(rest)


def _difference(sums: list[float], /) -> float:
    """Return the first ratio, minus the second if there is one; NaN if undefined."""
    if min(sums[1::2]) <= 0:
        return math.nan
    ratios = [hit / trial for hit, trial in zip(sums[::2], sums[1::2], strict=True)]
    return ratios[0] - ratios[1] if len(ratios) > 1 else ratios[0]
