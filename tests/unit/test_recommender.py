"""Ranking: gates with reasons, scores 0 to 100, hysteresis, ties, nothing padded."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from functools import cache
from random import Random
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from central_project.analysis.analyzers import (
    ANALYZERS,
    Assessment,
    CoinAnalyzer,
    CoinFacts,
    Factor,
)
from central_project.analysis.gates import Gates, InvalidSettings
from central_project.analysis.recommender import (
    DEFAULT_WEIGHTS,
    CoinRecommender,
    Ranking,
    Weights,
)
from common.wire import Level, SupportLevel, SupportLevels
from tests.unit.analysis_builders import NOW, coin, series

NAMES = ("technical", "volume", "volatility", "risk")
Table = Mapping[str, tuple[float | None, ...]]
"""Market to one raw value per analyzer; higher is better."""


class Told(CoinAnalyzer):
    """An analyzer that says what it was told."""

    def __init__(self, *, name: str, values: Mapping[str, float | None]) -> None:
        self.name = name  # type: ignore[misc]  # one class plays all four parts
        self._values = values

    def analyze(self, coin: CoinFacts, /) -> Assessment:
        """Return the one factor told for this coin."""
        factor = Factor(f"{self.name}_factor", self._values[coin.market], True)
        return Assessment(factors=(factor,), reasons=(), metrics={})


class ToldTwo(CoinAnalyzer):
    """An analyzer of two opposite factors, either of which may be missing."""

    def __init__(self, *, name: str, values: Mapping[str, tuple[Any, Any]]) -> None:
        self.name = name  # type: ignore[misc]  # one class plays all four parts
        self._values = values

    def analyze(self, coin: CoinFacts, /) -> Assessment:
        """Return both factors told for this coin; of the second less is better."""
        more, less = self._values[coin.market]
        factors = (
            Factor(f"{self.name}_more", more, True),
            Factor(f"{self.name}_less", less, False),
        )
        return Assessment(factors=factors, reasons=(), metrics={})


@cache
def passing() -> CoinFacts:
    """Return one coin that passes all gates; the tests give it other names."""
    return coin()


def named(market: str, **changes: Any) -> CoinFacts:
    return dataclasses.replace(passing(), market=market, **changes)


def rank(
    table: Table,
    *,
    incumbents: tuple[str, ...] = (),
    limit: int = 50,
    weights: Weights = DEFAULT_WEIGHTS,
    extra: tuple[CoinFacts, ...] = (),
) -> Ranking:
    analyzers = [
        Told(name=name, values={market: row[place] for market, row in table.items()})
        for place, name in enumerate(NAMES)
    ]
    recommender = CoinRecommender(analyzers=analyzers, weights=weights, gates=Gates())
    coins = [*(named(market) for market in table), *extra]
    return recommender.get_recommendations(
        coins=coins, incumbents=incumbents, limit=limit
    )


def order(ranking: Ranking) -> list[str]:
    return [one.symbol for one in ranking.scored]


def real(coins: list[CoinFacts], **gates: Any) -> Ranking:
    recommender = CoinRecommender(
        analyzers=ANALYZERS, weights=DEFAULT_WEIGHTS, gates=Gates(**gates)
    )
    return recommender.get_recommendations(coins=coins)


raw_values = st.integers(-20, 20).map(float) | st.floats(-1e9, 1e9)
tables = st.dictionaries(
    st.integers(0, 400).map(lambda number: f"KRW-C{number}"),
    st.tuples(raw_values, raw_values, raw_values, raw_values),
    min_size=1,
    max_size=70,
)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(tables)
def test_scores_stay_within_0_and_100_and_their_parts_sum_up(table: Table) -> None:
    ranking = rank(table)

    assert len(ranking.scored) == len(table)
    for one in ranking.scored:
        parts = sum(
            Decimal(part["contribution"] or 0) for part in one.components.values()
        )
        assert 0 <= one.score <= 100
        assert abs(parts - one.score) <= Decimal("0.01")


@settings(max_examples=60, deadline=None, derandomize=True)
@given(tables)
def test_only_the_order_of_a_factors_values_counts(table: Table) -> None:
    def bend(value: float | None) -> float:
        return math.atan((value or 0.0) / 1e9) * 3 + 7

    bent = {market: tuple(map(bend, row)) for market, row in table.items()}
    for place in range(4):
        distinct = {row[place] for row in table.values()}
        assume(len(distinct) == len({bend(value) for value in distinct}))

    assert rank(bent).recommendations == rank(table).recommendations


@settings(max_examples=100, deadline=None, derandomize=True)
@given(
    tables,
    st.integers(0, 69),
    st.integers(0, 3),
    st.floats(0.001, 1e9),
    st.integers(1, 50),
    st.lists(st.integers(0, 69), max_size=10),
)
def test_a_better_factor_never_costs_a_rank(
    table: Table, who: int, place: int, gain: float, limit: int, held: list[int]
) -> None:
    markets = sorted(table)
    chosen = markets[who % len(markets)]
    incumbents = tuple(markets[number % len(markets)] for number in held)
    row = list(table[chosen])
    row[place] = (row[place] or 0.0) + gain
    better = {**table, chosen: tuple(row)}

    before = order(rank(table, incumbents=incumbents, limit=limit)).index(chosen)
    after = order(rank(better, incumbents=incumbents, limit=limit)).index(chosen)

    assert after <= before


some_value = st.integers(-5, 5).map(float) | st.floats(-1e6, 1e6)
pairs = st.tuples(some_value, st.none() | some_value) | st.tuples(
    st.none() | some_value, some_value
)
patchy_tables = st.dictionaries(
    st.integers(0, 400).map(lambda number: f"KRW-C{number}"),
    st.tuples(pairs, pairs, pairs, pairs),
    min_size=1,
    max_size=60,
)


def rank_patchy(table: Mapping[str, Any], **options: Any) -> Ranking:
    analyzers = [
        ToldTwo(name=name, values={market: row[place] for market, row in table.items()})
        for place, name in enumerate(NAMES)
    ]
    recommender = CoinRecommender(
        analyzers=analyzers, weights=DEFAULT_WEIGHTS, gates=Gates()
    )
    return recommender.get_recommendations(
        coins=[named(market) for market in table], **options
    )


@settings(max_examples=60, deadline=None, derandomize=True)
@given(patchy_tables)
def test_known_factors_carry_the_whole_weight(table: Mapping[str, Any]) -> None:
    for one in rank_patchy(table).scored:
        parts = one.components.values()
        weights = [Decimal(part["weight"] or 0) for part in parts]
        points = [Decimal(part["contribution"] or 0) for part in parts]

        assert abs(sum(weights) - 1) <= Decimal("0.00001")
        assert abs(sum(points) - one.score) <= Decimal("0.01")
        assert all(
            (part["value"] is None) == (Decimal(part["weight"] or 0) == 0)
            for part in parts
        )


@settings(max_examples=80, deadline=None, derandomize=True)
@given(patchy_tables, st.integers(0, 59), st.integers(0, 7), st.floats(0.001, 1e6))
def test_improving_a_known_factor_never_costs_a_rank_where_others_are_missing(
    table: Mapping[str, Any], who: int, which: int, gain: float
) -> None:
    chosen, (view, side) = sorted(table)[who % len(table)], divmod(which, 2)
    row = [list(pair) for pair in table[chosen]]
    assume(row[view][side] is not None)
    row[view][side] += gain if side == 0 else -gain
    better = {**table, chosen: tuple(tuple(pair) for pair in row)}

    before = order(rank_patchy(table)).index(chosen)
    after = order(rank_patchy(better)).index(chosen)

    assert after <= before


@pytest.mark.parametrize("seed", range(12))
def test_newcomers_lead_every_incumbent_they_displaced_by_two_points(seed: int) -> None:
    # A hundred coins stand less than a point apart, so the two points decide.
    chance = Random(seed)
    table = {
        f"KRW-C{number:02}": tuple((chance.random(), None) for _ in NAMES)
        for number in range(100)
    }
    incumbents = set(chance.sample(sorted(table), 30))

    ranking = rank_patchy(table, incumbents=incumbents, limit=30)

    listed = {one.symbol: one.score for one in ranking.recommendations}
    missed = {one.symbol: one.score for one in ranking.scored[30:]}
    newest = min(score for name, score in listed.items() if name not in incumbents)
    ousted = max(score for name, score in missed.items() if name in incumbents)
    weakest = min(score for name, score in listed.items() if name in incumbents)
    waiting = max(score for name, score in missed.items() if name not in incumbents)
    assert newest >= ousted + 2
    # Nobody waits who has beaten a listed incumbent, or any listed newcomer.
    assert waiting < weakest + 2
    assert waiting <= newest


@settings(max_examples=40, deadline=None, derandomize=True)
@given(tables, st.randoms(use_true_random=False))
def test_the_order_of_the_coins_changes_nothing(table: Table, shuffler: Any) -> None:
    items = list(table.items())
    shuffler.shuffle(items)

    assert rank(dict(items)) == rank(table)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(tables)
def test_a_gated_coin_changes_nothing_but_the_count(table: Table) -> None:
    gated = named("KRW-GATED", warning=True)

    ranking = rank(table, extra=(gated,))

    assert ranking.scored == rank(table).scored
    assert ranking.excluded == {"KRW-GATED": "WARNING"}
    assert ranking.universe_size == len(table) + 1


def test_equal_coins_are_ordered_by_symbol_and_share_a_score() -> None:
    ranking = rank({f"KRW-{name}": (1.0,) * 4 for name in ("C", "A", "B")})

    assert order(ranking) == ["KRW-A", "KRW-B", "KRW-C"]
    assert {one.score for one in ranking.scored} == {Decimal(50)}


def test_weights_decide_between_views() -> None:
    table: Table = {"KRW-A": (2.0, 1.0, 1.0, 1.0), "KRW-B": (1.0, 2.0, 1.0, 1.0)}
    technical = Weights(
        technical=Decimal("0.4"),
        volume=Decimal("0.2"),
        volatility=Decimal("0.2"),
        risk=Decimal("0.2"),
        version="t",
    )

    assert order(rank(table))[0] == "KRW-B"
    assert order(rank(table, weights=technical))[0] == "KRW-A"
    assert rank(table, weights=technical).score_version == "t"


def test_a_known_score_is_the_weighted_mean_of_rank_shares() -> None:
    ranking = rank({"KRW-A": (2.0, 1.0, 2.0, 1.0), "KRW-B": (1.0, 2.0, 1.0, 2.0)})

    first = ranking.recommendations[0]

    # Rank shares of two coins are 0.75 and 0.25; all four views count, two for each.
    assert first.score == Decimal("50.00")
    assert first.scores.technical == Decimal("75.00")
    assert first.scores.volume == Decimal("25.00")


def test_at_most_the_limit_is_recommended_and_the_rest_stays_visible() -> None:
    table = {f"KRW-C{n:02}": (float(n),) * 4 for n in range(60)}

    ranking = rank(table)

    assert [r.rank for r in ranking.recommendations] == list(range(1, 51))
    assert len(ranking.scored) == 60
    assert all(one.recommendation is None for one in ranking.scored[50:])
    assert rank(table, limit=3).recommendations == ranking.recommendations[:3]


def test_fewer_coins_are_not_padded() -> None:
    assert len(rank({"KRW-A": (1.0,) * 4}).recommendations) == 1
    assert rank({}).recommendations == ()
    assert rank({}).universe_size == 0


@pytest.mark.parametrize("limit", [0, 51, -1])
def test_a_limit_out_of_range_is_refused(limit: int) -> None:
    with pytest.raises(ValueError, match="1 to 50"):
        rank({}, limit=limit)


def test_a_market_given_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="only once"):
        rank({"KRW-A": (1.0,) * 4}, extra=(named("KRW-A"),))


def hundred(*, better: int) -> Table:
    """Return 100 coins of which *better* are ahead of KRW-OLD; each place is a point."""
    table = {f"KRW-N{n:03}": (float(n),) * 4 for n in range(99)}
    return {**table, "KRW-OLD": (98.5 - better,) * 4}


@pytest.mark.parametrize(("better", "stays"), [(9, True), (10, True), (11, False)])
def test_an_incumbent_stays_until_beaten_by_two_points(
    better: int, stays: bool
) -> None:
    # The tenth newcomer leads by 1 point with ten better coins, by 2 with eleven.
    ranking = rank(hundred(better=better), incumbents=("KRW-OLD",), limit=10)

    listed = {one.symbol for one in ranking.recommendations}
    assert ("KRW-OLD" in listed) == stays
    assert "KRW-OLD" not in {
        one.symbol for one in rank(hundred(better=10), limit=10).recommendations
    }


def test_a_list_with_an_incumbent_is_still_ordered_by_score() -> None:
    # Its two points of grace would put the incumbent before better coins.
    ranking = rank(hundred(better=9), incumbents=("KRW-OLD",), limit=10)

    scores = [r.score for r in ranking.recommendations]
    assert scores == sorted(scores, reverse=True)
    assert ranking.recommendations[-1].symbol == "KRW-OLD"


def test_a_missing_factor_is_left_out_of_its_view_and_marked() -> None:
    coins = [
        dataclasses.replace(coin(market=f"KRW-{name}"), spread=spread)
        for name, spread in (("A", 0.001), ("B", None), ("C", 0.002))
    ]

    ranking = real(coins)

    partial = next(one for one in ranking.scored if one.symbol == "KRW-B")
    assert partial.recommendation is not None
    assert partial.components["spread"]["share"] is None
    assert {"SPREAD_UNKNOWN", "PARTIAL_COVERAGE"} <= set(
        partial.recommendation.warnings
    )
    weights = [Decimal(part["weight"] or 0) for part in partial.components.values()]
    assert sum(weights) == pytest.approx(Decimal(1), abs=Decimal("0.0001"))


def test_a_view_without_any_factor_excludes_the_coin() -> None:
    ranking = rank({"KRW-A": (1.0,) * 4, "KRW-B": (None, 1.0, 1.0, 1.0)})

    assert ranking.excluded == {"KRW-B": "NOT_ENOUGH_HISTORY"}
    assert order(ranking) == ["KRW-A"]


def thin() -> CoinFacts:
    quiet = series(count=2160)
    quiet.frame["quote_volume"] = 1_000_000.0
    return coin(series=quiet)


def levelless() -> CoinFacts:
    none = {lv: SupportLevel(horizon_days=7, price=None, reason="X") for lv in Level}
    facts = passing()
    return dataclasses.replace(
        facts,
        support=SupportLevels(symbol=facts.market, price=facts.price, levels=none),
    )


GATED: dict[str, Callable[[], CoinFacts]] = {
    "STABLECOIN": lambda: named("KRW-USDT"),
    "WARNING": lambda: named("KRW-A", warning=True),
    "CAUTION": lambda: named("KRW-A", cautions=("PRICE_FLUCTUATIONS",)),
    "TOO_YOUNG": lambda: named("KRW-A", first_hour_at=NOW - timedelta(days=88)),
    "MISSING_CANDLES": lambda: named(
        "KRW-A", series=series(count=2160, missing_share=0.11)
    ),
    "LOW_TURNOVER": thin,
    "WIDE_SPREAD": lambda: named("KRW-A", spread=0.01, spread_ticks=5.0),
    "COARSE_TICK": lambda: named("KRW-A", tick_share=0.0051),
    "NO_SUPPORT": levelless,
}


@pytest.mark.parametrize("reason", GATED)
def test_each_gate_names_its_reason(reason: str) -> None:
    refused = GATED[reason]()

    ranking = real([refused, named("KRW-GOOD")])

    assert ranking.excluded == {refused.market: reason}
    assert order(ranking) == ["KRW-GOOD"]


@pytest.mark.parametrize(
    "passes",
    [
        {"spread": 0.003, "spread_ticks": 9.0},
        {"spread": 0.01, "spread_ticks": 4.0},
        {"spread": None},
        {"tick_share": 0.005},
        {"first_hour_at": NOW - timedelta(days=89)},
    ],
)
def test_a_coin_at_the_limit_passes(passes: dict[str, Any]) -> None:
    assert real([named("KRW-A", **passes)]).excluded == {}


def test_gates_can_be_moved() -> None:
    young = named("KRW-A", first_hour_at=NOW - timedelta(days=40))

    assert real([young], min_age_days=30).excluded == {}


@pytest.mark.parametrize(
    "wrong",
    [
        {"min_turnover_24h": Decimal(-1)},
        {"min_age_days": -1},
        {"max_spread": 30.0},
        {"max_missing": 10.0},
        {"max_tick_share": math.nan},
    ],
)
def test_gates_out_of_range_are_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidSettings, match=next(iter(wrong))):
        Gates(**wrong)


@pytest.mark.parametrize(
    ("technical", "message"),
    [("0.21", "sum to 1"), ("-0.2", "technical"), ("NaN", "technical")],
)
def test_weights_that_cannot_be_meant_are_refused(technical: str, message: str) -> None:
    with pytest.raises(InvalidSettings, match=message):
        dataclasses.replace(DEFAULT_WEIGHTS, technical=Decimal(technical))


def test_analyzers_must_match_the_weights() -> None:
    with pytest.raises(InvalidSettings, match="exactly"):
        CoinRecommender(analyzers=ANALYZERS[:3], weights=DEFAULT_WEIGHTS, gates=Gates())


def test_the_days_change_is_told_as_a_metric_and_scores_nothing() -> None:
    calm = coin(market="KRW-AAA", signed_change_rate=Decimal("-0.0183673469"))
    same = dataclasses.replace(calm, market="KRW-BBB", signed_change_rate=Decimal("2"))
    untold = dataclasses.replace(calm, market="KRW-CCC", signed_change_rate=None)

    first, second, third = real([calm, same, untold]).recommendations

    assert first.metrics["signed_change_rate"] == Decimal("-0.018367")
    assert second.metrics["signed_change_rate"] == 2
    assert "signed_change_rate" not in third.metrics
    assert first.score == second.score == third.score


def test_real_analyzers_prefer_the_calm_and_liquid_coin() -> None:
    calm = coin(market="KRW-CALM", series=series(count=2160, volatility=0.003))
    wild_walk = series(count=2160, seed=5, volatility=0.015)
    wild_walk.frame["quote_volume"] /= 20
    wild = coin(market="KRW-WILD", series=wild_walk, depth_krw=1e7, spread=0.0025)
    middle = coin(market="KRW-MID", series=series(count=2160, seed=3, volatility=0.008))

    ranking = real([wild, middle, calm])

    assert ranking.excluded == {}
    best, worst = ranking.recommendations[0], ranking.recommendations[-1]
    assert (best.symbol, worst.symbol) == ("KRW-CALM", "KRW-WILD")
    assert best.metrics["volatility_14d"] < worst.metrics["volatility_14d"]
    assert {reason.code for reason in best.reasons} & {"STRONG_ATR", "CALM"}
    assert all(reason.ko and reason.en for reason in best.reasons + worst.reasons)
    assert best.korean_name == "KRW-CALM 코인"
