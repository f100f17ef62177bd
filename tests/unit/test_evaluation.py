"""The report card finds what is there, and nothing where there is nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from itertools import permutations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from central_project.analysis.evaluation.card import Finding, ReportCard
from central_project.analysis.evaluation.inference import (
    mean_over_dates,
    mid_ranks,
    normal_of_t,
    shuffled,
    standard_ranks,
    t_of_normal,
)
from central_project.analysis.evaluation.judge import NothingToJudge, judge
from central_project.analysis.evaluation.panel import CoinView, Snapshot, StatedLevel
from central_project.analysis.evaluation.prices import NoPrices, price_history
from common.wire import Level
from tests.unit.evaluation_market import (
    DAY,
    HISTORY_DAYS,
    START,
    Frames,
    judged,
    replayed,
    walks,
)

EDGES = ("ranking", "list", "parts", "take_profit", "bounce")


def findings(card: ReportCard) -> dict[str, Finding]:
    return {one.code: one.finding for one in card.questions}


# --- the two promises -------------------------------------------------------------


@pytest.mark.parametrize("seed", range(20))
def test_a_random_walk_shows_no_edge(seed: int) -> None:
    card = judged(walks(seed=seed))

    assert card.finding is Finding.NO_EVIDENCE
    assert not {Finding.EVIDENCE, Finding.AGAINST} & {
        found for code, found in findings(card).items() if code in EDGES
    }
    assert card.bar.headline_tests >= 10
    assert card.bar.part_tests >= 50


def test_a_planted_signal_is_found() -> None:
    card = judged(walks(seed=1, coins=16, days=100, calm_gains=0.08))

    assert card.finding is Finding.EVIDENCE
    assert findings(card)["ranking"] is Finding.EVIDENCE
    assert findings(card)["parts"] is Finding.EVIDENCE
    assert card.ranking is not None
    parts = {one.name: one.ic for one in card.ranking.parts}
    planted = parts["volatility_14d"]
    assert planted[1].finding is planted[3].finding is Finding.EVIDENCE
    day = card.ranking.horizons[0].ic
    assert day.twin is not None
    assert day.chance_high is not None
    assert day.value > day.chance_high
    assert abs(day.twin) < day.value / 2


@pytest.mark.parametrize(
    ("sign", "finding", "words"),
    [(1, Finding.EVIDENCE, "chance hardly"), (-1, Finding.NO_EVIDENCE, "wrong way")],
)
def test_an_order_that_comes_true_backwards_is_no_edge(
    sign: int, finding: Finding, words: str
) -> None:
    rng = np.random.default_rng(9)
    frames = {}
    for number in range(10):
        steps = rng.normal(sign * (4.5 - number) * 1e-3, 0.006, 24 * 60)
        path = 1000 * np.exp(np.cumsum(steps))
        frames[f"KRW-C{number}"] = flat(days=60, path=path.item)

    card = card_of(frames, [ranked(frames, at=START + n * DAY) for n in range(2, 59)])

    assert card.finding is finding
    assert words in card.summary.en
    expected = Finding.EVIDENCE if sign > 0 else Finding.AGAINST
    assert findings(card)["ranking"] is expected


# --- only the past is seen ---------------------------------------------------------


def test_what_is_said_does_not_depend_on_what_follows() -> None:
    frames = walks(seed=3, days=40)
    moment = START + 30 * DAY

    def scrambled(frame: pd.DataFrame) -> pd.DataFrame:
        later = (frame["started_at"] >= moment).to_numpy()
        changed = frame.copy()
        changed.loc[later, ["open", "high", "low", "close"]] *= 3
        return changed

    other = {market: scrambled(frame) for market, frame in frames.items()}
    moments = [moment - DAY, moment]

    assert replayed(frames, moments=moments) == replayed(other, moments=moments)
    assert replayed(frames, moments=[moment + DAY]) != replayed(
        other, moments=[moment + DAY]
    )


def test_the_replay_uses_scores_ranks_and_levels_of_the_real_recommender() -> None:
    [said] = replayed(walks(seed=3, days=30), moments=[START + HISTORY_DAYS * DAY])

    assert len(said.coins) == 12
    assert sorted(one.rank for one in said.coins if one.rank) == list(range(1, 13))
    by_rank = sorted(said.coins, key=lambda one: one.rank or 0)
    scores = [one.score for one in by_rank if one.score is not None]
    assert scores == sorted(scores, reverse=True)
    assert {"=technical", "=risk", "rsi", "volatility_14d"} <= by_rank[0].parts.keys()
    aggressive = by_rank[0].levels[Level.AGGRESSIVE]
    assert aggressive.price < by_rank[0].price
    assert aggressive.probability is not None


# --- small worlds that can be reckoned by hand ------------------------------------


def flat(*, days: int, path: Callable[[int], float]) -> pd.DataFrame:
    """Return hourly candles without wicks with the closes *path(hour)*."""
    close = np.array([path(hour) for hour in range(24 * days)])
    frame = pd.DataFrame(
        {
            "open": close,
            "high": close,
            "low": close,
            "close": close,
            "volume": 1.0,
            "quote_volume": close,
        }
    )
    frame["started_at"] = pd.date_range(START, periods=24 * days, freq="h")
    return frame


def ranked(frames: Frames, *, at: datetime) -> Snapshot:
    """Say that the coins are best in the order of their names."""
    markets = sorted(frames)
    coins = []
    for rank, market in enumerate(markets, start=1):
        frame = frames[market]
        before = frame[frame["started_at"] < at]
        coins.append(
            CoinView(
                market=market,
                price=float(before["close"].iloc[-1]),
                eligible=True,
                rank=rank,
                score=100.0 - rank,
                parts={},
                levels={},
            )
        )
    return Snapshot(as_of=at, coins=coins)


def card_of(frames: Frames, snapshots: list[Snapshot]) -> ReportCard:
    return judge(
        section="walk_forward",
        snapshots=snapshots,
        prices=price_history(frames),
        step_days=1,
        score_version="test",
    )


def test_a_perfect_order_has_rank_correlation_one_and_strict_fifths() -> None:
    def rising(rate: float) -> Callable[[int], float]:
        return lambda hour: 1000 * math.exp(rate * hour)

    frames = {
        f"KRW-C{n}": flat(days=30, path=rising((9 - n) / 10_000)) for n in range(10)
    }
    card = card_of(frames, [ranked(frames, at=START + n * DAY) for n in range(2, 20)])

    assert card.ranking is not None
    week = {one.days: one for one in card.ranking.horizons}[7]
    assert float(week.ic.value) == pytest.approx(1)
    assert float(week.monotonicity or 0) == pytest.approx(1)
    # Best two of ten coins against the median: (8.5 - 4.5) / 10,000 an hour.
    assert float(week.best_vs_median.value) == pytest.approx(4e-4 * 24 * 7, abs=1e-6)
    assert week.hit_rate.value == 1
    assert card.ranking.turnover is not None
    assert card.ranking.turnover.value == 0
    assert [point.value for point in card.ranking.curve] == sorted(
        point.value for point in card.ranking.curve
    )


def test_a_delisted_coin_keeps_its_loss() -> None:
    frames = {f"KRW-C{n}": flat(days=30, path=lambda hour: 1000.0) for n in range(10)}
    # The best ranked coin loses nine tenths on day 6 and is never traded again.
    doomed = flat(days=30, path=lambda h: 1000.0 if h < 144 else 100.0)
    frames["KRW-C0"] = doomed.iloc[:150]

    card = card_of(frames, [ranked(frames, at=START + 5 * DAY)])

    assert card.ranking is not None
    week = {one.days: one for one in card.ranking.horizons}[7]
    # One of the best two coins: half of log(0.1).
    assert float(week.best_vs_median.value) == pytest.approx(
        math.log(0.1) / 2, abs=1e-6
    )


def test_starting_now_counts_hits_falls_and_what_comes_first() -> None:
    def dip_then_rise(hour: int) -> float:
        after = hour - 48
        return 1000.0 if after < 5 else 950.0 if after < 30 else 1020.0

    def rise(hour: int) -> float:
        return 1000.0 if hour < 48 + 10 else 1020.0

    def sink(hour: int) -> float:
        return 1000.0 if hour < 48 + 3 else 900.0

    paths = [rise, dip_then_rise, *[sink] * 8]
    frames = {f"KRW-C{n}": flat(days=40, path=path) for n, path in enumerate(paths)}
    card = card_of(frames, [ranked(frames, at=START + 2 * DAY)])

    assert card.starts is not None
    best, universe = card.starts.best, card.starts.universe
    assert (best.starts, universe.starts) == (2, 10)
    assert best.hit.value == 1
    assert float(universe.hit.value) == pytest.approx(0.2)
    # After 11 hours and after 31 hours; the fall of the second comes before its hit.
    assert best.hours_to_hit == 21
    assert float(best.fall) == pytest.approx(-0.0253, abs=1e-4)
    assert float(universe.stuck_loss or 0) == pytest.approx(-0.1)
    # Up first: one of two against one of ten.
    assert float(card.starts.first.value) == pytest.approx(0.4)


def test_few_coins_are_no_ranking_but_have_levels() -> None:
    frames = dict(list(walks(seed=5, days=50).items())[:4])

    card = judged(frames)

    assert card.ranking is None
    assert card.starts is None
    assert findings(card)["ranking"] is Finding.TOO_SHORT
    assert card.levels[Level.AGGRESSIVE].touch is not None
    assert "at least 10" in card.notes[-1].en


def test_impossible_candles_are_no_prices() -> None:
    frame = walks(seed=1, coins=2, days=3)["KRW-C00"]
    broken = frame.copy()
    broken.loc[10, "low"] = 0.0
    broken.loc[11, ["low", "high"]] = [9_000.0, 8_000.0]
    broken.loc[12, "close"] = np.nan

    prices = price_history({"KRW-C00": broken})

    assert prices.hours == len(frame)
    assert (prices.low[10:13, 0] == frame["close"][9]).all()
    assert prices.close[13, 0] == frame["close"][13]


def test_nothing_said_and_nothing_traded_are_refused() -> None:
    frames = walks(seed=1, coins=2, days=3)
    with pytest.raises(NothingToJudge):
        card_of(frames, [Snapshot(as_of=START, coins=[])])
    with pytest.raises(NoPrices):
        price_history({})


# --- levels ------------------------------------------------------------------------


def with_level(
    frames: Frames, *, days: range, depth: float, probability: float
) -> list[Snapshot]:
    """State one aggressive level *depth* below each coin's price every day."""
    rng = np.random.default_rng(4)
    said = []
    for day in days:
        at = START + day * DAY
        coins = []
        for market, frame in frames.items():
            price = float(frame["close"].iloc[24 * day - 1])
            level = price * math.exp(-depth * rng.uniform(0.5, 1.5))
            stated = StatedLevel(price=level, probability=probability, days=3)
            coins.append(
                CoinView(
                    market=market,
                    price=price,
                    eligible=True,
                    parts={},
                    levels={Level.AGGRESSIVE: stated},
                )
            )
        said.append(Snapshot(as_of=at, coins=coins))
    return said


