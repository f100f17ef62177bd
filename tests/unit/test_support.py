"""Support levels: ordered by construction, on tick, null with a reason, no look-ahead."""

from __future__ import annotations

import dataclasses
import math
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from central_project.analysis import support
from central_project.analysis.candidates import METHODS
from central_project.analysis.candles import CandleSeries, hourly_series
from central_project.analysis.support import (
    MAX_DEPTH,
    calculate_aggressive_support,
    calculate_conservative_support,
    calculate_moderate_support,
    calculate_support_levels,
)
from central_project.analysis.support_ground import (
    GAP_ATR,
    HORIZONS,
    Floats,
    Horizon,
    Window,
    ground_of,
)
from common.money import KRW_TICKS
from common.wire import Level, SupportLevels
from tests.unit.analysis_builders import NOW, no_rows, on_tick, rows, series

THREE = (
    calculate_aggressive_support,
    calculate_moderate_support,
    calculate_conservative_support,
)


def levels_of(candles: CandleSeries, price: Decimal | None = None) -> SupportLevels:
    known = price or on_tick(float(candles.frame["close"].iloc[-1]))
    return calculate_support_levels(series=candles, price=known, ticks=KRW_TICKS)


def assert_ordered(answer: SupportLevels) -> None:
    given_levels = [lv for lv in answer.levels.values() if lv.price is not None]
    ladder = [answer.price, *(lv.price for lv in given_levels if lv.price)]
    assert list(answer.levels) == list(Level)
    assert all(upper > lower for upper, lower in pairwise(ladder))
    assert all(KRW_TICKS.is_on_tick(price=price) for price in ladder[1:])
    assert all(price >= answer.price * (1 - MAX_DEPTH) for price in ladder[1:])
    for level in answer.levels.values():
        assert (level.price is None) <= (level.reason is not None)
        assert level.degraded <= (level.reason is not None)


def assert_gaps(answer: SupportLevels, candles: CandleSeries) -> None:
    """Each level lies two ticks and half a daily ATR below the one above it."""
    rounding = float(KRW_TICKS.tick_size(price=answer.price)) / 100
    ranges = ground_of(series=candles).atr
    atr = float(ranges[-1]) if len(ranges) and ranges[-1] > 0 else 0.0
    gap = math.exp(-GAP_ATR * atr / float(answer.price))
    prices = [lv.price for lv in answer.levels.values() if lv.price is not None]
    for upper, lower in pairwise(prices):
        assert upper - lower >= 2 * KRW_TICKS.tick_size(price=lower)
        assert float(lower) <= float(upper) * gap + rounding


@st.composite
def markets(draw: st.DrawFn) -> tuple[CandleSeries, Decimal]:
    """Draw walks from a millionth of a won to 200 million, with gaps, pauses and jumps."""
    count = draw(st.sampled_from([1, 5, 24, 30, 100, 400, 1000, 2160]))
    candles = series(
        count=count,
        seed=draw(st.integers(0, 2**32 - 1)),
        start_price=10 ** draw(st.floats(-6, 8.3)),
        volatility=draw(st.sampled_from([0.0, 1e-6, 0.001, 0.01, 0.05])),
    )
    frame = candles.frame
    if draw(st.booleans()):
        frame[["volume", "quote_volume"]] = 0.0
    if draw(st.booleans()) and count > 24:
        start = draw(st.integers(1, count - 2))
        frame = frame.drop(frame.index[start : start + draw(st.integers(1, 30))])
    jump = draw(st.sampled_from([0.2, 0.9, 0.99, 1.0, 1.01, 3.0]))
    price = on_tick(float(frame["close"].iloc[-1]) * jump)
    missing = draw(st.sampled_from([0.0, 0.5]))
    return dataclasses.replace(candles, frame=frame, missing_share=missing), price


@settings(max_examples=250, deadline=None, derandomize=True)
@given(markets())
def test_levels_are_always_ordered_and_on_tick(
    market: tuple[CandleSeries, Decimal],
) -> None:
    candles, price = market

    answer = levels_of(candles, price)

    assert_ordered(answer)
    assert_gaps(answer, candles)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), volatility=st.sampled_from([0.003, 0.01, 0.03]))
