"""Last values of the indicators the analyzers use, each defined by the `ta` library.

Every function returns None where the value is not defined: too few rows for a full window
(`ta` pads those with zeros or raises) or nothing that moves.
"""

from __future__ import annotations

import math
from typing import Final, cast

import numpy as np
import pandas as pd
from ta.momentum import RSIIndicator
from ta.trend import MACD, ADXIndicator, EMAIndicator
from ta.volatility import AverageTrueRange, BollingerBands
from ta.volume import MFIIndicator

PRICE_DIGITS: Final = 12
"""Digits kept by exact price comparison; Upbit's prices have fewer."""


def rsi(close: pd.Series[float], /, *, window: int = 14) -> float | None:
    """Wilder's relative strength index, 0 to 100 (J. W. Wilder, 1978)."""
    if len(close) <= window or _is_still(close):
        return None
    return _last(RSIIndicator(close, window=window).rsi())


def macd_histogram(close: pd.Series[float], /) -> float | None:
    """MACD(12, 26) minus its 9-row signal, as a share of the last close (G. Appel)."""
    if len(close) < 26 + 9:
        return None
    histogram = _last(MACD(close).macd_diff())
    return None if histogram is None else histogram / float(close.iloc[-1])


def bollinger_position(close: pd.Series[float], /, *, window: int) -> float | None:
    """Place of the close in the 2-sigma band: 0 at the lower, 1 at the upper band."""
    if len(close) < window or _is_still(close.iloc[-window:]):
        return None
    return _last(BollingerBands(close, window=window).bollinger_pband())


def lower_band(close: pd.Series[float], /) -> float | None:
    """Lower 2-sigma Bollinger band over all rows of *close* (J. Bollinger)."""
    return _last(BollingerBands(close, window=len(close)).bollinger_lband())


def ema_change(close: pd.Series[float], /, *, window: int) -> float | None:
    """Relative change of the *window*-row EMA over the last *window* rows."""
    if len(close) < 2 * window:
        return None
    ema = EMAIndicator(close, window=window).ema_indicator()
    return float(ema.iloc[-1] / ema.iloc[-1 - window] - 1)


def ema_gap(close: pd.Series[float], /, *, window: int) -> float | None:
    """How far the last close lies above its *window*-row EMA, as a share of the EMA."""
    if len(close) < window:
        return None
    ema = _last(EMAIndicator(close, window=window).ema_indicator())
    return None if ema is None else float(close.iloc[-1]) / ema - 1


def average_true_range(bars: pd.DataFrame, /, *, window: int = 14) -> float | None:
    """Wilder's average true range in KRW; a shorter history uses all its bars."""
    length = min(window, len(bars))
    if length < 3:
        return None
    value = AverageTrueRange(bars["high"], bars["low"], bars["close"], window=length)
    return _last(value.average_true_range())


def directional_strength(bars: pd.DataFrame, /, *, window: int = 14) -> float | None:
    """ADX (0 to 100) with the sign of +DI minus -DI: below 0 the market falls."""
    # The smoothed ADX needs two windows; below that `ta` raises or answers 0.
    if len(bars) < 2 * window:
        return None
    adx = ADXIndicator(bars["high"], bars["low"], bars["close"], window=window)
    balance = float(adx.adx_pos().iloc[-1] - adx.adx_neg().iloc[-1])
    strength = _last(adx.adx())
    return None if strength is None else math.copysign(strength, balance)


def money_flow(bars: pd.DataFrame, /, *, window: int = 14) -> float | None:
    """Money flow index, 0 to 100 (G. Quong, A. Soudack), with exact price comparison.

    `ta` compares (high + low + close) / 3 as floats, so noise in the last bit turns an
    unchanged price into a move; whole numbers of price units compare exactly.
    """
    if len(bars) <= window:
        return None
    recent = bars.iloc[-window - 1 :]
    units = _price_units(recent[["high", "low", "close"]])
    flow = MFIIndicator(
        units["high"], units["low"], units["close"], recent["volume"], window=window
    )
    return _last(flow.money_flow_index())


def realised_volatility(close: pd.Series[float], /) -> float | None:
    """Daily volatility: standard deviation of hourly log returns times sqrt(24)."""
    returns = _log_returns(close)
    if len(returns) < 2:
        return None
    return float(np.std(returns, ddof=1) * math.sqrt(24))


def price_range(frame: pd.DataFrame, /) -> float:
    """Highest high over lowest low, minus 1."""
    return float(frame["high"].max() / frame["low"].min() - 1)


def efficiency_ratio(close: pd.Series[float], /) -> float | None:
    """Kaufman's ratio: net move over the path walked, 0 (to and fro) to 1 (one way)."""
    steps = np.abs(np.diff(close.to_numpy()))
    path = float(steps.sum())
    if path == 0:
        return None
    return min(1.0, abs(float(close.iloc[-1] - close.iloc[0])) / path)


def max_drawdown(close: pd.Series[float], /) -> float:
    """Deepest fall from an earlier highest close, 0 to 1."""
    values = close.to_numpy()
    return float(np.max(1 - values / np.maximum.accumulate(values)))


def value_at_risk(close: pd.Series[float], /, *, share: float = 0.05) -> float | None:
    """Historical one-day value at risk: the loss exceeded on *share* of all days."""
    day_returns = close.to_numpy()[24:] / close.to_numpy()[:-24] - 1
    if len(day_returns) < 7 * 24:
        return None
    return float(-np.quantile(day_returns, share, method="lower"))


def _log_returns(
    close: pd.Series[float], /
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return cast(
        "np.ndarray[tuple[int], np.dtype[np.float64]]",
        np.diff(np.log(close.to_numpy(dtype="float64"))),
    )


def _price_units(prices: pd.DataFrame, /) -> pd.DataFrame:
    """Scale prices to whole numbers of PRICE_DIGITS digits."""
    magnitude = math.floor(math.log10(float(prices.to_numpy().max())))
    return (prices * 10.0 ** (PRICE_DIGITS - 1 - magnitude)).round()


def _is_still(close: pd.Series[float], /) -> bool:
    return bool(close.min() == close.max())


def _last(values: pd.Series[float], /) -> float | None:
    value = float(values.iloc[-1])
    return value if math.isfinite(value) else None
