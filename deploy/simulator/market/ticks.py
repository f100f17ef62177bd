"""Round whole arrays of prices to today's tick table, as common.money does for one."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
from numpy.typing import NDArray

from common.money import TickTable

Floats = NDArray[np.float64]


def exact(price: float, /) -> Decimal:
    """Return a path price or volume, at most 8 decimals, without binary dust."""
    return Decimal(repr(round(price, 8)))


class TickGrid:
    """One tick table as arrays; prices are floats here and leave as exact text."""

    def __init__(self, *, ticks: TickTable) -> None:
        rising = sorted(ticks.bands)
        self._edges = np.array([float(edge) for edge, _ in rising[1:]])
        # Dividing by a power of ten keeps 0.3 from becoming 0.30000000000000004.
        exponents = [tick.as_tuple().exponent for _, tick in rising]
        decimals = np.array([-int(e) if isinstance(e, int) else 0 for e in exponents])
        self._scales = 10.0 ** np.maximum(decimals, 0)
        self._steps = np.array([float(tick) for _, tick in rising]) * self._scales

    def round(self, prices: Floats, /) -> Floats:
        """Return the nearest valid prices, at least the smallest tick."""
        step, scale = self._grid(prices)
        units = np.maximum(np.rint(prices * scale / step), 1.0)
        rounded: Floats = units * step / scale
        return rounded

    def _grid(self, prices: Floats) -> tuple[Floats, Floats]:
        """Return (step, scale) of each price, or once for all where one band fits."""
        if prices.size:
            ends = np.array((prices.min(), prices.max()))
            first, last = np.searchsorted(self._edges, ends, side="right")
            if first == last:
                return self._steps[[first]], self._scales[[first]]
        band = np.searchsorted(self._edges, prices, side="right")
        return self._steps[band], self._scales[band]
