"""Raw factors to ranks across coins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

WINSOR: Final = 0.02
"""Share of coins at each end that count as equal, so an outlier gains nothing more."""


def rank_shares(
    values: Mapping[str, float], /, *, higher_is_better: bool
) -> dict[str, float]:
    """Return each coin's mid-rank as a share in (0, 1); the best is nearest to 1.

    (rank - 1/2) / n with equal values sharing their mean rank. Clipping is by order
    statistics, so any increasing transform of the values leaves the answer as it is.
    """
    if not values:
        return {}
    raw = np.array(list(values.values()), dtype=np.float64)
    clipped = _winsorise(raw if higher_is_better else -raw)
    _, place, counts = np.unique(clipped, return_inverse=True, return_counts=True)
    below = np.cumsum(counts) - counts
    shares = (below[place] + counts[place] / 2) / len(raw)
    return dict(zip(values, map(float, shares), strict=True))


def _winsorise(
    values: np.ndarray[tuple[int], np.dtype[np.float64]], /
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    cut = int(WINSOR * len(values))
    ordered = np.sort(values)
    return np.clip(values, ordered[cut], ordered[len(values) - 1 - cut])
