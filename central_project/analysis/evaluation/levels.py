"""Are stated touch probabilities true, and do levels hold better than made-up ones?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from central_project.analysis.evaluation.inference import (
    Estimate,
    Floats,
    Integers,
    blocks_of,
    ratio_over_blocks,
)
from central_project.analysis.evaluation.panel import LevelPanel, Panel
from central_project.analysis.evaluation.prices import HOURS, PriceHistory
from central_project.analysis.evaluation.starts import first_hour
from common.wire import Level

BINS: Final = 10
PLACEBOS: Final = 4
"""Made-up levels per real one."""
LEAST_POOL: Final = 5
"""Days whose distances a coin's made-up levels are drawn from, at least."""
RESOLVE_DAYS: Final = 7
BOUNCE_SIGMA: Final = {
    Level.AGGRESSIVE: 0.5,
    Level.MODERATE: 1.0,
    Level.CONSERVATIVE: 1.0,
}
"""How far the price must leave the level to decide, in daily sigma."""
PLACEBO_SEED: Final = 20_210_614


@dataclass(frozen=True, kw_only=True)
class Bin:
    """Levels whose stated probability lies in one tenth."""

    n: int
    stated: float
    touched: Estimate


@dataclass(frozen=True, kw_only=True)
class TouchFigures:
    """Stated probability against what happened."""

    days: int
    n: int
    stated: float
    touched: Estimate
    difference: Estimate
    """Touched share minus stated probability."""
    brier: float
    base_brier: float
    """Of always stating this period's own touched share: known only afterwards."""
    bins: tuple[Bin, ...]


@dataclass(frozen=True, kw_only=True)
class BounceFigures:
    """Touched levels that held, beside made-up levels of the same coin and day."""

    touches: int
    placebo_touches: int
    rate: Estimate
    placebo: Estimate
    difference: Estimate


@dataclass(frozen=True, kw_only=True)
class LevelFigures:
    """One kind of level; a part is None where nothing could be measured."""

    touch: TouchFigures | None
    bounce: BounceFigures | None


def level_figures(*, panel: Panel, prices: PriceHistory) -> dict[Level, LevelFigures]:
    """Measure each kind of level over all coins that had one."""
    sigma = np.array([prices.daily_sigma(int(row)) for row in panel.rows])
    return {
        level: LevelFigures(
            touch=_touches(panel, stated, prices),
            bounce=_bounces(panel, stated, prices, sigma, BOUNCE_SIGMA[level]),
        )
        for level, stated in panel.levels.items()
        if np.isfinite(stated.price).any()
    }


def _touches(
    panel: Panel, stated: LevelPanel, prices: PriceHistory, /
) -> TouchFigures | None:
    """Compare over all (date, coin) pairs with a stated probability and a known end."""
    touched = np.full(stated.price.shape, np.nan)
    for date, row in enumerate(panel.rows):
        window = prices.window(int(row), stated.days)
        if window is not None:
            with np.errstate(invalid="ignore"):
                reached = prices.low[window].min(0) <= stated.price[date]
            touched[date] = np.where(np.isfinite(stated.price[date]), reached, np.nan)
    known = np.isfinite(touched) & np.isfinite(stated.probability)
    if not known.any():
        return None
    where = np.nonzero(known)[0]
    said, happened = stated.probability[known], touched[known]
    block = blocks_of(panel.days)[where]
    share, difference = _mean(happened, block), _mean(happened - said, block)
    return TouchFigures(
        days=stated.days,
        n=len(said),
        stated=float(said.mean()),
        touched=share,
        difference=difference,
        brier=float(((said - happened) ** 2).mean()),
        base_brier=float(((happened.mean() - happened) ** 2).mean()),
        bins=tuple(_bins(said, happened, block)),
    )


def _bins(said: Floats, happened: Floats, block: Integers, /) -> Iterator[Bin]:
    tenth = np.minimum((said * BINS).astype(np.int64), BINS - 1)
    for number in np.unique(tenth):
        inside = tenth == number
        yield Bin(
            n=int(inside.sum()),
            stated=float(said[inside].mean()),
            touched=_mean(happened[inside], block[inside]),
        )


