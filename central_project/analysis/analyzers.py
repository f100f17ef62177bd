"""The four analyzers: one coin's facts to raw factors, sentences and figures.

A factor is a raw number and the direction in which it is better; the recommender ranks it
across coins. Thresholds here choose words only, never points, because absolute limits do not
travel between coins. Directions follow measured rank correlations with later returns (calm
coins and small ranges do better, one-day gainers do worse) and a staged buyer's needs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import ClassVar, Final

import pandas as pd

from central_project.analysis import indicators, phrases
from central_project.analysis.candles import CandleSeries, daily_bars, last_days
from central_project.analysis.rounding import leave_float
from common.money import WON
from common.wire import Level, Reason, SupportLevels

METRIC_STEP: Final = Decimal("0.000001")
TURNOVER_DAYS: Final = 7


@dataclass(frozen=True, kw_only=True)
class CoinFacts:
    """Everything known about one coin at the moment of one run."""

    market: str
    korean_name: str
    english_name: str
    price: Decimal
    series: CandleSeries
    support: SupportLevels
    turnover_24h: Decimal
    """KRW traded in the last 24 hours."""
    spread: float | None
    """(best ask - best bid) / mid."""
    spread_ticks: float | None
    depth_krw: float | None
    """KRW within the 15 best levels of both sides."""
    tick_share: float
    """One tick / price."""
    warning: bool
    cautions: tuple[str, ...]
    first_hour_at: datetime
    """Start of the oldest candle known: the coin's age."""
    as_of: datetime


@dataclass(frozen=True)
class Factor:
    """One raw number; None when it is not defined for this coin."""

    name: str
    value: float | None
    higher_is_better: bool


@dataclass(frozen=True)
class Assessment:
    """What one analyzer says about one coin."""

    factors: tuple[Factor, ...]
    reasons: tuple[Reason, ...]
    metrics: Mapping[str, Decimal]


class CoinAnalyzer(ABC):
    """One point of view on a coin; add another by subclassing and giving it a weight."""

    name: ClassVar[str]

    @abstractmethod
    def analyze(self, coin: CoinFacts, /) -> Assessment:
        """Return this view's factors, reasons and metrics for *coin*."""


class TechnicalAnalyzer(CoinAnalyzer):
    """Where the price stands against its support, its band and its trend."""

    name = "technical"

    def analyze(self, coin: CoinFacts, /) -> Assessment:
        """Weigh closeness to support and exhaustion against the direction of the trend."""
        close = coin.series.frame["close"]
        bars = daily_bars(coin.series.frame)
        strength = indicators.rsi(close)
        trend = indicators.ema_change(close, window=7 * 24)
        distance = _support_distance(coin, bars)
        factors = (
            Factor("support_distance", distance, higher_is_better=False),
            # A price that just ran up reverts more often than it runs on (one day).
            Factor("rsi", strength, higher_is_better=False),
            Factor(
                "band_position",
                indicators.bollinger_position(close, window=20 * 24),
                higher_is_better=False,
            ),
            # Over weeks the direction persists: do not buy into a steady decline.
            Factor("trend", trend, higher_is_better=True),
            Factor("momentum", indicators.macd_histogram(close), higher_is_better=True),
            Factor(
                "trend_strength",
                indicators.directional_strength(bars),
                higher_is_better=True,
            ),
        )
        reasons = (
            phrases.rsi(strength),
            phrases.trend(trend),
            phrases.support_distance(distance),
        )
        return _assessment(factors, reasons)


