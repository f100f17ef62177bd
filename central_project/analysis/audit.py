"""The second opinion: a coin's figures recomputed slowly with `ta` on pandas.

Every run draws a few coins by its own id and compares::

    for market in choose(markets=analysed, seed=str(run.pk), count=3):
        wrong += audit_coin(series=facts[market].series, figures=facts[market].figures)

Whoever runs this stores the mismatches with the run, marks it suspect and raises the alarm;
a coin takes about 35 ms. `ta` is the definition with three exceptions, each allowed for here:
it pads rows before a full window with zeros or raises (ours: None); it calls a price that
never moved overbought (ours: no RSI); its money flow compares float sums, so noise in the
last bit makes a move of an unchanged price: it is given whole numbers of price units.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import pandas as pd
from ta.momentum import RSIIndicator, StochasticOscillator
from ta.trend import MACD, ADXIndicator, EMAIndicator
from ta.volatility import AverageTrueRange, BollingerBands
from ta.volume import MFIIndicator, OnBalanceVolumeIndicator

from central_project.analysis.candles import (
    CandleSeries,
    daily_bars,
    last_days,
    span_days,
)
from central_project.analysis.indicators import Figures

TOLERANCE: Final = 1e-9
"""Allowed difference, as a share of the figure's scale in this series."""
PRICE_DIGITS: Final = 12
WEEK: Final = 7 * 24

Frame = pd.DataFrame
Series = pd.Series  # short, for the lambdas' sake


@dataclass(frozen=True, kw_only=True)
class Mismatch:
    """One figure that differs from its second opinion."""

    market: str
    figure: str
    ours: float | None
    reference: float | None
    allowed: float
    """Largest difference that would have passed."""


@dataclass(frozen=True)
class _Subject:
    """Rows, hours or days, and what several figures take from one slow computation."""

    frame: Frame

    @cached_property
    def direction(self) -> ADXIndicator:
        return ADXIndicator(self.frame["high"], self.frame["low"], self.frame["close"])

    @cached_property
    def macd(self) -> MACD:
        return MACD(self.frame["close"])


@dataclass(frozen=True)
class _Check:
    """How to compute one figure slowly."""

    rows: int
    """Fewest rows for which it is defined."""
    compute: Callable[[_Subject], float]
    scale: Callable[[Frame], float]
    """The size of values in this series beside which an error is judged."""


def audit_coin(*, series: CandleSeries, figures: Figures) -> tuple[Mismatch, ...]:
    """Compare every figure with `ta` and pandas; return what differs, empty if nothing."""
    found = []
    for name, (subject, check) in _checks(series).items():
        ours, reference = getattr(figures, name), _reference(subject, check)
        rows = subject.frame
        allowed = TOLERANCE * check.scale(rows) if len(rows) else 0.0
        if not _agree(ours, reference, allowed):
            found.append(
                Mismatch(
                    market=series.market,
                    figure=name,
                    ours=ours,
                    reference=reference,
                    allowed=allowed,
                )
            )
    return tuple(found)


def choose(*, markets: Collection[str], seed: str, count: int) -> tuple[str, ...]:
    """Draw *count* markets that nobody can foretell without *seed*; all if they are fewer."""

    def lot(market: str) -> bytes:
        return hashlib.sha256(f"{seed}:{market}".encode()).digest()

    return tuple(sorted(markets, key=lot)[:count])


def _checks(series: CandleSeries, /) -> dict[str, tuple[_Subject, _Check]]:
    hours, days = _Subject(series.frame), _Subject(daily_bars(series.frame))
    hourly = {name: (hours, check) for name, check in _HOURLY.items()}
    return hourly | {name: (days, check) for name, check in _DAILY.items()}


def _reference(subject: _Subject, check: _Check, /) -> float | None:
    if len(subject.frame) < check.rows:
        return None
    value = float(check.compute(subject))
    return value if math.isfinite(value) else None


def _agree(ours: float | None, reference: float | None, allowed: float, /) -> bool:
    if ours is None or reference is None:
        return ours is reference
    return abs(ours - reference) <= allowed


def _highest(frame: Frame, /) -> float:
    return float(frame["high"].max())


