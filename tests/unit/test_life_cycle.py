"""What a round does beyond buying and taking profit: stops, exits, brakes, wishes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.unit.test_decide import (
    FIRST_FILLED,
    HOLDING,
    NOW,
    RESTING_2,
    RESTING_3,
    RESTING_EXIT,
    RULES,
    RUNNING,
    SOLD,
    decided,
    order,
    places,
)
from user_project.trading.facts import (
    AlertHeld,
    Cancel,
    CloseCycle,
    Exit,
    ExitReason,
    FinishBot,
    Freeze,
    PlannedStage,
    StartCycle,
    Thaw,
    Track,
    Why,
)
from user_project.trading.lifecycle import BotState, CycleState, OrderState
from user_project.trading.orders import OrderKind, Side

RESTING = (FIRST_FILLED, RESTING_2, RESTING_3, RESTING_EXIT)
LIVE = tuple(o for o in RESTING if o is not FIRST_FILLED)
BREAK_EVEN, TAKE_PROFIT = 3504, 3557
"""Of 2.85714285 coins that cost 10,005 won, with fees of 0.05 %."""
STOP = replace(RUNNING, stop_below_last=Decimal("0.05"))
TRAILING = replace(RUNNING, trailing=Decimal("0.01"))
PROTECTED = replace(RUNNING, break_even_after=Decimal("0.01"))
MARKET_EXIT = (0, Side.ASK, OrderKind.MARKET, None)


def closing(**changes: Any) -> Any:
    values = {"state": CycleState.CLOSING, "exit_reason": ExitReason.STOP_LOSS}
    return replace(HOLDING, **{**values, **changes})


class TestStopLoss:
    @pytest.mark.parametrize("price", [3040, 2000])
    def test_sells_at_or_below_its_price(self, price: int) -> None:
        decision = decided(bot=STOP, orders=RESTING, price=price)
        assert decision.actions == (Exit(reason=ExitReason.STOP_LOSS),)
        assert decision.reason is Why.EXITING

    def test_holds_above_it_and_is_woken_by_it(self) -> None:
        bare = (FIRST_FILLED,)
        decision = decided(bot=replace(STOP, resting_stages=0), orders=bare, price=3041)
        assert not any(isinstance(action, Exit) for action in decision.actions)
        paused = replace(STOP, state=BotState.PAUSED)
        assert decided(bot=paused, orders=bare).wake_below == Decimal("3040")

    def test_a_skipped_last_stage_lifts_the_stop(self) -> None:
        cycle = replace(HOLDING, skipped=frozenset({4}))
        decision = decided(bot=STOP, cycle=cycle, orders=RESTING, price=3135)
        assert decision.actions == (Exit(reason=ExitReason.STOP_LOSS),)

    def test_an_old_price_stops_nothing(self) -> None:
        old = timedelta(seconds=6)
        decision = decided(bot=STOP, orders=RESTING, price=2000, age=old)
        assert decision.actions == ()


class TestTrailing:
    def test_nothing_rests_and_the_peak_is_followed_from_the_take_profit_on(
        self,
    ) -> None:
        below = decided(bot=TRAILING, orders=(FIRST_FILLED, RESTING_EXIT), price=3556)
        assert Cancel(order_id=RESTING_EXIT.id) in below.actions
        assert below.wake_above is not None
        reached = decided(bot=TRAILING, orders=(FIRST_FILLED,), price=TAKE_PROFIT)
        assert Track(peak=Decimal(TAKE_PROFIT)) in reached.actions
        assert (0, Side.ASK, OrderKind.LIMIT, Decimal(TAKE_PROFIT)) not in places(
            reached
        )

    def test_a_fall_from_the_peak_sells(self) -> None:
        cycle = replace(HOLDING, peak=Decimal(4000))
        assert decided(bot=TRAILING, cycle=cycle, price=3960).actions == (
            Exit(reason=ExitReason.TRAILING),
        )
        held = decided(bot=TRAILING, cycle=cycle, price=3961)
        assert not any(isinstance(action, Exit) for action in held.actions)

    def test_it_never_sells_below_break_even(self) -> None:
        cycle = replace(HOLDING, peak=Decimal(TAKE_PROFIT))
        at = decided(bot=TRAILING, cycle=cycle, price=BREAK_EVEN)
        assert at.actions == (Exit(reason=ExitReason.TRAILING),)
        under = decided(bot=TRAILING, cycle=cycle, price=BREAK_EVEN - 1)
        assert not any(isinstance(action, Exit) for action in under.actions)

    def test_a_lower_price_never_lowers_the_peak(self) -> None:
        cycle = replace(HOLDING, peak=Decimal(4000))
        decision = decided(bot=TRAILING, cycle=cycle, price=3990)
        assert not any(isinstance(action, Track) for action in decision.actions)
        assert decision.wake_above == Decimal(4001)


class TestBreakEven:
    def test_it_arms_above_and_sells_at_break_even(self) -> None:
        armed = replace(HOLDING, peak=Decimal(3540))
        assert decided(bot=PROTECTED, cycle=armed, price=BREAK_EVEN).actions == (
            Exit(reason=ExitReason.BREAK_EVEN),
        )

    def test_unarmed_it_does_nothing(self) -> None:
        for cycle in (HOLDING, replace(HOLDING, peak=Decimal(3539))):
            decision = decided(bot=PROTECTED, cycle=cycle, price=BREAK_EVEN)
            assert not any(isinstance(action, Exit) for action in decision.actions)

    def test_the_take_profit_rests_meanwhile(self) -> None:
        decision = decided(bot=PROTECTED, orders=(FIRST_FILLED,))
        assert (0, Side.ASK, OrderKind.LIMIT, Decimal(TAKE_PROFIT)) in places(decision)


class TestHoldingTime:
    def test_the_round_is_sold_when_its_time_is_up(self) -> None:
        bot = replace(RUNNING, max_hold=timedelta(hours=10))
        young = replace(HOLDING, opened_at=NOW - timedelta(hours=9, minutes=59))
        old = replace(HOLDING, opened_at=NOW - timedelta(hours=10))
        assert decided(bot=bot, cycle=old, orders=RESTING).actions == (
            Exit(reason=ExitReason.MAX_HOLD),
        )
        waiting = decided(bot=bot, cycle=young, orders=RESTING)
        assert waiting.actions == ()
        assert waiting.next_tick_at == NOW + timedelta(seconds=30)

    @pytest.mark.parametrize(
        ("days", "alerts", "told"),
        [
            (13, 0, None),
            (14, 0, AlertHeld(days=14, count=1)),
            (29, 1, None),
            (30, 1, AlertHeld(days=30, count=2)),
            (61, 0, AlertHeld(days=60, count=3)),
            (400, 3, None),
        ],
    )
    def test_long_rounds_are_told_of_once(
        self, days: int, alerts: int, told: AlertHeld | None
    ) -> None:
        cycle = replace(
            HOLDING, opened_at=NOW - timedelta(days=days), held_alerts=alerts
        )
        alarms = [
            action
            for action in decided(cycle=cycle, orders=RESTING).actions
            if isinstance(action, AlertHeld)
        ]
        assert alarms == ([told] if told else [])


class TestLeaving:
    def test_an_open_round_is_marked_first(self) -> None:
        cycle = replace(HOLDING, exit_reason=ExitReason.OWNER)
        assert decided(cycle=cycle, orders=RESTING).actions == (
            Exit(reason=ExitReason.OWNER),
        )

    def test_everything_is_withdrawn_before_anything_is_sold(self) -> None:
        decision = decided(cycle=closing(), orders=RESTING)
        assert decision.actions == tuple(Cancel(order_id=o.id) for o in LIVE)
        assert places(decision) == []

    def test_an_order_in_doubt_is_waited_for(self) -> None:
        doubtful = order(2, Side.BID, OrderState.UNKNOWN, price=3400)
        assert decided(cycle=closing(), orders=(FIRST_FILLED, doubtful)).actions == ()

    @pytest.mark.parametrize(("side", "sells"), [(Side.BID, True), (Side.ASK, False)])
    def test_a_buy_that_was_given_up_holds_no_sale_back(
        self, side: Side, *, sells: bool
    ) -> None:
        stage = 2 if side is Side.BID else 0
        watched = order(stage, side, OrderState.ABANDONED_WATCH, price=3400)
        decision = decided(cycle=closing(), orders=(FIRST_FILLED, watched))
        assert (places(decision) == [MARKET_EXIT]) is sells

    def test_the_whole_volume_goes_to_the_market_once(self) -> None:
        decision = decided(cycle=closing(), orders=(FIRST_FILLED,), price=2000)
        assert places(decision) == [MARKET_EXIT]
        sent = order(0, Side.ASK, OrderState.OPEN, price=None)
        again = decided(cycle=closing(), orders=(FIRST_FILLED, sent), price=2000)
        assert again.actions == ()
        assert again.reason is Why.EXITING

    def test_a_rest_left_by_a_cut_off_sale_is_sold_again(self) -> None:
        cut = order(0, Side.ASK, OrderState.CANCELLED, executed="1", closed_at=NOW)
        rest = closing(
            volume=Decimal("1.85"), cost=Decimal(6_500), received=Decimal(3_400)
        )
        decision = decided(cycle=rest, orders=(FIRST_FILLED, cut), price=3400)
        assert [(p.attempt, p.volume) for p in decision.actions] == [  # type: ignore[union-attr]
            (2, Decimal("1.85"))
        ]

    def test_a_refused_sale_is_tried_again_later(self) -> None:
        refused = order(
            0, Side.ASK, OrderState.REFUSED, closed_at=NOW, verdict="market_offline"
        )
        decision = decided(cycle=closing(), orders=(FIRST_FILLED, refused))
        assert decision.actions == ()
        assert decision.next_tick_at == NOW + timedelta(seconds=60)

    def test_dust_is_said_and_not_asked_for_every_second(self) -> None:
        decision = decided(cycle=closing(), orders=(FIRST_FILLED,), price=1700)
        assert (decision.actions, decision.reason) == ((), Why.DUST)
        assert decision.next_tick_at == NOW + timedelta(minutes=5)

    def test_dust_left_after_a_sale_ends_the_round(self) -> None:
        rest = closing(volume=Decimal(1), cost=Decimal(6_000), received=Decimal(9_000))
        decision = decided(cycle=rest, orders=(FIRST_FILLED,), price=3000)
        assert decision.actions == (CloseCycle(),)

    def test_a_watched_buy_keeps_a_round_of_dust_open(self) -> None:
        watched = order(2, Side.BID, OrderState.ABANDONED_WATCH, price=2000)
        rest = closing(volume=Decimal(1), cost=Decimal(6_000), received=Decimal(9_000))
        decision = decided(cycle=rest, orders=(FIRST_FILLED, watched), price=3000)
        assert (decision.actions, decision.reason) == ((), Why.DUST)

    def test_nothing_bought_is_only_withdrawn(self) -> None:
        cycle = replace(
            HOLDING,
            state=CycleState.OPENING,
            volume=Decimal(0),
            cost=Decimal(0),
            exit_reason=ExitReason.OWNER,
        )
        pending = order(1, Side.BID, OrderState.OPEN)
        assert decided(cycle=cycle, orders=(pending,)).actions == (
            Cancel(order_id=pending.id),
        )

    @pytest.mark.parametrize(
        ("blocked", "reason", "sells"),
        [
            (Why.KILL_SWITCH, ExitReason.OWNER, True),
            (Why.KILL_SWITCH, ExitReason.EMERGENCY, True),
            (Why.KILL_SWITCH, ExitReason.STOP_LOSS, False),
            (Why.QUARANTINED, ExitReason.OWNER, False),
            (Why.LIVE_OFF, ExitReason.EMERGENCY, False),
        ],
    )
    def test_only_an_ordered_sale_passes_the_kill_switch(
        self, blocked: Why, reason: ExitReason, sells: bool
    ) -> None:
        decision = decided(
            bot=replace(RUNNING, blocked=blocked),
            cycle=closing(exit_reason=reason),
            orders=(FIRST_FILLED,),
        )
        assert (places(decision) == [MARKET_EXIT]) is sells
        assert sells or decision.reason is blocked

    def test_a_block_lets_no_stop_begin(self) -> None:
        bot = replace(STOP, blocked=Why.KILL_SWITCH)
        decision = decided(bot=bot, orders=RESTING, price=2000)
        assert (decision.actions, decision.reason) == ((), Why.KILL_SWITCH)


class TestDeficit:
    SHORT = replace(HOLDING, deficit=Decimal("0.5"))

    def test_missing_coins_freeze_the_round(self) -> None:
        decision = decided(cycle=self.SHORT, orders=RESTING)
        assert (decision.actions, decision.reason) == ((Freeze(),), Why.FROZEN)

    def test_a_frozen_round_does_nothing_until_they_are_back(self) -> None:
        frozen = replace(self.SHORT, state=CycleState.FROZEN)
        assert decided(cycle=frozen, orders=(FIRST_FILLED,)).actions == ()
        back = replace(frozen, deficit=Decimal(0))
        assert decided(cycle=back, orders=(FIRST_FILLED,)).actions == (Thaw(),)

    def test_a_frozen_round_that_sold_out_ends(self) -> None:
        frozen = replace(SOLD, state=CycleState.FROZEN)
        assert decided(cycle=frozen).actions == (Thaw(), CloseCycle())


class TestWishes:
    def test_a_skipped_stage_is_withdrawn_and_the_next_ones_rest(self) -> None:
        cycle = replace(HOLDING, skipped=frozenset({2}))
        decision = decided(cycle=cycle, orders=(FIRST_FILLED, RESTING_2, RESTING_EXIT))
        assert decision.actions[0] == Cancel(order_id=RESTING_2.id)
        assert [stage for stage, *_ in places(decision)] == [3, 4]

    def test_a_manual_buy_goes_to_the_market_once(self) -> None:
        asked = PlannedStage(stage=101, price=Decimal(3500), amount=Decimal(20_000))
        cycle = replace(HOLDING, manual_buys=(asked,))
        first = decided(cycle=cycle, orders=RESTING)
        assert (101, Side.BID, OrderKind.MARKET, None) in places(first)
        sent = order(101, Side.BID, OrderState.FILLED, executed="5")
        assert places(decided(cycle=cycle, orders=(*RESTING, sent))) == []

    @pytest.mark.parametrize("price", [3464, 3536])
    def test_a_manual_buy_keeps_near_the_price_it_was_asked_at(
        self, price: int
    ) -> None:
        asked = PlannedStage(stage=101, price=Decimal(3500), amount=Decimal(20_000))
        cycle = replace(HOLDING, manual_buys=(asked,))
        assert 101 not in [s for s, *_ in places(decided(cycle=cycle, price=price))]

    @pytest.mark.parametrize(("window", "stages"), [(0, []), (1, [2]), (3, [2, 3, 4])])
    def test_so_many_stages_rest(self, window: int, stages: list[int]) -> None:
        bot = replace(RUNNING, resting_stages=window)
        decision = decided(bot=bot, orders=(FIRST_FILLED, RESTING_EXIT))
        assert [stage for stage, *_ in places(decision)] == stages

    def test_a_stage_that_does_not_rest_is_sent_at_its_own_price(self) -> None:
        bot = replace(RUNNING, resting_stages=0)
        orders = (FIRST_FILLED, RESTING_EXIT)
        assert decided(bot=bot, orders=orders).wake_below == Decimal(3400)
        reached = decided(bot=bot, orders=orders, price=3390)
        assert places(reached) == [(2, Side.BID, OrderKind.LIMIT, Decimal(3400))]


class TestBounds:
    def test_a_brake_sends_no_stage_and_begins_no_round(self) -> None:
        bot = replace(RUNNING, braked=True)
        decision = decided(bot=bot, orders=(FIRST_FILLED, RESTING_EXIT))
        assert (decision.actions, decision.reason) == ((), Why.BRAKE)
        assert decided(bot=bot, cycle=None).reason is Why.BRAKE

    def test_a_brake_leaves_what_rests_and_the_exit(self) -> None:
        bot = replace(RUNNING, braked=True)
        assert decided(bot=bot, orders=RESTING).actions == ()
        sells = places(decided(bot=bot, orders=(FIRST_FILLED,)))
        assert sells == [(0, Side.ASK, OrderKind.LIMIT, Decimal(TAKE_PROFIT))]

    def test_the_first_buy_waits_for_its_time(self) -> None:
        later = NOW + timedelta(seconds=40)
        fresh = replace(
            HOLDING,
            state=CycleState.PLANNED,
            volume=Decimal(0),
            cost=Decimal(0),
            start_at=later,
        )
        decision = decided(cycle=fresh)
        assert (decision.actions, decision.reason) == ((), Why.START_DELAY)
        assert decided(cycle=replace(fresh, start_at=NOW)).reason is Why.ORDER_PENDING

    def test_the_last_round_ends_the_bot(self) -> None:
        done = decided(cycle=None, bot=replace(RUNNING, cycles_left=0))
        assert (done.actions, done.reason) == ((FinishBot(),), Why.MAX_CYCLES)
        one = decided(cycle=None, bot=replace(RUNNING, cycles_left=1))
        assert one.actions == (StartCycle(),)

    def test_five_crossed_stages_are_bought_one_by_one(self) -> None:
        bot = replace(RUNNING, resting_stages=5)
        plunge = decided(bot=bot, orders=(FIRST_FILLED, RESTING_EXIT), price=3000)
        assert [s for s, side, *_ in places(plunge) if side is Side.BID] == [2]
        assert plunge.reason is Why.STAGE_COOLDOWN

    def test_an_inactive_market_gets_no_order(self) -> None:
        offline = replace(RULES, is_active=False)
        decision = decided(orders=(FIRST_FILLED,), rules=offline)
        assert (decision.actions, decision.reason) == ((), Why.MARKET_OFFLINE)
