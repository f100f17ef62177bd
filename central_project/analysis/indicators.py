"""All figures of one coin, from its hourly series, in one pass of compiled arithmetic.

`ta` defines every indicator it knows; `audit` recomputes coins with it. A figure is None
where it is not defined: too few rows for a full window (where `ta` pads with zeros or
raises) or nothing that moved. Rows are hours, unless a name begins with ``daily``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Final

from central_project.analysis import kernels
from central_project.analysis.candles import (
    CandleSeries,
    NotEnoughHistory,
    columns_of,
    hours_of,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Figures:
    """What the series says at its last row; prices in KRW, shares as ratios of 1."""

    rsi: float | None
    """Wilder's relative strength index of 14 rows, 0 to 100 (J. W. Wilder, 1978)."""
    macd: float | None
    """EMA 12 minus EMA 26 (G. Appel)."""
    macd_signal: float | None
    """EMA of 9 rows of the MACD."""
    macd_diff: float | None
    band_high: float | None
    """Bollinger band of 20 rows, 2 population deviations (J. Bollinger)."""
    band_mid: float | None
    band_low: float | None
    atr: float | None
    """Wilder's average true range of 14 rows."""
    adx: float | None
    """Wilder's average directional index of 14 rows, 0 to 100; 0 where nothing moved."""
    di_plus: float | None
    di_minus: float | None
    ema_20: float | None
    ema_50: float | None
    ema_200: float | None
    obv: float | None
    """On-balance volume since the first row (J. Granville); unchanged counts as a rise."""
    mfi: float | None
    """Money flow index of 14 rows, 0 to 100 (G. Quong, A. Soudack), compared exactly.

    `ta` compares (high + low + close) / 3 as floats, so noise in the last bit turns an
    unchanged price into a move; here whole numbers of price units are compared.
    """
    stoch_k: float | None
    """Place of the close in the range of 14 rows, 0 to 100 (G. Lane)."""
    stoch_d: float | None
    """Mean of the last three %K."""
    volume_z: float | None
    """Last volume against the last 168: (value - mean) / sample deviation."""
    volatility_14d: float | None
    """Sample deviation of hourly log returns times sqrt(24): per day."""
    max_drawdown: float | None
    """Deepest fall from an earlier highest close, 0 to 1."""
    low_7d: float | None
    """Lowest low of the days (Donchian channel); None on a shorter history."""
    low_30d: float | None
    low_90d: float | None
    value_at_risk: float | None
    """Historical: the loss of one day (24 rows) that one day in twenty exceeds."""
    expected_shortfall: float | None
    """Mean loss of that worst twentieth of days."""
    band_position_20d: float | None
    """Place of the close in the 2-deviation band of 480 rows: 0 lower, 1 upper edge."""
    ema_gap_7d: float | None
    """How far the close lies above its EMA of 168 rows, as a share of it."""
    trend_7d: float | None
    """Relative change of that EMA over its last 168 rows."""
    silent_share_7d: float | None
    """Share of rows without a trade."""
    range_7d: float | None
    """Highest high over lowest low, minus 1."""
    one_way_share_14d: float | None
    """Efficiency ratio: net move over the path walked, 0 to 1 (P. Kaufman)."""
    volatility_3d: float | None
    change_24h: float | None
    """Relative change of the close over 24 rows."""
    fall_6h: float | None
    """How far the close lies below the highest high of the last 6 rows."""
    fall_24h: float | None
    daily_atr: float | None
    """ATR of 14 daily bars; a younger coin averages what it has, three bars at least."""
    daily_adx: float | None
    daily_di_plus: float | None
    daily_di_minus: float | None
    daily_mfi: float | None
    turnover_7d: float | None
    """Median KRW traded per day, so that one spike does not count."""


_NAMES: Final = tuple(field.name for field in fields(Figures))


def figures_of(*, series: CandleSeries) -> Figures:
    """Compute every figure of *series*; raise NotEnoughHistory if it has no row."""
    if series.frame.empty:
        raise NotEnoughHistory(f"{series.market}: no closed hour to compute from")
    row = kernels.last_row(hours_of(series.frame), columns_of(series.frame))
    return Figures(
        **{
            name: value if math.isfinite(value) else None
            for name, value in zip(_NAMES, row.tolist(), strict=True)
        }
    )