def test_levels_follow_the_price_unit(seed: int, volatility: float) -> None:
    """A thousandfold price on a thousandfold tick table moves nothing else."""
    walk = series(count=2160, seed=seed, start_price=5_000.0, volatility=volatility)
    thousandfold = dataclasses.replace(walk, frame=walk.frame.copy())
    thousandfold.frame[["open", "high", "low", "close", "quote_volume"]] *= 1000
    coarse = dataclasses.replace(
        KRW_TICKS, bands=tuple((edge * 1000, t * 1000) for edge, t in KRW_TICKS.bands)
    )
    price = on_tick(float(walk.frame["close"].iloc[-1]))

    one = calculate_support_levels(series=walk, price=price, ticks=KRW_TICKS)
    many = calculate_support_levels(
        series=thousandfold, price=price * 1000, ticks=coarse
    )

    tick = KRW_TICKS.tick_size(price=price)
    for level, small in one.levels.items():
        large = many.levels[level]
        assert (small.reason, small.method) == (large.reason, large.method)
        for mine, theirs in ((small.price, large.price), (small.raw, large.raw)):
            assert (mine is None) == (theirs is None)
            assert mine is None or abs(theirs / 1000 - mine) <= tick


def levels_at(hours: pd.DataFrame, now: datetime) -> SupportLevels:
    return levels_of(
        hourly_series(market="KRW-AAA", hours=hours, five_minutes=no_rows(), now=now),
    )


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    cut=st.integers(30, 1500),
    crash=st.floats(0.01, 3.0),
)
def test_future_order_and_unclosed_candles_change_no_level(
    seed: int, cut: int, crash: float
) -> None:
    hours = rows(count=2300, seed=seed)
    then = NOW - timedelta(hours=cut)
    known = hours[hours["started_at"] <= then - timedelta(hours=1)]
    unclosed = rows(count=1, end=then.replace(minute=0) + timedelta(hours=1), seed=2)
    unclosed[["open", "high", "low", "close"]] *= crash

    answers = [
        levels_at(given_rows, then)
        for given_rows in (
            known,
            hours,
            hours.sample(frac=1, random_state=seed),
            pd.concat([known, unclosed]),
        )
    ]

    assert all(answer == answers[0] for answer in answers)


def test_the_same_inputs_give_the_same_bytes() -> None:
    first, second = (levels_of(series(count=2160)) for _ in range(2))

    assert first.model_dump_json() == second.model_dump_json()


def test_a_whole_history_gives_three_levels_that_explain_themselves() -> None:
    walk = series(count=2160)
    answer = levels_of(walk)

    assert_ordered(answer)
    for calculate, found in zip(THREE, answer.levels.values(), strict=True):
        alone = calculate(series=walk, price=answer.price, ticks=KRW_TICKS)
        assert (alone.price, alone.candidates) == (found.raw, found.candidates)
    for name, level in answer.levels.items():
        assert level.horizon_days == HORIZONS[name].days
        assert level.price is not None
        assert level.raw is not None
        assert level.candidates >= 3
        assert level.candles == 24 * level.horizon_days
        assert (level.touches > 0) == (level.last_touch_at is not None)
        assert level.method.startswith("median(")
        assert not level.degraded
        assert level.reason is None


@pytest.mark.parametrize(
    ("days", "given_levels", "degraded"),
    [
        (2, set(), set()),
        (5, {Level.AGGRESSIVE}, {Level.AGGRESSIVE}),
        (7, {Level.AGGRESSIVE}, set()),
        (20, {Level.AGGRESSIVE, Level.MODERATE}, {Level.MODERATE}),
        (40, {Level.AGGRESSIVE, Level.MODERATE}, set()),
        (60, set(Level), {Level.CONSERVATIVE}),
        (89, set(Level), set()),
        (90, set(Level), set()),
    ],
)
def test_a_short_history_degrades_or_withholds_the_longer_levels(
    days: int, given_levels: set[Level], degraded: set[Level]
) -> None:
    answer = levels_of(series(count=24 * days, seed=4, volatility=0.004))

    assert_ordered(answer)
    assert {n for n, lv in answer.levels.items() if lv.price} == given_levels
    assert {n for n, lv in answer.levels.items() if lv.degraded} == degraded
    for name in (set(Level) - given_levels) | degraded:
        assert answer.levels[name].reason == "SHORT_HISTORY"


