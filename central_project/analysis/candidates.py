"""Ways to name a price at which a coin found buyers before; each may have no answer.

All of them scale with the price unit: distances are relative, zones follow the daily ATR.
Compiled; machine code is cached beside this file, which therefore calls no compiled
function of another file: the cache would not notice a change there. NaN is no answer.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]

METHODS: Final = (
    "lowest_low",
    "low_quantile",
    "lower_band",
    "swing_cluster",
    "density_peak",
    "value_area_low",
    "volatility_band",
)
"""Names of what `answers` returns, in its order."""
ZONE_ATR: Final = 0.25
"""Half width of a price zone in daily ATR; lows closer than this are the same level."""
SWING_HOURS: Final = 12
"""A swing low is the lowest of the 12 hours before and after it."""
LOW_QUANTILE: Final = 0.10
BAND_SIGMAS: Final = 2.0
PROFILE_BINS: Final = 50
DENSITY_BINS: Final = 160
VALUE_AREA: Final = 0.70
TIE: Final = 1e-9
"""Prices on ticks tie often: the last bits of a float must not decide between equals."""


@njit(cache=True, error_model="numpy")
def answers(
    high: Floats,
    low: Floats,
    close: Floats,
    traded: Floats,
    day_lows: Floats,
    price: float,
    atr: float,
    band_atr: float,
) -> Floats:
    """Return what each of METHODS says about one horizon, NaN where it says nothing.

    *high*, *low*, *close*, *traded* (quote volume): the horizon's hours, at least one.
    *day_lows*: lows of its whole days. *price* and daily *atr* in KRW, both above 0;
    *band_atr*: how many ATR below the price the plain volatility band lies.
    """
    zone = ZONE_ATR * atr / price
    found = np.empty(len(METHODS))
    found[0] = low.min()
    found[1] = low_quantile(day_lows)
    found[2] = lower_band(close)
    found[3] = swing_cluster(low, price, zone)
    found[4] = density_peak(low, traded, price, zone)
    found[5] = value_area_low(high, low, close, traded)
    found[6] = price - band_atr * atr
    return found


@njit(cache=True, error_model="numpy")
def median_below(found: Floats, price: float) -> tuple[float, int]:
    """Return the median of the answers in (0, *price*) (NaN if none) and their number."""
    usable = found[(found > 0) & (found < price)]
    return (np.median(usable) if len(usable) else np.nan), len(usable)


@njit(cache=True, error_model="numpy")
def low_quantile(day_lows: Floats) -> float:
    """Tenth percentile of the daily lows (linear between ranks)."""
    if not len(day_lows):
        return np.nan
    ranked = np.sort(day_lows)
    place = LOW_QUANTILE * (len(ranked) - 1)
    below = int(place)
    above = min(below + 1, len(ranked) - 1)
    return float(ranked[below] + (place - below) * (ranked[above] - ranked[below]))


@njit(cache=True, error_model="numpy")
def lower_band(close: Floats) -> float:
    """Lower 2-sigma Bollinger band over the whole horizon (J. Bollinger)."""
    return float(close.mean() - BAND_SIGMAS * close.std())


@njit(cache=True, error_model="numpy")
def swing_cluster(low: Floats, price: float, zone: float) -> float:
    """Centre of the group of swing lows with most touches, recent ones counting more.

    Weight of a swing low of age *a* in a horizon *H*: 2 ** (-2 a / H). Neighbours closer
    than two zones (share of the price) belong to one group.
    """
    place = _swing_lows(low)
    place = place[low[place] < price]
    if not len(place):
        return np.nan
    place = place[np.argsort(low[place], kind="mergesort")]
    logs = np.log(low[place] / price)
    weights = 2.0 ** (-2 * (len(low) - 1 - place) / len(low))
    best, best_start, best_end, start, strength = 0.0, 0, 0, 0, 0.0
    for end in range(len(logs)):
        if end and logs[end] - logs[end - 1] > 2 * zone + TIE:
            start, strength = end, 0.0
        strength += weights[end]
        if strength > best * (1 + TIE):
            best, best_start, best_end = strength, start, end + 1
    group = weights[best_start:best_end]
    return price * math.exp((group * logs[best_start:best_end]).sum() / group.sum())


@njit(cache=True, error_model="numpy")
def density_peak(low: Floats, traded: Floats, price: float, zone: float) -> float:
    """Price below the market around which most volume-weighted lows lie (kernel density).

    A Gaussian as wide as the zone slides over DENSITY_BINS of log price.
    """
    lively = traded > 0
    logs = np.log(low[lively] / price)
    if len(logs) < 2 or logs.min() == logs.max() or zone <= 0:
        return np.nan
    start, width = logs.min(), (logs.max() - logs.min()) / DENSITY_BINS
    counts = _histogram(logs, traded[lively], start, width, DENSITY_BINS)
    kernel = np.exp(-0.5 * (np.arange(DENSITY_BINS) * width / zone) ** 2)
    best, peak = np.nan, 0.0
    for bin_ in range(DENSITY_BINS):
        centre = start + (bin_ + 0.5) * width
        if centre >= 0:  # at or above the price
            break
        density = 0.0
        for other in range(DENSITY_BINS):
            density += counts[other] * kernel[abs(bin_ - other)]
        if density > peak * (1 + TIE):
            best, peak = centre, density
    return price * math.exp(best)


@njit(cache=True, error_model="numpy")
def value_area_low(high: Floats, low: Floats, close: Floats, traded: Floats) -> float:
    """Lower edge of the volume profile's value area (70 % around the busiest price)."""
    typical = (high + low + close) / 3
    start, end = typical.min(), typical.max()
    if start == end or traded.sum() <= 0:
        return np.nan
    width = (end - start) / PROFILE_BINS
    profile = _histogram(typical, traded, start, width, PROFILE_BINS)
    return float(start + _value_area_start(profile) * width)


