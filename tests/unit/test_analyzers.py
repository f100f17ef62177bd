"""Indicators against their definition, factors, ranks, words in two languages."""

from __future__ import annotations

import math
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ta.volume import MFIIndicator

from central_project.analysis import indicators, phrases
from central_project.analysis.analyzers import (
    ANALYZERS,
    CoinAnalyzer,
    CoinFacts,
    RiskAnalyzer,
    TechnicalAnalyzer,
    VolatilityAnalyzer,
    VolumeAnalyzer,
    median_turnover,
)
from central_project.analysis.candles import daily_bars
from central_project.analysis.ranks import rank_shares
from central_project.analysis.rounding import leave_float
from common.wire import Level
from tests.unit.analysis_builders import coin, series


def closes(*values: float) -> pd.Series[float]:
    return pd.Series(values, dtype="float64")


def factors_of(analyzer: CoinAnalyzer, facts: CoinFacts) -> dict[str, float | None]:
    return {factor.name: factor.value for factor in analyzer.analyze(facts).factors}


def test_rsi_is_wilders_smoothing_of_gains_and_losses() -> None:
    close = series(count=400).frame["close"]

    changes = np.diff(close, prepend=close.iloc[0])
    gain = loss = 0.0
    for change in changes[1:]:
        gain += (max(change, 0) - gain) / 14
        loss += (max(-change, 0) - loss) / 14

    assert indicators.rsi(close) == pytest.approx(100 - 100 / (1 + gain / loss))


def test_atr_is_wilders_mean_of_true_ranges() -> None:
    bars = daily_bars(series(count=24 * 60).frame)

    before = bars["close"].shift(1)
    ranges = pd.concat(
        [
            bars["high"] - bars["low"],
            (bars["high"] - before).abs(),
            (bars["low"] - before).abs(),
        ],
        axis=1,
    ).max(axis=1)
    expected = ranges.iloc[:14].mean()
    for true_range in ranges.iloc[14:]:
        expected = (expected * 13 + true_range) / 14

    assert indicators.average_true_range(bars) == pytest.approx(expected)


def test_the_sign_of_trend_strength_tells_the_direction() -> None:
    rising = pd.DataFrame({"close": np.linspace(100, 200, 60)})
    rising["high"], rising["low"] = rising["close"] + 1, rising["close"] - 1
    falling = rising.iloc[::-1].reset_index(drop=True)

    up = indicators.directional_strength(rising)
    down = indicators.directional_strength(falling)

    assert up is not None
    assert down is not None
    assert up > 50
    assert down < -50


def test_drawdown_is_the_deepest_fall_from_an_earlier_high() -> None:
    assert indicators.max_drawdown(closes(10, 20, 15, 18, 5, 30)) == 0.75
    assert indicators.max_drawdown(closes(1, 2, 3)) == 0


def test_efficiency_is_one_for_a_straight_way_and_nought_for_a_return() -> None:
    assert indicators.efficiency_ratio(closes(1, 2, 3)) == 1
    assert indicators.efficiency_ratio(closes(1, 2, 1)) == 0
    assert indicators.efficiency_ratio(closes(1, 1, 1)) is None


def test_value_at_risk_is_the_loss_of_the_twentieth_worst_day_share() -> None:
    days = 100
    # Every 24th-hour return is one of 0 to -0.99 %, in equal shares.
    close = closes(*np.exp(np.zeros(24 * days + 24)))
    for hour in range(24, len(close)):
        close.iloc[hour] = close.iloc[hour - 24] * (1 - (hour % 100) / 10_000)

    loss = indicators.value_at_risk(close)

    assert loss == pytest.approx(0.0095, abs=0.0002)


def test_realised_volatility_is_per_day() -> None:
    rng = np.random.default_rng(5)
    close = pd.Series(np.exp(np.cumsum(rng.normal(0, 0.01, 20_000))))

    assert indicators.realised_volatility(close) == pytest.approx(
        0.01 * math.sqrt(24), rel=0.02
    )


def exact_money_flow(units: pd.DataFrame) -> float | None:
    """Compute the index in whole price units: no comparison can be wrong."""
    typical = units[["high", "low", "close"]].sum(axis=1)
    moves = typical.diff()
    flows = typical * units["volume"]
    gained, lost = flows[moves > 0].sum(), flows[moves < 0].sum()
    return None if gained + lost == 0 else float(100 * gained / (gained + lost))