def test_many_missing_hours_degrade_every_level() -> None:
    answer = levels_of(series(count=2160, missing_share=0.2))

    assert all(level.degraded for level in answer.levels.values())
    assert {lv.reason for lv in answer.levels.values()} == {"MISSING_CANDLES"}


def test_a_price_that_never_moved_has_no_level() -> None:
    still = series(count=2160, volatility=0.0)

    answer = levels_of(still)

    assert {lv.price for lv in answer.levels.values()} == {None}
    assert {lv.reason for lv in answer.levels.values()} == {"NO_VOLATILITY"}


def test_a_price_below_all_history_has_no_level() -> None:
    answer = levels_of(series(count=2160, volatility=0.002), Decimal(1_000))

    assert {lv.reason for lv in answer.levels.values()} == {"FEW_CANDIDATES"}
    assert all(lv.candidates < 3 for lv in answer.levels.values())


def test_a_level_deeper_than_seventy_percent_is_refused() -> None:
    walk = series(count=2160, volatility=0.002)
    price = on_tick(float(walk.frame["high"].max()) * 5)

    answer = levels_of(walk, price)

    assert {lv.reason for lv in answer.levels.values()} == {"TOO_DEEP"}
    assert all(lv.price is None and lv.raw for lv in answer.levels.values())


def test_a_coin_of_a_few_ticks_has_no_level_at_tick_zero() -> None:
    walk = series(count=2160, start_price=1e-8, volatility=0.002)

    answer = levels_of(walk, Decimal("0.00000001"))

    assert all(level.price is None for level in answer.levels.values())
    assert {lv.reason for lv in answer.levels.values()} <= {
        "BELOW_TICK",
        "FEW_CANDIDATES",
    }


def test_levels_keep_a_gap_that_grows_with_volatility() -> None:
    calm = levels_of(series(count=2160, seed=8, volatility=0.002))
    wild = levels_of(series(count=2160, seed=8, volatility=0.010))

    def smallest_gap(answer: SupportLevels) -> float:
        ladder = [float(lv.price) for lv in answer.levels.values() if lv.price]
        return min(float(np.log(upper / lower)) for upper, lower in pairwise(ladder))

    assert smallest_gap(wild) > 2 * smallest_gap(calm)


def test_a_pushed_level_says_so_and_keeps_its_raw_price() -> None:
    frame = series(count=2160, seed=8).frame
    # All days end where they began, just above one common low: raw levels coincide.
    wave = 10_000 + 200 * np.sin(np.arange(2160) / 24 * 2 * np.pi)
    frame["open"] = frame["close"] = wave
    frame["high"], frame["low"] = wave + 20, wave - 20
    flat = CandleSeries(
        market="KRW-AAA", frame=frame, missing_share=0.0, provisional=False
    )

    answer = levels_of(flat, Decimal(10_000))

    deepest = answer.levels[Level.CONSERVATIVE]
    assert_ordered(answer)
    assert deepest.price is not None
    assert deepest.raw is not None
    assert deepest.price < deepest.raw
    assert deepest.clamped
    assert deepest.method.endswith("+volatility_floor")


def test_the_order_holds_across_a_level_that_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shares = {7: 0.6, 30: math.nan, 90: 0.9}

    def say(
        *, window: Window, horizon: Horizon, price: float, atr: float
    ) -> tuple[Floats, float, int]:
        level = shares[horizon.days] * price
        return np.full(len(METHODS), level), level, 0 if math.isnan(level) else 7

    monkeypatch.setattr(support, "answers_of", say)
    walk = series(count=2160, volatility=0.003)

    answer = levels_of(walk)

    assert answer.levels[Level.MODERATE].reason == "FEW_CANDIDATES"
    assert answer.levels[Level.AGGRESSIVE].price is not None
    assert answer.levels[Level.CONSERVATIVE].price is not None
    assert_ordered(answer)
    assert_gaps(answer, walk)
