"""What a buyer feels who starts now: is the take profit reached, and what comes before."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from central_project.analysis.evaluation.groups import (
    LEAST_COINS,
    Mask,
    against,
    best_members,
    best_sizes,
    equal_weights,
)
from central_project.analysis.evaluation.inference import (
    Estimate,
    Floats,
    Integers,
    Trial,
    mean_over_dates,
    tried,
)
from central_project.analysis.evaluation.panel import Panel
from central_project.analysis.evaluation.prices import HOURS, PriceHistory

TAKE_PROFIT: Final = 0.015
"""Net of both fees: the default of a bot."""
FEE: Final = 0.0005
REACH: Final = math.log((1 + TAKE_PROFIT) * (1 + FEE) / (1 - FEE))
"""Log distance the price must rise."""
HIT_DAYS: Final = 7
WAIT_DAYS: Final = (1, 3, 7, 14, 30)


@dataclass(frozen=True, kw_only=True)
class StartFigures:
    """One purchase at the price of the snapshot, sold at the take profit or not at all."""

    starts: int
    hit: Estimate
    """Share that reaches the take profit within HIT_DAYS."""
    reached: Mapping[int, Estimate]
    """Share that reached it within so many days, each over the starts known that long."""
    hours_to_hit: float | None
    """Median hours until the take profit, of those that reach it within HIT_DAYS."""
    fall: float
    """Median of the deepest fall before the take profit or the end of HIT_DAYS, <= 0."""
    fall_worst: float
    """The same for the worst tenth."""
    stuck_loss: float | None
    """Median paper loss after HIT_DAYS of those that did not reach it."""


@dataclass(frozen=True, kw_only=True)
class Starts:
    """The best fifth beside the universe."""

    best: StartFigures
    universe: StartFigures
    first: Trial
    """Take profit before an equal fall, best fifth minus universe: free of volatility."""


@dataclass(frozen=True, kw_only=True)
class _Path:
    """What happened after each start, dates x coins; NaN = not known yet."""

    hours: Mapping[int, Floats]
    """1 if the take profit was reached within so many days, else 0."""
    to_hit: Floats
    fall: Floats
    end: Floats
    """Log price change after HIT_DAYS."""
    first: Floats
    """1 up first, 0 down first, 1/2 both in one hour or neither."""


def start_figures(*, panel: Panel, prices: PriceHistory) -> Starts | None:
    """Compare the best fifth's starts with the universe's; None without enough of them."""
    path = _paths(panel, prices)
    universe = (panel.eligible > 0) & np.isfinite(path.fall)
    universe &= (universe.sum(1) >= LEAST_COINS)[:, None]
    best = best_members(panel, universe, best_sizes(panel))
    dates = best.any(1)
    first = tried(
        weights=against(best, universe)[dates],
        outcomes=np.where(universe, path.first, 0.0)[dates],
        window=panel.windows(HIT_DAYS),
    )
    if first is None:
        return None
    return Starts(
        best=_figures(panel, path, best),
        universe=_figures(panel, path, universe),
        first=first,
    )


def _figures(panel: Panel, path: _Path, chosen: Mask, /) -> StartFigures:
    reached = {}
    for days, hit in path.hours.items():
        known = chosen & np.isfinite(hit)
        dates = known.any(1)
        share = (equal_weights(known) * np.nan_to_num(hit)).sum(1)[dates]
        estimate = mean_over_dates(share, window=panel.windows(days))
        if estimate is not None:
            reached[days] = estimate
    hits = path.to_hit[chosen & np.isfinite(path.to_hit)]
    falls = path.fall[chosen]
    stuck = path.end[chosen & (path.hours[HIT_DAYS] == 0)]
    return StartFigures(
        starts=int(chosen.sum()),
        hit=reached[HIT_DAYS],
        reached=reached,
        hours_to_hit=float(np.median(hits)) if len(hits) else None,
        fall=float(np.median(falls)),
        fall_worst=float(np.quantile(falls, 0.10)),
        stuck_loss=float(np.median(stuck)) if len(stuck) else None,
    )


def _paths(panel: Panel, prices: PriceHistory, /) -> _Path:
    shape = panel.price.shape
    path = _Path(
        hours={days: np.full(shape, np.nan) for days in WAIT_DAYS},
        **{name: np.full(shape, np.nan) for name in ("to_hit", "fall", "end", "first")},
    )
    for date, row in enumerate(panel.rows):
        if row >= 0:
            _walk(path, date, panel.price[date], prices, int(row))
    return path


def _walk(
    path: _Path, date: int, price: Floats, prices: PriceHistory, row: int, /
) -> None:
    """Follow all coins of one date; log prices relative to the start."""
    bought = np.isfinite(price)
    end = min(prices.hours, row + HOURS * WAIT_DAYS[-1])
    with np.errstate(invalid="ignore"):
        high = np.log(prices.high[row:end] / price)
        low = np.log(prices.low[row:end] / price)
    up = first_hour(high >= REACH)
    for days, hit in path.hours.items():
        if row + HOURS * days <= prices.hours:
            hit[date, bought] = (up < HOURS * days)[bought]
    week = prices.window(row, HIT_DAYS)
    if week is None:
        return
    limit = HOURS * HIT_DAYS
    down = first_hour(low[:limit] <= -REACH)
    soon = np.minimum(up, limit)
    lowest = np.minimum.accumulate(low[:limit], axis=0)
    columns = np.arange(len(price))
    path.to_hit[date] = np.where(bought & (up < limit), up + 1.0, np.nan)
    # Up to and with the hour of the take profit: which came first inside it is unknown.
    path.fall[date] = np.minimum(lowest[np.minimum(soon, limit - 1), columns], 0.0)
    path.end[date] = np.log(prices.close[week.stop - 1] / price)
    path.first[date] = np.where(
        bought, np.sign(np.minimum(down, limit) - soon) / 2 + 0.5, np.nan
    )


def first_hour(events: Mask, /) -> Integers:
    """Return the row of each column's first event; a huge number if there is none."""
    found = np.argmax(events, axis=0) if len(events) else np.zeros(events.shape[1], int)
    return np.where(events.any(0), found, np.iinfo(np.int64).max // 2)
