"""Did better ranked coins do better: rank correlation, best coins, fifths of the universe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from central_project.analysis.evaluation.groups import (
    FIFTHS,
    LEAST_COINS,
    TENTHS,
    Mask,
    against,
    best_members,
    best_sizes,
    enough_coins,
    equal_weights,
    groups_of,
    scored,
)
from central_project.analysis.evaluation.inference import (
    Estimate,
    Floats,
    Trial,
    mean_over_dates,
    standard_ranks,
    tried,
    twin_of,
)
from central_project.analysis.evaluation.panel import Panel
from central_project.analysis.evaluation.prices import PriceHistory
from common.wire import MAX_RECOMMENDATIONS

RETURN_DAYS: Final = (1, 3, 7, 14)


@dataclass(frozen=True, kw_only=True)
class HorizonFigures:
    """How the ranking did over one horizon; returns are log returns."""

    days: int
    dates: int
    ic: Trial
    """Spearman rank correlation per date of score and return."""
    best: Trial
    """Best fifth minus a random list of that size, which is the universe's mean."""
    served: Trial | None
    """The same for the whole list of 50; None where the universe is hardly larger."""
    best_vs_median: Estimate
    twin_vs_median: Estimate
    hit_rate: Estimate
    """Share of dates on which the best fifth's mean beat the universe's median."""
    twin_hit_rate: Estimate
    """The same of a random list: few coins that soar lift its mean above the median, too."""
    spread: Trial | None
    """Best minus worst fifth; None where not all scores are kept."""
    fifths: tuple[Estimate, ...]
    """Mean return of each fifth minus the universe's median, best first."""
    tenths: tuple[Estimate, ...]
    monotonicity: float | None
    """Rank correlation of a fifth's place with its return: 1 = strictly in order."""


@dataclass(frozen=True, kw_only=True)
class RankingFigures:
    """Everything about the ranking."""

    coins: int
    """Median number of coins ranked on a date."""
    best_size: int
    horizons: tuple[HorizonFigures, ...]
    parts: Mapping[str, Mapping[int, Trial]]
    """Rank correlation of each analyzer and factor, by horizon."""
    turnover: Estimate | None
    """Share of the best fifth that is new since the date before."""
    curve: tuple[tuple[int, float], ...]
    """(date number, summed best minus worst fifth) over windows that do not overlap."""


def ranking_figures(*, panel: Panel, prices: PriceHistory) -> RankingFigures | None:
    """Return the figures, or None if no date ranks LEAST_COINS coins."""
    if not len(panel.rows) or not enough_coins(panel).any():
        return None
    found = (_horizon(panel, prices, days) for days in RETURN_DAYS)
    horizons = tuple(one for one in found if one is not None)
    if not horizons:
        return None
    counts = scored(panel).sum(1)[enough_coins(panel)]
    return RankingFigures(
        coins=int(np.median(counts)),
        best_size=int(np.median(best_sizes(panel)[enough_coins(panel)])),
        horizons=horizons,
        parts=_parts(panel, prices),
        turnover=_turnover(panel),
        curve=_curve(panel, prices),
    )


def log_returns(*, panel: Panel, prices: PriceHistory, days: int) -> Floats:
    """Return log(price after *days* / price said), dates x coins; NaN = not known yet."""
    result = np.full(panel.price.shape, np.nan)
    for date, row in enumerate(panel.rows):
        window = prices.window(int(row), days)
        if window is not None:
            with np.errstate(invalid="ignore"):
                result[date] = np.log(prices.close[window.stop - 1] / panel.price[date])
    return result


def _horizon(panel: Panel, prices: PriceHistory, days: int, /) -> HorizonFigures | None:
    returns = log_returns(panel=panel, prices=prices, days=days)
    dates = enough_coins(panel) & np.isfinite(returns).any(1)
    window = panel.windows(days)
    universe = (panel.eligible > 0) & np.isfinite(returns) & dates[:, None]
    gains = np.where(universe, returns, 0.0)[dates]
    best = best_members(panel, universe, best_sizes(panel))[dates]
    universe = universe[dates]
    ic = _correlation(panel.score, returns, dates, window)
    better = tried(weights=against(best, universe), outcomes=gains, window=window)
    if ic is None or better is None:
        return None
    excess = gains - _medians(gains, universe)[:, None]
    vs_median = tried(
        weights=equal_weights(best), outcomes=excess * universe, window=window
    )
    assert vs_median is not None  # noqa: S101 (the same dates as `better`)
    hit_rate, twin_hit_rate = _hit_rates(best, excess * universe, window)
    fifths = groups_of(panel, universe, dates, FIFTHS)
    means = _group_means(fifths, excess, window)
    return HorizonFigures(
        days=days,
        dates=int(dates.sum()),
        ic=ic,
        best=better,
        served=_served(panel, universe, dates, gains, window),
        best_vs_median=vs_median.estimate,
        twin_vs_median=vs_median.twin,
        hit_rate=hit_rate,
        twin_hit_rate=twin_hit_rate,
        spread=_spread(fifths, gains, window),
        fifths=means,
        tenths=_group_means(groups_of(panel, universe, dates, TENTHS), excess, window),
        monotonicity=_monotonicity(means),
    )