@njit(cache=True, error_model="numpy")
def visits(day_lows: Floats, day_highs: Floats, level: float, reach: float) -> int:
    """Count visits to *level*: runs of days whose range comes within *reach* (KRW)."""
    count, before = 0, False
    for day in range(len(day_lows)):
        near = day_lows[day] <= level + reach and day_highs[day] >= level - reach
        if near and not before:
            count += 1
        before = near
    return count


@njit(cache=True, error_model="numpy")
def last_visit(low: Floats, high: Floats, level: float, reach: float) -> int:
    """Return the last row whose range comes within *reach* of *level*, or -1."""
    for row in range(len(low) - 1, -1, -1):
        if low[row] <= level + reach and high[row] >= level - reach:
            return row
    return -1


@njit(cache=True, error_model="numpy")
def _swing_lows(low: Floats) -> npt.NDArray[np.int64]:
    """Return the rows that are lowest of SWING_HOURS before and after, oldest first."""
    found = np.empty(len(low), np.int64)
    count, before = 0, False
    for row in range(SWING_HOURS, len(low) - SWING_HOURS):
        lowest = True
        for step in range(1, SWING_HOURS + 1):
            if low[row - step] < low[row] or low[row + step] < low[row]:
                lowest = False
                break
        # A flat stretch is one swing low, not one per hour.
        if lowest and not before:
            found[count] = row
            count += 1
        before = lowest
    return found[:count]


@njit(cache=True, error_model="numpy")
def _histogram(
    values: Floats, weights: Floats, start: float, width: float, bins: int
) -> Floats:
    """Sum *weights* per bin; a value on an edge belongs to the bin above, if there is one."""
    counts = np.zeros(bins)
    for row in range(len(values)):
        bin_ = int((values[row] - start) / width + TIE)
        counts[min(bin_, bins - 1)] += weights[row]
    return counts


@njit(cache=True, error_model="numpy")
def _value_area_start(profile: Floats) -> int:
    """Grow from the busiest bin towards the busier neighbour up to VALUE_AREA."""
    low = high = int(np.argmax(profile))
    inside, wanted = profile[low], VALUE_AREA * profile.sum()
    while inside < wanted and (low > 0 or high < len(profile) - 1):
        down = profile[low - 1] if low > 0 else -1.0
        up = profile[high + 1] if high < len(profile) - 1 else -1.0
        if down >= up * (1 - TIE):
            low -= 1
            inside += down
        else:
            high += 1
            inside += up
    return low
