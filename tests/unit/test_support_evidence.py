"""How often levels are reached and hold: no edge where there is none, no look-ahead."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from datetime import date
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from central_project.analysis.bounces import (
    TURNS,
    Bounces,
    PastLevel,
    Tally,
    bounces_of,
    past_levels,
    tally_of,
)
from central_project.analysis.candles import CandleSeries
from central_project.analysis.support import calculate_support_levels
from central_project.analysis.support_evidence import evidence_of
from central_project.analysis.support_ground import HORIZONS, Ground, ground_of
from central_project.analysis.touches import (
    Falls,
    TouchTable,
    calibration_of,
    curve,
)
from common.money import KRW_TICKS, TickTable
from common.wire import Level
from tests.unit.analysis_builders import on_tick, series

FINE_TICKS = TickTable(
    effective_at=date(2025, 1, 1), bands=((Decimal(0), Decimal("1e-8")),)
)
EVERY_WEEK = (12, 20, 28, 36, 44, 52, 60, 68)


def lift(bounces: Bounces) -> tuple[float, float]:
    """Return the real levels' bounce rate minus the fakes', and a wide bound on chance."""
    real, placebo = bounces.real, bounces.placebo
    difference = real.bounced / real.samples - placebo.bounced / placebo.samples
    # Four standard errors: a jackknife over simulated coins gives 0.44 / sqrt(touches).
    return difference, 4 * 0.44 / math.sqrt(real.samples)


def walks(count: int) -> Iterator[Ground]:
    """Yield driftless random walks whose volatility comes in spells."""
    for seed in range(count):
        volatility = (0.003, 0.006, 0.012)[seed % 3]
        yield ground_of(series=series(count=2160, seed=seed, volatility=volatility))


def test_a_random_walk_bounces_off_no_level() -> None:
    """Enough walks to see the 5 to 7 points that fakes lose if only touched days count."""
    pooled = bounces_of(grounds=walks(600), ages=EVERY_WEEK)

    for bounces in pooled.values():
        difference, bound = lift(bounces)
        assert bounces.real.samples >= 300
        assert abs(difference) < bound


def bouncing(seed: int, turn: int) -> CandleSeries:
    """Return a walk that rises by a day's range once it reached a level it is judged by."""
    walk = series(count=2160, seed=seed, volatility=0.006)
    columns = ["open", "high", "low", "close"]
    for age in reversed(EVERY_WEEK):
        ground = ground_of(series=walk)
        found = past_levels(ground=ground, day=ground.days - age - turn)
        if (at := found.get(Level.AGGRESSIVE)) is None:
            continue
        reached = np.flatnonzero(ground.low[at.row : at.row + 72] <= at.at(at.distance))
        if len(reached):
            start = at.row + int(reached[0]) + 1
            hours = np.arange(1, 2160 - start + 1)
            rise = np.exp(np.minimum(hours, 6) / 6 * at.volatility)
            frame = walk.frame.copy()
            frame.loc[frame.index[start] :, columns] *= rise[:, None]
            walk = dataclasses.replace(walk, frame=frame)
    return walk


def test_levels_that_turn_the_price_are_told_from_arbitrary_ones() -> None:
    coins = [ground_of(series=bouncing(seed, seed % TURNS)) for seed in range(60)]

    difference, bound = lift(
        bounces_of(grounds=coins, ages=EVERY_WEEK)[Level.AGGRESSIVE]
    )

    assert difference > bound


HOLD = (100.0, 100.0)
"""High and low of an hour well above the level."""


