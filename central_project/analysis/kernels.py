"""Compiled arithmetic: one coin's hourly rows to the last value of every indicator.

Each formula follows the `ta` library bar by bar; only the last row is kept. Arithmetic is
strict IEEE (no reordering, no fused multiply-add), so equal inputs give equal bytes. Values
that are not defined, because the rows are too few or nothing moved, are NaN.

Machine code is cached beside this file, or in NUMBA_CACHE_DIR; the first call ever compiles.
Everything is in this one file because the cache notices changes of this file only.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]
Hours = npt.NDArray[np.int64]

WINDOW: Final = 14
"""Rows of Wilder's averages, of the money flow and of the stochastic oscillator."""
WEEK: Final = 7 * 24
LEAST_LOSSES: Final = 7 * 24
TAIL_SHARE: Final = 0.05
"""Share of the worst days that value at risk leaves out."""
PRICE_DIGITS: Final = 12
"""Digits kept when prices are compared exactly; Upbit's prices have fewer."""


_compiled = njit(cache=True, error_model="numpy")
"""A division by zero gives NaN or infinity, as in numpy."""


@_compiled
def _strength(close: Floats) -> float:
    """RSI: Wilder's averages of gains and losses, both starting at 0."""
    gain = loss = 0.0
    share = 1.0 / (1.0 + (WINDOW - 1.0))
    for place in range(1, len(close)):
        move = close[place] - close[place - 1]
        gain = (1 - share) * gain + share * max(move, 0.0)
        loss = (1 - share) * loss + share * max(-move, 0.0)
    if len(close) <= WINDOW or gain + loss == 0:
        return np.nan
    return 100.0 if loss == 0 else 100 - 100 / (1 + gain / loss)


@_compiled
def _ema(before: float, value: float, span: int) -> float:
    share = 2.0 / (span + 1.0)
    return (1 - share) * before + share * value


@_compiled
def _averages(close: Floats) -> tuple[float, float, float, float, float, float, float]:
    """MACD, its signal, EMA 20/50/200, the gap to EMA 168 and its change in 168 rows."""
    count = len(close)
    fast = slow = e20 = e50 = e168 = e200 = close[0]
    signal = before = np.nan
    for place in range(count):
        value = close[place]
        fast = _ema(fast, value, 12)
        slow = _ema(slow, value, 26)
        e20 = _ema(e20, value, 20)
        e50 = _ema(e50, value, 50)
        e168 = _ema(e168, value, WEEK)
        e200 = _ema(e200, value, 200)
        if place == 25:
            signal = fast - slow
        elif place > 25:
            signal = _ema(signal, fast - slow, 9)
        if place == count - 1 - WEEK:
            before = e168
    return (
        fast - slow if count >= 26 else np.nan,
        signal if count >= 26 + 8 else np.nan,
        e20 if count >= 20 else np.nan,
        e50 if count >= 50 else np.nan,
        e200 if count >= 200 else np.nan,
        close[-1] / e168 - 1 if count >= WEEK else np.nan,
        e168 / before - 1 if count >= 2 * WEEK else np.nan,
    )


@_compiled
def _true_range(high: float, low: float, before: float) -> float:
    return max(high, before) - min(low, before)


@_compiled
def _true_range_average(high: Floats, low: Floats, close: Floats, window: int) -> float:
    """Wilder's ATR: the mean of the first *window* true ranges, then smoothed."""
    if len(close) < window:
        return np.nan
    average = high[0] - low[0]
    for place in range(1, window):
        average += _true_range(high[place], low[place], close[place - 1])
    average /= window
    share, kept = 1.0 / window, (window - 1.0) / window  # products do not wait long
    for place in range(window, len(close)):
        new = _true_range(high[place], low[place], close[place - 1])
        average = average * kept + new * share
    return float(average)


@_compiled
def _directional(
    high: Floats, low: Floats, close: Floats
) -> tuple[float, float, float]:
    """ADX, +DI and -DI: Wilder's smoothed directional moves over true ranges."""
    count = len(close)
    ranges = rising = falling = strength = 0.0
    share, kept = 1.0 / WINDOW, (WINDOW - 1.0) / WINDOW
    for place in range(1, count):
        up, down = high[place] - high[place - 1], low[place - 1] - low[place]
        if place > WINDOW:
            ranges, rising, falling = ranges * kept, rising * kept, falling * kept
        ranges += _true_range(high[place], low[place], close[place - 1])
        rising += up if up > down and up > 0 else 0.0
        falling += down if down > up and down > 0 else 0.0
        if place < WINDOW:
            continue
        moved = rising + falling  # +DI and -DI share a divisor, which their ratio loses
        index = 100 * abs(rising - falling) / moved if moved != 0 else 0.0
        if place < 2 * WINDOW:  # the first average: a plain mean
            strength += index * share
        else:
            strength = strength * kept + index * share
    if count < WINDOW + 2:
        return np.nan, np.nan, np.nan
    scale = 100 / ranges if ranges != 0 else 0.0
    strength = strength if count >= 2 * WINDOW else np.nan
    return strength, rising * scale, falling * scale


