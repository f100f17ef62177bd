"""Factors of the four analyzers, ranks, words in two languages."""

from __future__ import annotations

import dataclasses
import math
import re
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from central_project.analysis import phrases
from central_project.analysis.analyzers import (
    ANALYZERS,
    CoinAnalyzer,
    CoinFacts,
    RiskAnalyzer,
    TechnicalAnalyzer,
    VolatilityAnalyzer,
    VolumeAnalyzer,
)
from central_project.analysis.ranks import rank_shares
from central_project.analysis.rounding import leave_float
from common.wire import Level
from tests.unit.analysis_builders import coin, series


def factors_of(analyzer: CoinAnalyzer, facts: CoinFacts) -> dict[str, float | None]:
    return {factor.name: factor.value for factor in analyzer.analyze(facts).factors}


def test_the_sign_of_trend_strength_tells_the_direction() -> None:
    rising = series(count=2160, volatility=0.0)
    line = np.linspace(100, 200, 2160)
    for place, shift in enumerate((0, 1, -1, 0)):
        rising.frame.iloc[:, place] = line + shift
    falling = dataclasses.replace(
        rising,
        frame=rising.frame.iloc[::-1].set_axis(rising.frame.index),
    )

    up, down = (
        factors_of(TechnicalAnalyzer(), coin(series=one))["trend_strength"]
        for one in (rising, falling)
    )

    assert up is not None
    assert down is not None
    assert up > 50
    assert down < -50


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
    assert level is not None
    assert facts.figures.daily_atr is not None

    distance = factors_of(TechnicalAnalyzer(), facts)["support_distance"]

    assert distance == pytest.approx(
        float(facts.price - level) / facts.figures.daily_atr
    )


def test_one_spike_does_not_make_a_coin_liquid() -> None:
    quiet = series(count=2160)
    quiet.frame["quote_volume"] = 1e6
    quiet.frame.loc[quiet.frame.index[-3], "quote_volume"] = 1e12

    view = factors_of(
        VolumeAnalyzer(), coin(series=quiet, turnover_24h=Decimal(10**12 + 23 * 10**6))
    )

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


SPOKEN = (
    phrases.rsi, phrases.band, phrases.trend, phrases.trend_strength,
    phrases.support_distance, phrases.surge, phrases.money_flow, phrases.silence,
    phrases.volatility, phrases.drawdown, phrases.loss, phrases.tick_cost,
)  # fmt: skip


@pytest.mark.parametrize("phrase", SPOKEN, ids=lambda phrase: phrase.__name__)
def test_each_reason_says_the_same_number_in_both_languages(phrase: Any) -> None:
    said = [
        reason
        for value in np.linspace(-100, 100, 20_001)
        if (reason := phrase(float(value))) is not None
    ]

    assert said
    for reason in said:
        korean, english = (
            re.findall(r"[\d.]+%?", text.replace("MFI", "")) for text in
            (reason.ko, reason.en)
        )  # fmt: skip
        assert set(english) <= set(korean)
        assert re.search("[가-힣]", reason.ko)
        assert not re.search("[가-힣]", reason.en)
        assert re.fullmatch("[A-Z_]+", reason.code)


@pytest.mark.parametrize(
    ("reason", "code", "korean"),
    [
        (phrases.band(-0.1), "BELOW_BAND", "20일 볼린저 밴드 하단 아래: 과매도 구간"),
        (phrases.band(1.1), "ABOVE_BAND", "20일 볼린저 밴드 상단 위: 과매수 구간"),
        (phrases.trend_strength(-31.4), "CLEAR_DOWNTREND", "ADX 31: 뚜렷한 하락 추세"),
        (phrases.trend_strength(25.0), "CLEAR_UPTREND", "ADX 25: 뚜렷한 상승 추세"),
        (phrases.tick_cost(0.0041), "TICK_COST", "호가 한 단위가 가격의 0.41%: 거친 호가"),
    ],
)  # fmt: skip
def test_reasons_name_what_is_extreme(reason: Any, code: str, korean: str) -> None:
    assert (reason.code, reason.ko) == (code, korean)


def test_ordinary_values_are_not_talked_about() -> None:
    silent = [
        phrases.band(0.5),
        phrases.trend_strength(-24),
        phrases.silence(0.01),
        phrases.tick_cost(0.001),
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
