"""The crash brake, the account's caps, and decisions kept to be made again."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.money import MarketRules
from tests.unit.test_decide import FIRST_FILLED, HOLDING, RESTING_2, RULES, RUNNING
from user_project.trading.brake import HOLD, BrakeState, Sample, assess
from user_project.trading.caps import Caps, OpenRound, exceeded_cap
from user_project.trading.decide import decide
from user_project.trading.facts import ExitReason, PlannedStage, Why
from user_project.trading.lifecycle import BotState, CycleState
from user_project.trading.orders import PriceQuote
from user_project.trading.record import UnreadableRecord, dump, load, written

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)


def minutes(market: str, *prices: int, ago: int = 0) -> list[Sample]:
    """One price a minute, the last one *ago* minutes before now."""
    last = len(prices) - 1
    return [
        Sample(
            market=market,
            at=NOW - timedelta(minutes=ago + last - number),
            price=Decimal(price),
        )
        for number, price in enumerate(prices)
    ]


class TestBrake:
    @pytest.mark.parametrize(("price", "brakes"), [(970, True), (971, False)])
    def test_the_leading_coin_brakes_at_three_per_cent(
        self, price: int, brakes: bool
    ) -> None:
        state = assess(samples=minutes("KRW-BTC", 1000, 990, price), now=NOW)
        assert (state.until == NOW + HOLD) is brakes
        assert bool(state.reason) is brakes

    def test_a_slow_fall_does_not(self) -> None:
        slow = minutes("KRW-BTC", *range(1000, 970, -1))
        assert assess(samples=slow, now=NOW) == BrakeState()

    def test_it_holds_for_half_an_hour_and_no_longer(self) -> None:
        for ago, brakes in ((29, True), (30, False)):
            fell = minutes("KRW-BTC", 1000, 960, ago=ago)
            assert bool(assess(samples=fell, now=NOW).until) is brakes

    def test_most_coins_falling_together_brake(self) -> None:
        four = [s for m in "ABCD" for s in minutes(f"KRW-{m}", 100, 96)]
        calm = minutes("KRW-E", 100, 100)
        fifth = minutes("KRW-E", 100, 96)
        assert assess(samples=four, now=NOW) == BrakeState()
        assert assess(samples=[*four, *calm], now=NOW) == BrakeState()
        assert assess(samples=[*four, *fifth], now=NOW).until == NOW + HOLD

    def test_no_samples_brake_nothing(self) -> None:
        assert assess(samples=[], now=NOW) == BrakeState()


class TestCaps:
    RUNNING = (
        OpenRound(market="KRW-BTC", budget=Decimal(600)),
        OpenRound(market="KRW-ETH", budget=Decimal(300)),
    )

    @pytest.mark.parametrize(
        ("caps", "expected"),
        [
            (Caps(), Why.NOTHING),
            (Caps(cycles=2), Why.CAP_CYCLES),
            (Caps(cycles=3), Why.NOTHING),
            (Caps(budget=Decimal(999)), Why.CAP_ACCOUNT),
            (Caps(budget=Decimal(1000)), Why.NOTHING),
            (Caps(coin=Decimal(699)), Why.CAP_COIN),
            (Caps(coin=Decimal(700)), Why.NOTHING),
        ],
    )
    def test_a_new_round_keeps_within_each(self, caps: Caps, expected: Why) -> None:
        why = exceeded_cap(
            caps=caps, running=self.RUNNING, market="KRW-BTC", amount=Decimal(100)
        )
        assert why is expected

    def test_more_money_for_a_round_is_no_new_round(self) -> None:
        why = exceeded_cap(
            caps=Caps(cycles=2, coin=Decimal(10)),
            running=self.RUNNING,
            market="KRW-XRP",
            amount=Decimal(10),
            is_new=False,
        )
        assert why is Why.NOTHING


SHARES = st.none() | st.decimals("0.001", "0.5", places=4)
AMOUNTS = st.decimals("0.00000001", "100000", places=8)


@st.composite
def situations(draw: Any) -> dict[str, Any]:
    bot = replace(
        RUNNING,
        state=draw(st.sampled_from(sorted(BotState))),
        blocked=draw(st.sampled_from([Why.NOTHING, Why.KILL_SWITCH, Why.LIVE_OFF])),
        resting_stages=draw(st.integers(0, 5)),
        trailing=draw(SHARES),
        stop_below_last=draw(SHARES),
        break_even_after=draw(SHARES),
        max_hold=draw(
            st.none() | st.timedeltas(timedelta(hours=1), timedelta(days=366))
        ),
        cycles_left=draw(st.none() | st.integers(0, 3)),
        braked=draw(st.booleans()),
    )
    volume = draw(AMOUNTS)
    cycle = replace(
        HOLDING,
        state=draw(st.sampled_from([CycleState.OPEN, CycleState.CLOSING])),
        volume=volume,
        cost=volume * draw(st.integers(2000, 5000)),
        received=draw(st.just(Decimal(0)) | AMOUNTS),
        peak=draw(st.none() | st.decimals("3000", "5000", places=0)),
        exit_reason=draw(st.none() | st.sampled_from(sorted(ExitReason))),
        skipped=draw(st.frozensets(st.integers(2, 4))),
        opened_at=NOW - timedelta(days=draw(st.integers(0, 70))),
        manual_buys=(
            PlannedStage(stage=101, price=Decimal(3500), amount=Decimal(9_000)),
        ),
    )
    price = draw(st.integers(1500, 5000))
    return {
        "bot": bot,
        "cycle": draw(st.none() | st.just(cycle)),
        "orders": draw(
            st.sampled_from([(), (FIRST_FILLED,), (FIRST_FILLED, RESTING_2)])
        ),
        "price": PriceQuote(
            market="KRW-XRP",
            price=Decimal(price),
            received_at=NOW - timedelta(seconds=1),
        ),
        "rules": RULES,
        "now": NOW,
    }


class TestRecord:
    @settings(max_examples=1500, deadline=None, derandomize=True)
    @given(situations())
    def test_a_stored_decision_is_made_again_to_the_byte(
        self, facts: dict[str, Any]
    ) -> None:
        stored = json.loads(json.dumps(dump(**facts)))
        again = load(stored)
        assert again == facts
        assert written(decide(**again)) == written(decide(**facts))

    def test_another_version_or_damage_is_said(self) -> None:
        stored = dump(
            bot=RUNNING,
            cycle=None,
            orders=(),
            price=None,
            rules=MarketRules(market="KRW-XRP"),
            now=NOW,
        )
        with pytest.raises(UnreadableRecord, match="rules version 1"):
            load({**stored, "rules_version": "1"})
        with pytest.raises(UnreadableRecord, match="damaged"):
            load({**stored, "facts": {"bot": {}}})