@pytest.mark.parametrize(
    ("hours", "bounced", "samples"),
    [
        ([HOLD, (97.0, 96.0), (98.0, 96.5), (99.9, 97.0)], 1.0, 1),
        ([HOLD, (97.0, 96.0), (97.5, 94.0), (99.9, 97.0)], 0.0, 1),
        ([HOLD, (97.0, 96.0), (99.9, 94.0)], 0.5, 1),
        # What the touching hour itself did is not judged.
        ([HOLD, (99.9, 94.0), (97.5, 96.5), (99.9, 97.0)], 1.0, 1),
        ([HOLD, (97.0, 96.0), (98.0, 96.5)], 0.0, 0),
        ([HOLD] * 80, 0.0, 0),
        ([HOLD] * 71 + [(97.0, 96.0), (99.9, 97.0)], 1.0, 1),
        ([HOLD] * 72 + [(97.0, 96.0), (99.9, 97.0)], 0.0, 0),
        ([HOLD, (97.0, 96.0)] + [(98.0, 96.5)] * 168 + [(99.9, 97.0)], 0.0, 0),
    ],
)
def test_a_touch_is_judged_by_what_follows(
    hours: list[tuple[float, float]], bounced: float, samples: int
) -> None:
    past = series(count=48, start_price=100.0, volatility=0.0)
    ground = ground_of(series=past)
    high, low = np.array([HOLD] * 48 + hours).T
    ground = dataclasses.replace(
        ground, hours=ground.hours[0] + np.arange(len(high)), high=high, low=low
    )
    # A level at 97, three days to reach it, decided 2 % away from it.
    at = PastLevel(row=48, price=100.0, volatility=0.064, distance=0.476)

    tally = tally_of(
        ground=ground,
        at=at,
        distances=[at.distance],
        horizon=HORIZONS[Level.AGGRESSIVE],
    )

    assert (tally.bounced, tally.samples) == (bounced, samples)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(400, 2160),
    day=st.integers(4, 89),
    start_price=st.sampled_from([1e-3, 1.0, 1e8]),
)
def test_a_past_level_is_the_one_that_was_served(
    seed: int, count: int, day: int, start_price: float
) -> None:
    """Nothing after a past day is in its levels: they equal those of a cut series."""
    walk = series(count=count, seed=seed, start_price=start_price)
    ground = ground_of(series=walk)
    day = min(day, ground.days - 1)
    then = dataclasses.replace(walk, frame=walk.frame.iloc[: ground.edges[day]])
    price = on_tick(float(then.frame["close"].iloc[-1]))
    close = then.frame.columns.get_loc("close")
    then.frame.iloc[-1, close] = walk.frame.iloc[len(then.frame) - 1, close] = float(
        price
    )

    past = past_levels(ground=ground_of(series=walk), day=day)
    served = calculate_support_levels(series=then, price=price, ticks=FINE_TICKS)

    for level, answer in served.levels.items():
        if answer.price is not None:
            found = past[level].at(past[level].distance)
            assert found == pytest.approx(float(answer.price), rel=1e-6, abs=1e-7)
        else:
            assert answer.reason == "TOO_DEEP" or level not in past


def table(**bounces: Tally) -> TouchTable:
    both = Bounces(**bounces)
    falls = Falls(depths=np.linspace(0.0, 5.0, 501), windows=75.0)
    return TouchTable(
        falls=dict.fromkeys(Level, falls), bounces=dict.fromkeys(Level, both)
    )


def test_a_farther_level_is_never_likelier_to_be_reached() -> None:
    pooled = calibration_of(series=[series(count=2160, seed=n) for n in range(3)])

    for level in Level:
        chances = [
            pooled.probability(level=level, distance=distance)
            for distance in np.linspace(0.0, 30.0, 200)
        ]
        assert 1.0 >= chances[0] > 0.85
        assert chances == sorted(chances, reverse=True)
        assert 0.0 <= chances[-1] < 0.01


def test_the_runs_own_falls_correct_the_curve_by_their_separate_windows() -> None:
    chance = table().probability(level=Level.MODERATE, distance=2.0)
    expected = curve(level=Level.MODERATE, distance=2.0)

    # A fifth of the weight: 75 windows beside 300; 301 of the 501 falls reach 2 ATR.
    assert chance == pytest.approx(0.2 * 301 / 501 + 0.8 * expected)


def test_falls_are_counted_over_whole_windows_only() -> None:
    walks_ = [series(count=24 * 30, seed=seed) for seed in (1, 2)]

    pooled = calibration_of(series=walks_).falls

    for level, falls in pooled.items():
        days = HORIZONS[level].touch_days
        ground = ground_of(series=walks_[0])
        # From the third day on there is an ATR; the last days have no whole future.
        assert len(falls.depths) == 2 * (30 - days - 2)
        first = ground.close[ground.edges[3] - 1]
        deepest = ground.low[ground.edges[3] : ground.edges[3 + days]].min()
        fall = math.log(first / deepest) * first / ground.atr[2]
        assert np.isclose(falls.depths, fall, rtol=1e-9).any()