def _percent(_: Frame, /) -> float:
    return 100.0


def _one(_: Frame, /) -> float:
    return 1.0


def _ema(frame: Frame, window: int, /) -> Series[float]:
    average: Series[float] = EMAIndicator(frame["close"], window=window).ema_indicator()
    return average


def _band(frame: Frame, rows: int, /) -> BollingerBands:
    # Only the window itself: rolling over more rows would gather rounding errors.
    return BollingerBands(frame["close"].iloc[-rows:], window=rows)


def _true_range(frame: Frame, window: int, /) -> float:
    ranges = AverageTrueRange(
        frame["high"], frame["low"], frame["close"], window=window
    )
    return float(ranges.average_true_range().iloc[-1])


def _strength(frame: Frame, /) -> float:
    if frame["close"].nunique() == 1:
        return math.nan
    return float(RSIIndicator(frame["close"]).rsi().iloc[-1])


def _money_flow(frame: Frame, /) -> float:
    recent = frame.iloc[-15:]
    digits = PRICE_DIGITS - 1 - math.floor(math.log10(float(recent["high"].max())))
    units = (recent[["high", "low", "close"]] * 10.0**digits).round()
    # Summed beforehand: a third of three equal whole numbers is that number.
    total = units.sum(axis=1)
    flow = MFIIndicator(total, total, total, recent["volume"])
    return float(flow.money_flow_index().iloc[-1])


def _stochastic(frame: Frame, /) -> StochasticOscillator:
    recent = frame.iloc[-16:]
    return StochasticOscillator(recent["high"], recent["low"], recent["close"])


def _volume_z(frame: Frame, /) -> float:
    recent = frame["volume"].iloc[-WEEK:]
    if recent.nunique() == 1:
        return math.nan
    return float((recent.iloc[-1] - recent.mean()) / recent.std())


def _volume_spread(frame: Frame, /) -> float:
    recent = frame["volume"].iloc[-WEEK:]
    return max(1.0, float(recent.max() / recent.std())) if recent.nunique() > 1 else 1.0


def _band_spread(frame: Frame, /) -> float:
    recent = frame["close"].iloc[-480:]
    return max(1.0, float(recent.max() / recent.std())) if recent.nunique() > 1 else 1.0


def _volatility(frame: Frame, days: int, /) -> float:
    returns = np.log(last_days(frame, days=days)["close"]).diff()
    return float(returns.std() * math.sqrt(24))


def _drawdown(frame: Frame, /) -> float:
    return float((1 - frame["close"] / frame["close"].cummax()).max())


def _lowest(frame: Frame, days: int, /) -> float:
    if span_days(frame) < days:
        return math.nan
    return float(last_days(frame, days=days)["low"].min())


def _worst_days(frame: Frame, /) -> Series[float]:
    returns = frame["close"].pct_change(24).iloc[24:].sort_values()
    return returns.iloc[: math.floor(0.05 * (len(returns) - 1)) + 1]


def _range(frame: Frame, /) -> float:
    week = last_days(frame, days=7)
    return float(week["high"].max() / week["low"].min() - 1)


def _one_way(frame: Frame, /) -> float:
    close = last_days(frame, days=14)["close"]
    path = close.diff().abs().sum()
    return (
        float(min(1.0, abs(close.iloc[-1] - close.iloc[0]) / path))
        if path
        else math.nan
    )


def _fall(frame: Frame, hours: int, /) -> float:
    return float(1 - frame["close"].iloc[-1] / frame["high"].iloc[-hours:].max())


def _last(values: Series[float], /) -> float:
    return float(values.iloc[-1])