def _mean(values: Floats, block: Integers, /) -> Estimate:
    count = np.bincount(block).astype(np.float64)
    sums = np.bincount(block, weights=values).astype(np.float64)
    found = ratio_over_blocks(hits=sums, trials=count)
    assert found is not None  # noqa: S101 (there is at least one value)
    return found


def _bounces(
    panel: Panel,
    stated: LevelPanel,
    prices: PriceHistory,
    sigma: Floats,
    width: float,
    /,
) -> BounceFigures | None:
    """Count what held, real and made up, by blocks of days."""
    with np.errstate(invalid="ignore"):
        distance = np.log(panel.price / stated.price) / sigma
    fakes = _other_days(distance)
    blocks = blocks_of(panel.days)
    size = int(blocks[-1]) + 1
    sums = np.zeros((4, size))  # held, decided; the same of the placebo
    for date, row in enumerate(panel.rows):
        window = prices.window(int(row), stated.days + RESOLVE_DAYS)
        if window is None:
            continue
        depths = np.concatenate([distance[date][None], fakes[:, date]])
        # A day counts with all its made-up levels or not at all, touched or not.
        depths[:, ~np.isfinite(depths).all(0)] = np.nan
        held = _held(
            depths, panel.price[date], sigma[date], prices, window, stated, width
        )
        for part, outcome in ((0, held[:1]), (2, held[1:])):
            decided = np.isfinite(outcome)
            sums[part, blocks[date]] += outcome[decided].sum()
            sums[part + 1, blocks[date]] += decided.sum()
    rate = ratio_over_blocks(hits=sums[0], trials=sums[1])
    placebo = ratio_over_blocks(hits=sums[2], trials=sums[3])
    difference = ratio_over_blocks(
        hits=sums[0], trials=sums[1], against=(sums[2], sums[3])
    )
    if rate is None or placebo is None or difference is None:
        return None
    return BounceFigures(
        touches=int(sums[1].sum()),
        placebo_touches=int(sums[3].sum()),
        rate=rate,
        placebo=placebo,
        difference=difference,
    )


def _other_days(distance: Floats, /) -> Floats:
    """Return PLACEBOS distances per date and coin, each from another date of that coin.

    Shape (PLACEBOS, dates, coins). Drawn without looking at what was touched: a fake that
    is kept only where the real level was touched loses even on a random walk.
    """
    rng = np.random.default_rng(PLACEBO_SEED)
    fakes = np.full((PLACEBOS, *distance.shape), np.nan)
    for coin in range(distance.shape[1]):
        dates = np.flatnonzero(np.isfinite(distance[:, coin]))
        count = len(dates)
        if count < LEAST_POOL:
            continue
        shift = rng.integers(1, count, size=(PLACEBOS, count))
        other = dates[(np.arange(count) + shift) % count]
        fakes[:, dates, coin] = distance[other, coin]
    return fakes


def _held(
    depths: Floats,
    price: Floats,
    sigma: Floats,
    prices: PriceHistory,
    window: slice,
    stated: LevelPanel,
    width: float,
    /,
) -> Floats:
    """Return 1 held, 0 broken, 1/2 both in one hour, NaN not touched or undecided.

    After the hour of the first touch the price must rise *width* sigma above the level
    before it falls as far below.
    """
    count = len(depths)
    log_level = np.log(price) - (depths * sigma)
    scale = width * np.tile(sigma, count)
    level = log_level.reshape(-1)
    low = np.tile(np.log(prices.low[window]), count)
    high = np.tile(np.log(prices.high[window]), count)
    horizon = HOURS * stated.days
    with np.errstate(invalid="ignore"):
        touch = first_hour(low[:horizon] <= level)
        hour = np.arange(len(low))[:, None]
        after = (hour > touch) & (hour <= touch + HOURS * RESOLVE_DAYS)
        up = first_hour(after & (high >= level + scale))
        down = first_hour(after & (low <= level - scale))
    decided = (np.minimum(up, down) < len(low)) & np.isfinite(level)
    held = np.where(decided, np.sign(down - up) / 2 + 0.5, np.nan)
    return held.reshape(depths.shape)