def test_levels_of_a_random_walk_hold_no_better_than_made_up_ones() -> None:
    card = judged(walks(seed=8, coins=10, days=130))

    for level in (Level.AGGRESSIVE, Level.MODERATE):
        bounce = card.levels[level].bounce
        assert bounce is not None
        assert bounce.touches > 200
        assert bounce.placebo_touches > 3 * bounce.touches
        assert bounce.difference.t is not None
        assert bounce.difference.finding is Finding.NO_EVIDENCE


def test_levels_that_hold_are_found() -> None:
    frames = walks(seed=8, coins=10, days=160)
    said = with_level(frames, days=range(20, 150), depth=0.03, probability=0.5)
    for market, frame in frames.items():
        _make_levels_hold(frame, [_level_of(one, market) for one in said])

    card = card_of(frames, said)

    bounce = card.levels[Level.AGGRESSIVE].bounce
    assert bounce is not None
    assert bounce.difference.finding is Finding.EVIDENCE
    assert bounce.rate.value > bounce.placebo.value


def _level_of(snapshot: Snapshot, market: str) -> tuple[int, float]:
    [coin] = [one for one in snapshot.coins if one.market == market]
    hour = int((snapshot.as_of - START).total_seconds()) // 3600
    return hour, coin.levels[Level.AGGRESSIVE].price