def test_coins_that_fall_together_count_as_one() -> None:
    alone = [series(count=2160, seed=seed) for seed in range(40)]

    one = calibration_of(series=alone[:1]).falls
    same = calibration_of(series=alone[:1] * 40).falls
    many = calibration_of(series=alone).falls

    for level, falls in one.items():
        days = HORIZONS[level].touch_days
        assert falls.windows == pytest.approx((90 - days) / days)
        assert same[level].windows == pytest.approx(falls.windows)
        assert 15 < many[level].windows / falls.windows <= 40


def test_levels_of_simulated_coins_are_reached_as_often_as_stated() -> None:
    """Ninety days make the table, the next ninety say whether it is true."""
    coins = [series(count=24 * 180, seed=seed, volatility=0.006) for seed in range(80)]
    firsts = [dataclasses.replace(c, frame=c.frame.iloc[:2160]) for c in coins]
    pooled = calibration_of(series=firsts)

    for level, horizon in HORIZONS.items():
        stated, reached = [], []
        for ground in (ground_of(series=one) for one in coins):
            for day in range(90, 180 - horizon.touch_days, horizon.touch_days):
                at = past_levels(ground=ground, day=day).get(level)
                if at is None:
                    continue
                stop = ground.end_of(start=at.row, days=horizon.touch_days)
                stated.append(pooled.probability(level=level, distance=at.distance))
                reached.append(ground.low[at.row : stop].min() <= at.at(at.distance))
        assert np.mean(reached) == pytest.approx(np.mean(stated), abs=0.05)


ENOUGH, FEW = Tally(bounced=21.0, samples=40), Tally(bounced=5.0, samples=29)


@pytest.mark.parametrize(
    ("real", "placebo", "rates", "reason"),
    [
        (ENOUGH, ENOUGH, (Decimal("0.525"), Decimal("0.525")), None),
        (FEW, ENOUGH, (None, None), "FEW_SAMPLES"),
        (ENOUGH, FEW, (None, None), "FEW_SAMPLES"),
    ],
)
def test_bounce_rates_come_in_pairs_or_not_at_all(
    real: Tally,
    placebo: Tally,
    rates: tuple[Decimal | None, Decimal | None],
    reason: str | None,
) -> None:
    known = table(real=real, placebo=placebo)

    found = evidence_of(level=Level.MODERATE, distance=2.0, table=known)

    assert (found["bounce_rate"], found["placebo_rate"]) == rates
    assert found["bounce_reason"] == reason
    assert found["bounce_samples"] == real.samples
    assert found["placebo_samples"] == placebo.samples
    assert found["touch_probability"] is not None
    assert (found["touch_samples"], found["touch_reason"]) == (501, None)


def test_what_is_unknown_is_null_with_a_reason() -> None:
    walk = series(count=24 * 40)
    price = on_tick(float(walk.frame["close"].iloc[-1]))

    uncalibrated = calculate_support_levels(
        series=walk, price=price, ticks=KRW_TICKS
    ).levels
    calibrated = calculate_support_levels(
        series=walk, price=price, ticks=KRW_TICKS, touches=table()
    ).levels

    near, missing = uncalibrated[Level.AGGRESSIVE], calibrated[Level.CONSERVATIVE]
    assert near.touch_probability is near.bounce_rate is None
    assert near.touch_reason == near.bounce_reason == "NOT_CALIBRATED"
    assert missing.reason == "SHORT_HISTORY"
    assert missing.touch_reason == missing.bounce_reason == "NO_LEVEL"
    assert calibrated[Level.AGGRESSIVE].touch_probability is not None
    assert [lv.touch_days for lv in calibrated.values()] == [3, 7, 21]


def test_a_run_without_history_still_has_a_table() -> None:
    empty = calibration_of(series=[])
    short = calibration_of(series=[series(count=24)])

    for one in (empty, short):
        chance = one.probability(level=Level.AGGRESSIVE, distance=1.0)
        assert chance == curve(level=Level.AGGRESSIVE, distance=1.0)
        assert one.bounces[Level.AGGRESSIVE].real.rate is None