_HOURLY: Final[Mapping[str, _Check]] = {
    "rsi": _Check(15, lambda s: _strength(s.frame), _percent),
    "macd": _Check(26, lambda s: _last(s.macd.macd()), _highest),
    "macd_signal": _Check(34, lambda s: _last(s.macd.macd_signal()), _highest),
    "macd_diff": _Check(34, lambda s: _last(s.macd.macd_diff()), _highest),
    "band_high": _Check(
        20, lambda s: _last(_band(s.frame, 20).bollinger_hband()), _highest
    ),
    "band_mid": _Check(
        20, lambda s: _last(_band(s.frame, 20).bollinger_mavg()), _highest
    ),
    "band_low": _Check(
        20, lambda s: _last(_band(s.frame, 20).bollinger_lband()), _highest
    ),
    "atr": _Check(14, lambda s: _true_range(s.frame, 14), _highest),
    "adx": _Check(28, lambda s: _last(s.direction.adx()), _percent),
    "di_plus": _Check(16, lambda s: _last(s.direction.adx_pos()), _percent),
    "di_minus": _Check(16, lambda s: _last(s.direction.adx_neg()), _percent),
    "ema_20": _Check(20, lambda s: _last(_ema(s.frame, 20)), _highest),
    "ema_50": _Check(50, lambda s: _last(_ema(s.frame, 50)), _highest),
    "ema_200": _Check(200, lambda s: _last(_ema(s.frame, 200)), _highest),
    "obv": _Check(
        1,
        lambda s: _last(
            OnBalanceVolumeIndicator(
                s.frame["close"], s.frame["volume"]
            ).on_balance_volume()
        ),
        lambda f: float(f["volume"].sum()),
    ),
    "mfi": _Check(15, lambda s: _money_flow(s.frame), _percent),
    "stoch_k": _Check(14, lambda s: _last(_stochastic(s.frame).stoch()), _percent),
    "stoch_d": _Check(
        16, lambda s: _last(_stochastic(s.frame).stoch_signal()), _percent
    ),
    "volume_z": _Check(WEEK, lambda s: _volume_z(s.frame), _volume_spread),
    "volatility_14d": _Check(3, lambda s: _volatility(s.frame, 14), _one),
    "volatility_3d": _Check(3, lambda s: _volatility(s.frame, 3), _one),
    "max_drawdown": _Check(1, lambda s: _drawdown(s.frame), _one),
    "low_7d": _Check(1, lambda s: _lowest(s.frame, 7), _highest),
    "low_30d": _Check(1, lambda s: _lowest(s.frame, 30), _highest),
    "low_90d": _Check(1, lambda s: _lowest(s.frame, 90), _highest),
    "value_at_risk": _Check(192, lambda s: -_last(_worst_days(s.frame)), _one),
    "expected_shortfall": _Check(
        192, lambda s: -float(_worst_days(s.frame).mean()), _one
    ),
    "band_position_20d": _Check(
        480, lambda s: _last(_band(s.frame, 480).bollinger_pband()), _band_spread
    ),
    "ema_gap_7d": _Check(
        WEEK, lambda s: _last(s.frame["close"]) / _last(_ema(s.frame, WEEK)) - 1, _one
    ),
    "trend_7d": _Check(
        2 * WEEK, lambda s: _last(_ema(s.frame, WEEK).pct_change(WEEK)), _one
    ),
    "silent_share_7d": _Check(
        1, lambda s: float((last_days(s.frame, days=7)["volume"] <= 0).mean()), _one
    ),
    "range_7d": _Check(1, lambda s: _range(s.frame), _one),
    "one_way_share_14d": _Check(1, lambda s: _one_way(s.frame), _one),
    "change_24h": _Check(25, lambda s: _last(s.frame["close"].pct_change(24)), _one),
    "fall_6h": _Check(1, lambda s: _fall(s.frame, 6), _one),
    "fall_24h": _Check(1, lambda s: _fall(s.frame, 24), _one),
}
_DAILY: Final[Mapping[str, _Check]] = {
    "daily_atr": _Check(
        3, lambda s: _true_range(s.frame, min(14, len(s.frame))), _highest
    ),
    "daily_adx": _Check(28, lambda s: _last(s.direction.adx()), _percent),
    "daily_di_plus": _Check(16, lambda s: _last(s.direction.adx_pos()), _percent),
    "daily_di_minus": _Check(16, lambda s: _last(s.direction.adx_neg()), _percent),
    "daily_mfi": _Check(15, lambda s: _money_flow(s.frame), _percent),
    "turnover_7d": _Check(
        1,
        lambda s: float(s.frame["quote_volume"].iloc[-7:].median()),
        lambda f: float(f["quote_volume"].max()),
    ),
}