@_compiled
def _band(close: Floats, rows: int) -> tuple[float, float]:
    """Mean and population deviation of the last *rows* closes (Bollinger)."""
    if len(close) < rows:
        return np.nan, np.nan
    recent = close[len(close) - rows :]
    # The distance from the first value keeps a still price exact.
    mean = recent[0] + (recent - recent[0]).mean()
    return mean, math.sqrt(((recent - mean) ** 2).mean())


@_compiled
def _band_position(close: Floats) -> float:
    """Place of the last close in the 20-day band: 0 lower, 1 upper edge."""
    mean, deviation = _band(close, 20 * 24)
    if not deviation > 0:
        return np.nan
    return float((close[-1] - (mean - 2 * deviation)) / (4 * deviation))


@_compiled
def _balance(close: Floats, volume: Floats) -> float:
    """On-balance volume; as in `ta` an unchanged close counts as a rise."""
    total = volume[0]
    for place in range(1, len(close)):
        fell = close[place] < close[place - 1]
        total += -volume[place] if fell else volume[place]
    return float(total)


@_compiled
def _money_flow(high: Floats, low: Floats, close: Floats, volume: Floats) -> float:
    """Money flow index of the last rows, comparing whole price units exactly."""
    count = len(close)
    if count <= WINDOW:
        return np.nan
    first = count - WINDOW - 1
    unit = 10.0 ** (PRICE_DIGITS - 1 - math.floor(math.log10(high[first:].max())))
    gained = lost = before = 0.0
    for place in range(first, count):
        # Three whole numbers below 10**12: their sum is exact.
        units = np.rint(high[place] * unit) + np.rint(low[place] * unit)
        units += np.rint(close[place] * unit)
        if place > first and units > before:
            gained += units * volume[place]
        elif place > first and units < before:
            lost += units * volume[place]
        before = units
    return 100 * gained / (gained + lost) if gained + lost > 0 else np.nan


@_compiled
def _stochastic(high: Floats, low: Floats, close: Floats) -> tuple[float, float]:
    """%K of the last row and %D, the mean of the last three %K (G. Lane)."""
    newest, total = np.nan, 0.0
    for back in range(min(3, len(close) - WINDOW + 1)):
        end = len(close) - back
        top, bottom = high[end - WINDOW : end].max(), low[end - WINDOW : end].min()
        value = (
            100 * (close[end - 1] - bottom) / (top - bottom)
        )  # NaN where all is still
        newest = value if back == 0 else newest
        total += value
    return newest, total / 3 if len(close) >= WINDOW + 2 else np.nan


@_compiled
def _deviation(values: Floats) -> float:
    """Sample standard deviation; NaN below two values."""
    if len(values) < 2:
        return np.nan
    return math.sqrt(((values - values.mean()) ** 2).sum() / (len(values) - 1))


@_compiled
def _volume_z(volume: Floats) -> float:
    """How many deviations the last volume lies from the mean of the last 168."""
    if len(volume) < WEEK:
        return np.nan
    recent = volume[len(volume) - WEEK :]
    if recent.min() == recent.max():
        return np.nan
    return float((recent[-1] - recent.mean()) / _deviation(recent))


@_compiled
def _volatility(close: Floats) -> float:
    """Daily volatility: deviation of hourly log returns times the root of 24."""
    returns = np.empty(max(len(close) - 1, 0))
    for place in range(len(returns)):
        returns[place] = math.log(close[place + 1]) - math.log(close[place])
    return _deviation(returns) * math.sqrt(24)


@_compiled
def _drawdown(close: Floats) -> float:
    """Deepest fall from an earlier highest close."""
    top, deepest = close[0], 0.0
    for value in close:
        top = max(top, value)
        deepest = max(deepest, 1 - value / top)
    return deepest


