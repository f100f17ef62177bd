"""From snapshot, price and options to a plan: which level, which coin, which refusal."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from common.wire import BundleAnswer, Level, parse_bundle
from tests.user.factories import NOW, QuietExchange
from user_project.bots import frozen_plan, planning
from user_project.bots.options import BotOptions
from user_project.bots.planning import NoProposal, Proposal
from user_project.trading.facts import Why

PRICE = Decimal(101_000_000)


def bundle(
    *, symbols: tuple[str, ...] = ("KRW-BTC",), **levels: str | None
) -> BundleAnswer:
    """Return an answer of central's with these levels for every symbol."""
    horizons = {"aggressive": 7, "moderate": 30, "conservative": 90}
    coin = {"korean_name": "코인", "english_name": "Coin", "price": "101000000"}
    scores = dict.fromkeys(("technical", "volume", "volatility", "risk"), "50")
    body: dict[str, Any] = {
        "run_id": "run-1",
        "stale": False,
        **dict.fromkeys(("data_as_of", "generated_at"), NOW.isoformat()),
        **dict.fromkeys(
            ("valid_until", "next_run_at"), (NOW + timedelta(minutes=5)).isoformat()
        ),
        "recommendations": [
            {"rank": n, "symbol": s, "score": "50", "scores": scores, **coin}
            for n, s in enumerate(symbols, start=1)
        ],
        "support_levels": {
            symbol: {
                "symbol": symbol,
                "price": "101000000",
                "levels": {
                    name: {"horizon_days": horizons[name], "price": price}
                    for name, price in levels.items()
                },
            }
            for symbol in symbols
        },
    }
    return parse_bundle(json.dumps(body))


def proposed(
    answer: BundleAnswer, *, warning: bool = False, **options: Any
) -> Proposal:
    values: dict[str, Any] = {
        "budget": Decimal(1_000_000),
        "level": Level.AGGRESSIVE,
        **options,
    }
    return planning.propose(
        adapter=QuietExchange(warning=warning),
        options=BotOptions(market="KRW-BTC", **values),
        market="KRW-BTC",
        bundle=answer,
        seed=b"seed",
    )


class TestWhichLevel:
    def test_the_wanted_one_when_it_lies_below_the_price(self) -> None:
        proposal = proposed(bundle(aggressive="96000000", moderate="90000000"))

        assert (proposal.level, proposal.support) == (Level.AGGRESSIVE, 96_000_000)

    @pytest.mark.parametrize("shallow", ["102000000", "100990000", None])
    def test_the_next_deeper_one_when_it_leaves_no_room(
        self, shallow: str | None
    ) -> None:
        proposal = proposed(bundle(aggressive=shallow, moderate="90000000"))

        assert (proposal.level, proposal.support) == (Level.MODERATE, 90_000_000)

    def test_never_a_shallower_one_than_asked_for(self) -> None:
        with pytest.raises(NoProposal) as problem:
            proposed(bundle(aggressive="96000000"), level=Level.MODERATE)

        assert (problem.value.why, problem.value.field) == (Why.NO_SUPPORT, "market")


class TestRefusals:
    def test_a_budget_below_one_stage_names_the_minimum(self) -> None:
        with pytest.raises(NoProposal) as problem:
            proposed(bundle(aggressive="96000000"), budget=Decimal(5_000))

        assert (problem.value.why, problem.value.field) == (Why.MIN_ORDER, "budget")
        assert "원" in str(problem.value)

    def test_a_warned_market(self) -> None:
        with pytest.raises(NoProposal) as problem:
            proposed(bundle(aggressive="96000000"), warning=True)

        assert problem.value.why is Why.MARKET_WARNING

    def test_nonsense_keeps_its_own_code_and_field(self) -> None:
        with pytest.raises(NoProposal) as problem:
            proposed(bundle(aggressive="96000000"), multiplier=Decimal(3))

        assert problem.value.field == "multiplier"

    def test_an_unknown_market(self) -> None:
        with pytest.raises(NoProposal) as problem:
            planning.propose(
                adapter=QuietExchange(),
                options=BotOptions(market="KRW-NONE", budget=Decimal(100_000)),
                market="KRW-NONE",
                bundle=bundle(aggressive="96000000"),
                seed=b"seed",
            )

        assert (problem.value.code, problem.value.field) == ("UNKNOWN_MARKET", "market")


class TestAutoSelect:
    def best(self, answer: BundleAnswer, *, held: set[str]) -> Proposal:
        return planning.propose_best(
            adapter=QuietExchange(),
            options=BotOptions(budget=Decimal(1_000_000), level=Level.AGGRESSIVE),
            bundle=answer,
            seed=b"seed",
            held=held,
        )

    def test_the_best_ranked_coin_that_allows_a_plan(self) -> None:
        answer = bundle(symbols=("KRW-GONE", "KRW-BTC"), aggressive="96000000")

        assert self.best(answer, held=set()).state.market == "KRW-BTC"

    def test_never_a_coin_that_is_held(self) -> None:
        answer = bundle(aggressive="96000000")

        with pytest.raises(NoProposal) as problem:
            self.best(answer, held={"KRW-BTC"})

        assert problem.value.why is Why.NO_COIN


def test_the_frozen_plan_gives_its_stages_back() -> None:
    proposal = proposed(bundle(aggressive="96000000"))

    stages = frozen_plan.planned_stages(json.loads(json.dumps(proposal.frozen())))

    assert [(s.stage, s.price, s.amount) for s in stages] == [
        (s.stage, s.price, s.amount) for s in proposal.plan.stages
    ]