def _correlation(
    said: Floats, returns: Floats, dates: Mask, window: int, /
) -> Trial | None:
    """Correlate ranks date by date over the coins that know both."""
    weights, outcomes = np.zeros_like(said), np.zeros_like(said)
    used = np.zeros(len(said), dtype=bool)
    for date in np.flatnonzero(dates):
        both = np.isfinite(said[date]) & np.isfinite(returns[date])
        if np.count_nonzero(both) >= LEAST_COINS:
            weights[date, both] = standard_ranks(said[date, both])
            outcomes[date, both] = standard_ranks(returns[date, both])
            # Where all coins are said to be equal there is nothing to correlate.
            used[date] = bool(weights[date].any())
    return tried(weights=weights[used], outcomes=outcomes[used], window=window)


def _parts(panel: Panel, prices: PriceHistory, /) -> dict[str, dict[int, Trial]]:
    found: dict[str, dict[int, Trial]] = {name: {} for name in panel.parts}
    for days in RETURN_DAYS:
        returns = log_returns(panel=panel, prices=prices, days=days)
        dates: Mask = np.asarray(np.isfinite(returns).any(1))
        for name, said in panel.parts.items():
            trial = _correlation(said, returns, dates, panel.windows(days))
            if trial is not None:
                found[name][days] = trial
    return {name: trials for name, trials in found.items() if trials}


def _medians(gains: Floats, universe: Mask, /) -> Floats:
    medians: Floats = np.nanmedian(np.where(universe, gains, np.nan), axis=1)
    return medians


def _hit_rates(best: Mask, excess: Floats, window: int, /) -> tuple[Estimate, Estimate]:
    """Return how often the best coins' mean excess is above 0, and a random list's."""
    used = best.any(0)
    weights, gains = equal_weights(best)[:, used], excess[:, used]
    found = []
    for outcomes in (gains, gains[:, twin_of(gains.shape[1])]):
        wins = (weights * outcomes).sum(1) > 0
        rate = mean_over_dates(wins.astype(np.float64), window=window)
        assert rate is not None  # noqa: S101 (there is at least one date)
        found.append(rate)
    return found[0], found[1]


def _served(
    panel: Panel, universe: Mask, dates: Mask, gains: Floats, window: int, /
) -> Trial | None:
    """Judge the list of 50 where it leaves out at least as many coins as it names."""
    if np.median(universe.sum(1)) < 2 * MAX_RECOMMENDATIONS:
        return None
    whole = np.full(len(panel.rank), float(MAX_RECOMMENDATIONS))
    members = best_members(panel, panel.eligible > 0, whole)[dates] & universe
    return tried(weights=against(members, universe), outcomes=gains, window=window)


def _group_means(
    groups: tuple[Mask, ...], excess: Floats, window: int, /
) -> tuple[Estimate, ...]:
    found = (
        mean_over_dates((equal_weights(one) * excess).sum(1), window=window)
        for one in groups
    )
    return tuple(one for one in found if one is not None)


def _spread(groups: tuple[Mask, ...], gains: Floats, window: int, /) -> Trial | None:
    if not groups:
        return None
    weights = equal_weights(groups[0]) - equal_weights(groups[-1])
    return tried(weights=weights, outcomes=gains, window=window)


def _monotonicity(means: tuple[Estimate, ...], /) -> float | None:
    if not means:
        return None
    values = np.array([one.value for one in means])
    best_first = np.arange(len(values), 0, -1).astype(np.float64)
    return float(standard_ranks(values) @ standard_ranks(best_first))


def _turnover(panel: Panel, /) -> Estimate | None:
    """Return how much of the best fifth is replaced from one date to the next."""
    members = best_members(panel, panel.eligible > 0, best_sizes(panel))[
        enough_coins(panel)
    ]
    stay = (members[1:] & members[:-1]).sum(1)
    sizes = np.maximum(members[1:].sum(1), 1)
    return mean_over_dates(1 - stay / sizes, window=1)


def _curve(panel: Panel, prices: PriceHistory, /) -> tuple[tuple[int, float], ...]:
    """Sum the best-minus-worst fifth over windows laid end to end."""
    days = next((d for d in RETURN_DAYS if d >= panel.step_days), RETURN_DAYS[-1])
    returns = log_returns(panel=panel, prices=prices, days=days)
    dates = enough_coins(panel) & np.isfinite(returns).any(1)
    universe = ((panel.eligible > 0) & np.isfinite(returns))[dates]
    groups = groups_of(panel, universe, dates, FIFTHS)
    if not groups:
        return ()
    weights = equal_weights(groups[0]) - equal_weights(groups[-1])
    gains = (weights * np.where(universe, returns[dates], 0.0)).sum(1)
    chosen = np.arange(0, len(gains), panel.windows(days))
    numbers = np.flatnonzero(dates)[chosen]
    return tuple(zip(numbers.tolist(), np.cumsum(gains[chosen]).tolist(), strict=True))
