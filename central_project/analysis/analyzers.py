"""The four analyzers: one coin's facts to raw factors, sentences and figures.

A factor is a raw number and the direction in which it is better; the recommender ranks it
across coins. Thresholds here choose words only, never points, because absolute limits do not
travel between coins. Directions follow measured rank correlations with later returns (calm
coins and small ranges do better, one-day gainers do worse) and a staged buyer's needs.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import ClassVar, Final

from central_project.analysis import phrases
from central_project.analysis.candles import CandleSeries
from central_project.analysis.indicators import Figures
from central_project.analysis.rounding import leave_float
from common.money import WON
from common.wire import Level, Reason, SupportLevels

METRIC_STEP: Final = Decimal("0.000001")


@dataclass(frozen=True, kw_only=True)
class CoinFacts:
    """Everything known about one coin at the moment of one run."""

    market: str
    korean_name: str
    english_name: str
    price: Decimal
    series: CandleSeries
    figures: Figures
    """Computed from *series*."""
    support: SupportLevels
    turnover_24h: Decimal
    """KRW traded in the last 24 hours."""
    signed_change_rate: Decimal | None = None
    """Since the close at 09:00 in Korea, as the exchange tells it; shown, never scored."""
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
    """Where the price stands against its support, its band and its trend.

    support_distance = (price - 30-day support) / daily ATR; rsi, hourly (Wilder);
    band_position in the 20-day band (Bollinger); trend = change of the 7-day EMA in
    7 days; momentum = MACD histogram / close (Appel); trend_strength = daily ADX with the
    sign of +DI - -DI (Wilder).
    """

    name = "technical"

    def analyze(self, coin: CoinFacts, /) -> Assessment:
        """Weigh closeness to support and exhaustion against the direction of the trend."""
        figures = coin.figures
        distance, strength = _support_distance(coin), _trend_strength(figures)
        factors = (
            Factor("support_distance", distance, higher_is_better=False),
            # A price that just ran up reverts more often than it runs on (one day).
            Factor("rsi", figures.rsi, higher_is_better=False),
            Factor("band_position", figures.band_position_20d, higher_is_better=False),
            # Over weeks the direction persists: do not buy into a steady decline.
            Factor("trend", figures.trend_7d, higher_is_better=True),
            Factor("momentum", _momentum(coin), higher_is_better=True),
            Factor("trend_strength", strength, higher_is_better=True),
        )
        reasons = (
            phrases.rsi(figures.rsi),
            phrases.band(figures.band_position_20d),
            phrases.trend(figures.trend_7d),
            phrases.trend_strength(strength),
            phrases.support_distance(distance),
        )
        return _assessment(factors, reasons)


class VolumeAnalyzer(CoinAnalyzer):
    """Whether orders of a bot find a counterparty at a fair price.

    turnover = median KRW of the last 7 days; depth = KRW in the order book; spread =
    (ask - bid) / mid; silent_hours = share of the week's hours without a trade;
    volume_surge = 24-hour turnover / that median; money_flow = daily MFI (Quong, Soudack).
    """

    name = "volume"

    def analyze(self, coin: CoinFacts, /) -> Assessment:
        """Prefer lasting turnover, depth and a narrow spread over a sudden surge."""
        figures = coin.figures
        turnover = figures.turnover_7d
        surge = float(coin.turnover_24h) / turnover if turnover else None
        factors = (
            Factor("turnover", turnover, higher_is_better=True),
            Factor("depth", coin.depth_krw, higher_is_better=True),
            Factor("spread", coin.spread, higher_is_better=False),
            Factor("silent_hours", figures.silent_share_7d, higher_is_better=False),
            Factor("volume_surge", surge, higher_is_better=False),
            Factor("money_flow", figures.daily_mfi, higher_is_better=False),
        )
        reasons = (
            phrases.surge(surge),
            phrases.money_flow(figures.daily_mfi),
            phrases.silence(figures.silent_share_7d),
        )
        return _assessment(factors, reasons)


class VolatilityAnalyzer(CoinAnalyzer):
    """How calmly the coin moves, and whether it comes back.

    volatility_14d = deviation of hourly log returns x sqrt(24); range_7d = high / low - 1;
    atr = daily ATR / price (Wilder); one_way_share = efficiency ratio (Kaufman).
    """

    name = "volatility"

    def analyze(self, coin: CoinFacts, /) -> Assessment:
        """Prefer calm coins that move to and fro over ones that run one way."""
        figures = coin.figures
        atr = figures.daily_atr and figures.daily_atr / float(coin.price)
        factors = (
            Factor("volatility_14d", figures.volatility_14d, higher_is_better=False),
            Factor("range_7d", figures.range_7d, higher_is_better=False),
            Factor("atr", atr, higher_is_better=False),
            Factor("one_way_share", figures.one_way_share_14d, higher_is_better=False),
        )
        return _assessment(factors, (phrases.volatility(figures.volatility_14d),))


class RiskAnalyzer(CoinAnalyzer):
    """What a buyer may have to sit through.

    max_drawdown_90d = deepest fall from an earlier high; value_at_risk = the loss one day
    in twenty exceeds, historical; tick_cost = one tick / price.
    """

    name = "risk"

    def analyze(self, coin: CoinFacts, /) -> Assessment:
        """Prefer shallow falls, small daily losses and a fine tick."""
        drawdown, loss = coin.figures.max_drawdown, coin.figures.value_at_risk
        factors = (
            Factor("max_drawdown_90d", drawdown, higher_is_better=False),
            Factor("value_at_risk", loss, higher_is_better=False),
            # One tick is the least a round trip can cost.
            Factor("tick_cost", coin.tick_share, higher_is_better=False),
        )
        reasons = (
            phrases.drawdown(drawdown),
            phrases.loss(loss),
            phrases.tick_cost(coin.tick_share),
        )
        return _assessment(factors, reasons)


ANALYZERS: Final[tuple[CoinAnalyzer, ...]] = (
    TechnicalAnalyzer(),
    VolumeAnalyzer(),
    VolatilityAnalyzer(),
    RiskAnalyzer(),
)


def _support_distance(coin: CoinFacts, /) -> float | None:
    """Return how many daily ATR the price stands above the moderate level."""
    level, atr = coin.support.levels.get(Level.MODERATE), coin.figures.daily_atr
    if level is None or level.price is None or not atr:
        return None
    return float(coin.price - level.price) / atr


def _momentum(coin: CoinFacts, /) -> float | None:
    histogram = coin.figures.macd_diff
    if histogram is None:
        return None
    return histogram / float(coin.series.frame["close"].iloc[-1])


def _trend_strength(figures: Figures, /) -> float | None:
    strength, plus, minus = (
        figures.daily_adx,
        figures.daily_di_plus,
        figures.daily_di_minus,
    )
    if strength is None or plus is None or minus is None:
        return None
    return math.copysign(strength, plus - minus)


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