@pytest.mark.parametrize("tick", ["0.0001", "0.001", "0.01", "0.1", "0.00000001"])
def test_money_flow_takes_an_unchanged_price_as_unchanged(tick: str) -> None:
    rng = np.random.default_rng(11)
    wrong = 0
    for _ in range(40):
        # Same typical price from different parts most days, one real move each way.
        centre = np.full(15, int(rng.integers(1_000, 9_999)))
        centre[[4, 9]] += [3, -3]
        part = rng.integers(0, 9, 15)
        units = pd.DataFrame(
            {"high": centre + part, "low": centre - part, "close": centre, "volume": 7}
        )
        units.loc[::2, ["high", "close"]] = units.loc[::2, ["close", "high"]].to_numpy()
        prices = units[["high", "low", "close"]].map(
            lambda unit: float(Decimal(int(unit)) * Decimal(tick))
        )
        bars = prices.assign(volume=7.0)

        value = indicators.money_flow(bars)

        plain = MFIIndicator(bars["high"], bars["low"], bars["close"], bars["volume"])
        wrong += plain.money_flow_index().iloc[-1] != pytest.approx(value, abs=1e-6)
        assert value == pytest.approx(exact_money_flow(units), abs=1e-9)
    assert wrong > 0, "float noise no longer matters: the exact way may go"


@pytest.mark.parametrize("count", [1, 2, 10, 14, 27, 28, 40])
def test_too_few_rows_give_none_instead_of_an_error(count: int) -> None:
    frame = series(count=count).frame
    close = frame["close"]

    values = [
        indicators.rsi(close.iloc[:14]),
        indicators.macd_histogram(close.iloc[:34]),
        indicators.bollinger_position(close, window=41),
        indicators.ema_change(close, window=21),
        indicators.ema_gap(close, window=41),
        indicators.average_true_range(frame.iloc[:2]),
        indicators.directional_strength(frame.iloc[:27]),
        indicators.money_flow(frame.iloc[:14]),
        indicators.realised_volatility(close.iloc[:2]),
        indicators.value_at_risk(close),
    ]

    assert values == [None] * len(values)


def test_a_price_that_never_moved_has_no_oscillators() -> None:
    frame = series(count=2160, volatility=0.0).frame

    assert indicators.rsi(frame["close"]) is None
    assert indicators.bollinger_position(frame["close"], window=480) is None
    assert indicators.money_flow(daily_bars(frame)) is None


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    count=st.sampled_from([1, 24, 48, 400, 720, 2160]),
    seed=st.integers(0, 2**32 - 1),
    magnitude=st.integers(-6, 8),
    volatility=st.sampled_from([0.0, 0.001, 0.02]),
    silent=st.booleans(),
)
def test_every_factor_is_finite_or_none(
    count: int, seed: int, magnitude: int, volatility: float, silent: bool
) -> None:
    walk = series(
        count=count, seed=seed, start_price=10.0**magnitude, volatility=volatility
    )
    if silent:
        walk.frame[["volume", "quote_volume"]] = 0.0
    facts = coin(series=walk)

    for analyzer in ANALYZERS:
        view = analyzer.analyze(facts)

        values = [factor.value for factor in view.factors if factor.value is not None]
        assert all(math.isfinite(value) for value in values)
        assert set(view.metrics) == {
            f.name for f in view.factors if f.value is not None
        }


def test_factor_names_are_unique_and_have_words() -> None:
    facts = coin()
    names = [f.name for a in ANALYZERS for f in a.analyze(facts).factors]

    assert len(names) == len(set(names))
    assert set(names) == set(phrases.FACTORS)


def test_a_whole_history_leaves_no_factor_unknown() -> None:
    facts = coin()

    assert all(
        factor.value is not None
        for analyzer in ANALYZERS
        for factor in analyzer.analyze(facts).factors
    )


@pytest.mark.parametrize(
    ("analyzer", "factor", "volatility"),
    [
        (VolatilityAnalyzer(), "volatility_14d", (0.002, 0.02)),
        (VolatilityAnalyzer(), "range_7d", (0.002, 0.02)),
        (VolatilityAnalyzer(), "atr", (0.002, 0.02)),
        (RiskAnalyzer(), "max_drawdown_90d", (0.002, 0.02)),
        (RiskAnalyzer(), "value_at_risk", (0.002, 0.02)),
    ],
)
def test_wilder_markets_have_larger_risk_factors(
    analyzer: CoinAnalyzer, factor: str, volatility: tuple[float, float]
) -> None:
    calm, wild = (
        factors_of(analyzer, coin(series=series(count=2160, seed=6, volatility=v)))
        for v in volatility
    )

    assert (calm[factor] or 0) * 3 < (wild[factor] or 0)