@_compiled
def _smallest(values: Floats, count: int) -> Floats:
    """Return the *count* smallest values in some order (Hoare's selection)."""
    moved = values.copy()
    low, high = 0, len(moved) - 1
    while low < high:
        pivot, left, right = moved[(low + high) // 2], low, high
        while left <= right:
            while moved[left] < pivot:
                left += 1
            while moved[right] > pivot:
                right -= 1
            if left <= right:
                moved[left], moved[right] = moved[right], moved[left]
                left, right = left + 1, right - 1
        if right < count - 1 < left:
            break
        if count - 1 <= right:
            high = right
        else:
            low = left
    return moved[:count]


@_compiled
def _tail_loss(close: Floats) -> tuple[float, float]:
    """One-day loss exceeded on TAIL_SHARE of all days, and the mean loss beyond it."""
    count = len(close) - 24
    if count < LEAST_LOSSES:
        return np.nan, np.nan
    last = int(TAIL_SHARE * (count - 1))
    worst = _smallest(close[24:] / close[:-24] - 1, last + 1)
    return -worst.max(), -worst.mean()


@_compiled
def _one_way(close: Floats) -> float:
    """Kaufman's efficiency ratio: net move over the path walked."""
    path = 0.0
    for place in range(1, len(close)):
        path += abs(close[place] - close[place - 1])
    if not path > 0:
        return np.nan
    return min(1.0, float(abs(close[-1] - close[0]) / path))


@_compiled
def _day_change(close: Floats) -> float:
    return close[-1] / close[-25] - 1 if len(close) > 24 else np.nan


@_compiled
def _median(values: Floats) -> float:
    """Middle value of a few; NaN of none."""
    count = len(values)
    if count == 0:
        return np.nan
    lower = _smallest(values, (count + 1) // 2).max()
    upper = _smallest(values, count // 2 + 1).max()
    return float((lower + upper) / 2)


@_compiled
def _since(hours: Hours, days: int) -> int:
    """Place of the first row within the last *days*."""
    return int(np.searchsorted(hours, hours[-1] - 24 * days + 1))


@_compiled
def _lowest(hours: Hours, low: Floats, days: int) -> float:
    """Lowest low of the last *days*; NaN where the history is shorter."""
    if hours[-1] - hours[0] + 1 < 24 * days:
        return np.nan
    return float(low[_since(hours, days) :].min())


@_compiled
def _daily(hours: Hours, rows: Floats) -> Floats:
    """Group rows into whole 24-hour blocks that end with the last row.

    The answer has the six rows of the input, one column per block; empty blocks are absent.
    """
    last = hours[-1]
    whole = (last - hours[0] + 1) // 24
    bars = np.empty((6, whole))
    count, until = 0, last - 24 * whole + 1
    first = np.searchsorted(hours, until)
    for place in range(first, len(hours)):
        if hours[place] >= until:
            for column in range(6):
                bars[column, count] = rows[column, place]
            count, until = count + 1, last + 1 - (last - hours[place]) // 24 * 24
            continue
        bar = count - 1
        bars[1, bar] = max(bars[1, bar], rows[1, place])
        bars[2, bar] = min(bars[2, bar], rows[2, place])
        bars[3, bar] = rows[3, place]
        bars[4, bar] += rows[4, place]
        bars[5, bar] += rows[5, place]
    return bars[:, :count].copy()


@_compiled
def _daily_figures(bars: Floats) -> tuple[float, float, float, float, float, float]:
    """ATR, ADX, +DI, -DI and MFI of daily bars, and the median turnover of 7 of them."""
    high, low, close, count = bars[1], bars[2], bars[3], bars.shape[1]
    # A young coin's ATR averages the days there are; three at least.
    atr = _true_range_average(high, low, close, min(WINDOW, max(count, 3)))
    adx, plus, minus = _directional(high, low, close)
    flow = _money_flow(high, low, close, bars[4])
    return atr, adx, plus, minus, flow, _median(bars[5, -7:])


@_compiled
def last_row(hours: Hours, rows: Floats) -> Floats:
    """Compute every figure of one coin, in the order of the fields of `Figures`.

    *hours*: start of each row in hours since 1970, ascending; gaps are allowed.
    *rows*: shape (6, n), C order: open, high, low, close, volume, quote volume; n >= 1.
    """
    high, low, close, volume = rows[1], rows[2], rows[3], rows[4]
    macd, signal, ema_20, ema_50, ema_200, ema_gap, trend = _averages(close)
    adx, plus, minus = _directional(high, low, close)
    mean, deviation = _band(close, 20)
    stoch_k, stoch_d = _stochastic(high, low, close)
    at_risk, shortfall = _tail_loss(close)
    week, fortnight = _since(hours, 7), _since(hours, 14)
    hourly = (
        _strength(close),
        *(macd, signal, macd - signal),
        *(mean + 2 * deviation, mean, mean - 2 * deviation),
        _true_range_average(high, low, close, WINDOW),
        *(adx, plus, minus, ema_20, ema_50, ema_200),
        _balance(close, volume),
        _money_flow(high, low, close, volume),
        *(stoch_k, stoch_d),
        _volume_z(volume),
        _volatility(close[fortnight:]),
        _drawdown(close),
        *(_lowest(hours, low, 7), _lowest(hours, low, 30), _lowest(hours, low, 90)),
        *(at_risk, shortfall),
        _band_position(close),
        *(ema_gap, trend),
        np.mean(volume[week:] <= 0),
        high[week:].max() / low[week:].min() - 1,
        _one_way(close[fortnight:]),
        _volatility(close[_since(hours, 3) :]),
        _day_change(close),
        1 - close[-1] / high[-6:].max(),
        1 - close[-1] / high[-24:].max(),
    )
    return np.array(hourly + _daily_figures(_daily(hours, rows)))
