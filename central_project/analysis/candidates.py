"""Ways to name a price at which a coin found buyers before; each may have no answer.

All of them scale with the price unit: distances are relative, zones follow the ATR.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from central_project.analysis import indicators

Floats = npt.NDArray[np.float64]

ZONE_ATR: Final = 0.25
"""Half width of a price zone in daily ATR; lows closer than this are the same level."""
SWING_HOURS: Final = 12
"""A swing low is the lowest of the 12 hours before and after it."""
PROFILE_BINS: Final = 50
DENSITY_BINS: Final = 160
VALUE_AREA: Final = 0.70


@dataclass(frozen=True, kw_only=True)
class Window:
    """One horizon of one coin's hours, with the daily ATR as the yardstick."""

    frame: pd.DataFrame
    bars: pd.DataFrame
    price: float
    atr: float
    atr_multiple: float
    """How many ATR below the price the plain volatility band of this horizon lies."""

    @property
    def zone(self) -> float:
        """Half width of a zone as a share of the price."""
        return ZONE_ATR * self.atr / self.price


def lowest_low(window: Window, /) -> float | None:
    """Lowest low of the horizon (Donchian channel)."""
    return float(window.frame["low"].min())


def low_quantile(window: Window, /) -> float | None:
    """Tenth percentile of the daily lows."""
    if window.bars.empty:
        return None
    return float(np.quantile(window.bars["low"], 0.10))


def lower_band(window: Window, /) -> float | None:
    """Lower Bollinger band over the whole horizon."""
    return indicators.lower_band(window.frame["close"])


def volatility_band(window: Window, /) -> float | None:
    """Price minus a multiple of the daily ATR."""
    return window.price - window.atr_multiple * window.atr


def swing_cluster(window: Window, /) -> float | None:
    """Centre of the group of swing lows with most touches, recent ones counting more.

    Weight of a swing low of age *a* in a horizon *H*: 2 ** (-2 a / H).
    """
    lows, ages = _swing_lows(window.frame)
    if not len(lows):
        return None
    order = np.argsort(lows, kind="stable")
    logs, weights = np.log(lows[order]), 2.0 ** (-2 * ages[order])
    below = logs < math.log(window.price)
    logs, weights = logs[below], weights[below]
    if not len(logs):
        return None
    group = np.cumsum(np.diff(logs, prepend=logs[0]) > 2 * window.zone)
    strength = np.bincount(group, weights=weights)
    best = group == int(np.argmax(strength))
    return float(math.exp(np.average(logs[best], weights=weights[best])))


def density_peak(window: Window, /) -> float | None:
    """Price below the market around which most volume-weighted lows lie (kernel density)."""
    traded = window.frame[window.frame["quote_volume"] > 0]
    logs = np.log(traded["low"].to_numpy())
    if len(logs) < 2 or logs.min() == logs.max() or window.zone <= 0:
        return None
    counts, edges = np.histogram(
        logs, bins=DENSITY_BINS, weights=traded["quote_volume"].to_numpy()
    )
    centres = (edges[1:] + edges[:-1]) / 2
    kernel = np.exp(-0.5 * ((centres[:, None] - centres[None, :]) / window.zone) ** 2)
    density = kernel @ counts
    below = centres < math.log(window.price)
    if not below.any():
        return None
    return float(math.exp(centres[below][int(np.argmax(density[below]))]))


def value_area_low(window: Window, /) -> float | None:
    """Lower edge of the volume profile's value area (70 % around the busiest price)."""
    typical = window.frame[["high", "low", "close"]].mean(axis=1).to_numpy()
    weights = window.frame["quote_volume"].to_numpy()
    if typical.min() == typical.max() or weights.sum() <= 0:
        return None
    profile, edges = np.histogram(typical, bins=PROFILE_BINS, weights=weights)
    return float(edges[_value_area_start(profile)])


METHODS: Final = {
    "lowest_low": lowest_low,
    "low_quantile": low_quantile,
    "lower_band": lower_band,
    "swing_cluster": swing_cluster,
    "density_peak": density_peak,
    "value_area_low": value_area_low,
    "volatility_band": volatility_band,
}


def visits(window: Window, level: float, /) -> int:
    """Count visits to *level*: runs of days whose range meets its zone."""
    reach = ZONE_ATR * window.atr
    lows, highs = window.bars["low"].to_numpy(), window.bars["high"].to_numpy()
    near = (lows <= level + reach) & (highs >= level - reach)
    return int(np.count_nonzero(np.diff(near, prepend=False) & near))


def _swing_lows(frame: pd.DataFrame, /) -> tuple[Floats, Floats]:
    """Return swing lows with their age as a share of the horizon, oldest first."""
    lows = frame["low"]
    size = 2 * SWING_HOURS + 1
    is_lowest = (lows == lows.rolling(size, center=True).min()).to_numpy()
    # A flat stretch is one swing low, not one per hour.
    first_of_run = is_lowest & ~np.concatenate(([False], is_lowest[:-1]))
    position = np.flatnonzero(first_of_run)
    ages = (len(lows) - 1 - position) / len(lows)
    return lows.to_numpy()[position], ages


def _value_area_start(profile: Floats, /) -> int:
    """Grow from the busiest bin towards the busier neighbour up to VALUE_AREA."""
    low = high = int(np.argmax(profile))
    inside, wanted = profile[low], VALUE_AREA * profile.sum()
    while inside < wanted and (low > 0 or high < len(profile) - 1):
        down = profile[low - 1] if low > 0 else -1.0
        up = profile[high + 1] if high < len(profile) - 1 else -1.0
        if down >= up:
            low -= 1
            inside += down
        else:
            high += 1
            inside += up
    return low