def _make_levels_hold(frame: pd.DataFrame, levels: list[tuple[int, float]]) -> None:
    """After each first touch let one hour's wick reach far above the level."""
    low, high = frame["low"].to_numpy(), frame["high"].to_numpy().copy()
    for hour, level in levels:
        touched = np.flatnonzero(low[hour : hour + 72] <= level)
        if len(touched):
            after = hour + int(touched[0]) + 1
            high[after] = max(high[after], level * 1.10)
    frame["high"] = high


@pytest.mark.parametrize(
    ("factor", "finding"),
    [
        (1.0, Finding.CALIBRATED),
        (0.2, Finding.STATED_TOO_LOW),
        (1.9, Finding.STATED_TOO_HIGH),
    ],
)
def test_stated_probabilities_are_held_against_what_happened(
    factor: float, finding: Finding
) -> None:
    frames = walks(seed=8, coins=10, days=200)
    days, truth = range(20, 190), 0.50

    card = card_of(
        frames, with_level(frames, days=days, depth=0.065, probability=truth * factor)
    )

    touch = card.levels[Level.AGGRESSIVE].touch
    assert touch is not None
    assert float(touch.touched.value) == pytest.approx(truth, abs=0.06)
    assert touch.difference.finding is finding
    assert findings(card)["calibration"] is finding
    assert sum(one.n for one in touch.bins) == touch.n