class VolumeAnalyzer(CoinAnalyzer):
    """Whether orders of a bot find a counterparty at a fair price."""

    name = "volume"

    def analyze(self, coin: CoinFacts, /) -> Assessment:
        """Prefer lasting turnover, depth and a narrow spread over a sudden surge."""
        bars = daily_bars(coin.series.frame)
        turnover = median_turnover(coin.series)
        surge = float(coin.turnover_24h) / turnover if turnover > 0 else None
        flow = indicators.money_flow(bars)
        week = last_days(coin.series.frame, days=7)
        factors = (
            Factor("turnover", turnover, higher_is_better=True),
            Factor("depth", coin.depth_krw, higher_is_better=True),
            Factor("spread", coin.spread, higher_is_better=False),
            Factor(
                "silent_hours",
                float((week["volume"] <= 0).mean()),
                higher_is_better=False,
            ),
            Factor("volume_surge", surge, higher_is_better=False),
            Factor("money_flow", flow, higher_is_better=False),
        )
        reasons = (phrases.surge(surge), phrases.money_flow(flow))
        return _assessment(factors, reasons)


class VolatilityAnalyzer(CoinAnalyzer):
    """How calmly the coin moves, and whether it comes back."""

    name = "volatility"

    def analyze(self, coin: CoinFacts, /) -> Assessment:
        """Prefer calm coins that move to and fro over ones that run one way."""
        frame = coin.series.frame
        fortnight, week = last_days(frame, days=14), last_days(frame, days=7)
        volatility = indicators.realised_volatility(fortnight["close"])
        atr = indicators.average_true_range(daily_bars(frame))
        factors = (
            Factor("volatility_14d", volatility, higher_is_better=False),
            Factor("range_7d", indicators.price_range(week), higher_is_better=False),
            Factor("atr", atr and atr / float(coin.price), higher_is_better=False),
            Factor(
                "one_way_share",
                indicators.efficiency_ratio(fortnight["close"]),
                higher_is_better=False,
            ),
        )
        return _assessment(factors, (phrases.volatility(volatility),))


class RiskAnalyzer(CoinAnalyzer):
    """What a buyer may have to sit through."""

    name = "risk"

    def analyze(self, coin: CoinFacts, /) -> Assessment:
        """Prefer shallow falls, small daily losses and a fine tick."""
        close = coin.series.frame["close"]
        drawdown = indicators.max_drawdown(close)
        loss = indicators.value_at_risk(close)
        factors = (
            Factor("max_drawdown_90d", drawdown, higher_is_better=False),
            Factor("value_at_risk", loss, higher_is_better=False),
            # One tick is the least a round trip can cost.
            Factor("tick_cost", coin.tick_share, higher_is_better=False),
        )
        return _assessment(factors, (phrases.drawdown(drawdown), phrases.loss(loss)))


ANALYZERS: Final[tuple[CoinAnalyzer, ...]] = (
    TechnicalAnalyzer(),
    VolumeAnalyzer(),
    VolatilityAnalyzer(),
    RiskAnalyzer(),
)


def median_turnover(series: CandleSeries, /) -> float:
    """Return the median KRW turnover of the last 7 days, so that one spike does not count."""
    days = daily_bars(series.frame)["quote_volume"].iloc[-TURNOVER_DAYS:]
    return float(days.median()) if len(days) else 0.0


def _support_distance(coin: CoinFacts, bars: pd.DataFrame, /) -> float | None:
    """Return how many daily ATR the price stands above the moderate level."""
    level = coin.support.levels.get(Level.MODERATE)
    atr = indicators.average_true_range(bars)
    if level is None or level.price is None or not atr:
        return None
    return float(coin.price - level.price) / atr


def _assessment(
    factors: tuple[Factor, ...], reasons: tuple[Reason | None, ...], /
) -> Assessment:
    metrics = {
        factor.name: leave_float(factor.value, step=_metric_step(factor.value))
        for factor in factors
        if factor.value is not None
    }
    spoken = tuple(reason for reason in reasons if reason is not None)
    return Assessment(factors=factors, reasons=spoken, metrics=metrics)


def _metric_step(value: float, /) -> Decimal:
    """Amounts of money are whole won, ratios keep six decimals."""
    return WON if abs(value) >= 10_000 else METRIC_STEP