def test_support_distance_is_measured_in_daily_atr() -> None:
    facts = coin()
    level = facts.support.levels[Level.MODERATE].price
    atr = indicators.average_true_range(daily_bars(facts.series.frame))
    assert level is not None
    assert atr is not None

    distance = factors_of(TechnicalAnalyzer(), facts)["support_distance"]

    assert distance == pytest.approx(float(facts.price - level) / atr)


def test_one_spike_does_not_make_a_coin_liquid() -> None:
    quiet = series(count=2160)
    quiet.frame["quote_volume"] = 1e6
    quiet.frame.loc[quiet.frame.index[-3], "quote_volume"] = 1e12

    view = factors_of(
        VolumeAnalyzer(), coin(series=quiet, turnover_24h=Decimal(10**12 + 23 * 10**6))
    )

    assert median_turnover(quiet) == 24e6
    assert view["turnover"] == 24e6
    assert view["volume_surge"] == pytest.approx(1e12 / 24e6, rel=0.01)


def test_an_unknown_order_book_gives_no_factor() -> None:
    view = factors_of(VolumeAnalyzer(), coin(spread=None, depth_krw=None))

    assert view["spread"] is None
    assert view["depth"] is None


def test_silent_hours_are_a_share_of_the_week() -> None:
    walk = series(count=2160)
    walk.frame.loc[walk.frame.index[-42:], "volume"] = 0.0

    assert factors_of(VolumeAnalyzer(), coin(series=walk))["silent_hours"] == 0.25


@pytest.mark.parametrize(
    ("value", "korean", "english"),
    [
        (27.3, "RSI 27: 과매도", "RSI 27: oversold"),
        (30.0, "RSI 30: 과매도", "RSI 30: oversold"),
        (81.0, "RSI 81: 과매수", "RSI 81: overbought"),
    ],
)
def test_reasons_come_in_both_languages(
    value: float, korean: str, english: str
) -> None:
    reason = phrases.rsi(value)

    assert reason is not None
    assert (reason.ko, reason.en) == (korean, english)


def test_ordinary_values_are_not_talked_about() -> None:
    silent = [
        phrases.rsi(50),
        phrases.trend(0.01),
        phrases.support_distance(3),
        phrases.surge(1),
        phrases.money_flow(50),
        phrases.volatility(0.05),
        phrases.drawdown(0.3),
        phrases.loss(0.05),
    ]

    assert silent == [None] * len(silent)


@pytest.mark.parametrize(
    ("share", "code", "korean"),
    [
        (0.97, "STRONG_SPREAD", "호가 스프레드: 상위 3%"),
        (0.999, "STRONG_SPREAD", "호가 스프레드: 상위 1%"),
        (0.08, "WEAK_SPREAD", "호가 스프레드: 하위 8%"),
    ],
)
def test_a_standing_names_the_side_and_the_share(
    share: float, code: str, korean: str
) -> None:
    reason = phrases.standing("spread", share)

    assert (reason.code, reason.ko) == (code, korean)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_only_finite_numbers_leave_the_analysis(value: float) -> None:
    with pytest.raises(ValueError, match="not finite"):
        leave_float(value, step=Decimal("0.01"))


def test_leaving_float_rounds_once_and_has_no_minus_zero() -> None:
    step = Decimal("0.01")

    assert str(leave_float(0.1 + 0.2, step=step)) == "0.30"
    assert str(leave_float(-0.001, step=step)) == "0.00"
    assert str(leave_float(float(np.float64(2e8)), step=step)) == "200000000.00"


def test_rank_shares_give_ties_their_mean_rank() -> None:
    values = {"a": 1.0, "b": 2.0, "c": 2.0, "d": 3.0}

    up = rank_shares(values, higher_is_better=True)
    down = rank_shares(values, higher_is_better=False)

    assert up == {"a": 0.125, "b": 0.5, "c": 0.5, "d": 0.875}
    assert down == {"a": 0.875, "b": 0.5, "c": 0.5, "d": 0.125}
    assert rank_shares({}, higher_is_better=True) == {}


def test_an_outlier_gains_nothing_over_the_second_best() -> None:
    values = {f"c{n:02}": float(n) for n in range(50)} | {"far": 1e12}

    shares = rank_shares(values, higher_is_better=True)

    assert shares["far"] == shares["c49"]
    assert shares["c48"] < shares["c49"]
