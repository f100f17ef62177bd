"""Who is in the universe, who among the best, who in which fifth, date by date."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from central_project.analysis.evaluation.inference import Floats
from central_project.analysis.evaluation.panel import Panel
from common.wire import MAX_RECOMMENDATIONS

Mask = npt.NDArray[np.bool_]

LEAST_COINS: Final = 10
"""Fewer coins on a date have no ranking worth the name."""
FIFTHS: Final = 5
TENTHS: Final = 10
COINS_FOR_TENTHS: Final = 50


def scored(panel: Panel, /) -> Mask:
    """Return whose score is known."""
    return (panel.eligible > 0) & np.isfinite(panel.score)


def enough_coins(panel: Panel, /) -> Mask:
    """Return the dates with enough ranked coins."""
    enough: Mask = scored(panel).sum(1) >= LEAST_COINS
    return enough


def best_sizes(panel: Panel, /) -> Floats:
    """Return the size of the best fifth on each date, at most the list's 50."""
    sizes: Floats = np.clip(panel.eligible.sum(1) // FIFTHS, 1, MAX_RECOMMENDATIONS)
    return sizes


def best_members(panel: Panel, universe: Mask, sizes: Floats, /) -> Mask:
    """Return who is among the first *sizes* by rank; an unknown rank is not."""
    with np.errstate(invalid="ignore"):
        members: Mask = universe & (panel.rank <= sizes[:, None])
    return members


def equal_weights(members: Mask, /) -> Floats:
    """Return equal weights that sum to 1 on each date."""
    shares: Floats = members / np.maximum(members.sum(1, keepdims=True), 1)
    return shares


def against(members: Mask, others: Mask, /) -> Floats:
    """Return weights of *members* minus those of *others*: they sum to 0."""
    return equal_weights(members) - equal_weights(others)


def groups_of(
    panel: Panel, universe: Mask, dates: Mask, count: int, /
) -> tuple[Mask, ...]:
    """Split the universe of each date by rank into *count* groups, best first.

    Empty unless the rank of all coins is kept and there are enough of them.
    """
    least = COINS_FOR_TENTHS if count == TENTHS else LEAST_COINS
    rank = np.where(universe, panel.rank[dates], np.nan)
    known = np.isfinite(rank)
    if not len(rank) or known.sum() < universe.sum() or known.sum(1).min() < least:
        return ()
    place = np.argsort(np.argsort(np.where(known, rank, np.inf), axis=1), axis=1)
    group = np.where(known, place * count // known.sum(1, keepdims=True), -1)
    return tuple(group == number for number in range(count))