# --- arithmetic ---------------------------------------------------------------------


def test_the_shuffle_has_the_mean_and_deviation_of_all_permutations() -> None:
    rng = np.random.default_rng(2)
    pairs = rng.normal(size=(7, 7))
    every = [
        sum(pairs[i, j] for i, j in enumerate(order))
        for order in permutations(range(7))
    ]

    chance = shuffled(pairs)

    middle = (chance.low + chance.high) / 2
    assert middle == pytest.approx(np.mean(every))
    assert (chance.high - middle) / 1.959964 == pytest.approx(np.std(every))


def test_newey_west_equals_its_definition() -> None:
    values = np.random.default_rng(6).normal(size=50)
    rest, lag = values - values.mean(), 5

    def covariance(k: int) -> float:
        return float(sum(rest[i] * rest[i - k] for i in range(k, 50))) / 50

    variance = covariance(0) + 2 * sum(
        (1 - k / (lag + 1)) * covariance(k) for k in range(1, lag + 1)
    )
    estimate = mean_over_dates(values, window=3)

    assert estimate is not None
    assert estimate.t == pytest.approx(values.mean() / math.sqrt(variance / 50))


def test_a_short_series_has_a_mean_but_no_error() -> None:
    estimate = mean_over_dates(np.array([0.1, 0.3, np.nan]), window=14)

    assert estimate is not None
    assert estimate.value == pytest.approx(0.2)
    assert estimate.n == 2
    assert estimate.t is estimate.z is estimate.low is None
    assert mean_over_dates(np.array([np.nan]), window=1) is None


@pytest.mark.parametrize(
    ("t", "freedom", "normal"),
    # Student's tables: two-sided 5 %, 1 % and 0.1 %.
    [(2.228, 10, 1.960), (4.604, 4, 2.576), (4.587, 10, 3.291), (5.959, 6, 3.291)],
)
def test_students_t_is_read_as_a_normal_deviate(
    t: float, freedom: float, normal: float
) -> None:
    assert normal_of_t(t, freedom) == pytest.approx(normal, abs=0.03)
    assert t_of_normal(normal_of_t(-t, freedom), freedom) == pytest.approx(-t)


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=30),
    st.floats(0.1, 10),
)
@settings(max_examples=60, deadline=None)
def test_ranks_follow_order_alone(values: list[float], scale: float) -> None:
    array = np.round(np.array(values), 3)
    ranks = mid_ranks(array)

    assert ranks.sum() == pytest.approx(len(array) * (len(array) + 1) / 2)
    assert np.array_equal(ranks, mid_ranks(array * scale))
    length = float((standard_ranks(array) ** 2).sum())
    assert length == pytest.approx(1) or len(set(array.tolist())) == 1
