"""The decision: one table of rules, no database, no clock."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from common.money import MarketRules, truncate_volume
from user_project.trading.backoff import FIRST_BACKOFF
from user_project.trading.decide import BUSY_TICK, IDLE_TICK, decide
from user_project.trading.facts import (
    AbortCycle,
    BotFacts,
    Cancel,
    CloseCycle,
    CycleFacts,
    Decision,
    FinishBot,
    OrderFacts,
    Place,
    PlannedStage,
    StartCycle,
    Why,
)
from user_project.trading.lifecycle import BotState, CycleState, OrderState
from user_project.trading.orders import OrderKind, PriceQuote, Side

NOW = datetime(2026, 11, 23, 9, tzinfo=UTC)
RULES = MarketRules(market="KRW-XRP")
RUNNING = BotFacts(state=BotState.RUNNING, stage_cooldown=timedelta(seconds=60))
STAGES = tuple(
    PlannedStage(stage=number, price=Decimal(price), amount=Decimal(10_000))
    for number, price in ((1, 3500), (2, 3400), (3, 3300), (4, 3200))
)
EMPTY = CycleFacts(
    state=CycleState.PLANNED,
    stages=STAGES,
    take_profit=Decimal("0.015"),
    volume=Decimal(0),
    cost=Decimal(0),
    received=Decimal(0),
    last_buy_at=None,
)
HOLDING = replace(
    EMPTY,
    state=CycleState.OPEN,
    volume=Decimal("2.85714285"),
    cost=Decimal(10_005),
    last_buy_at=NOW - timedelta(minutes=5),
)
SOLD = replace(HOLDING, volume=Decimal(0), cost=Decimal(0), received=Decimal(10_155))


def order(
    stage: int,
    side: Side,
    state: OrderState,
    *,
    attempt: int = 1,
    price: int | None = None,
    volume: str = "2.85714285",
    executed: str = "0",
    closed_at: datetime | None = None,
    verdict: str = "",
) -> OrderFacts:
    return OrderFacts(
        id=f"{stage}-{side}-{attempt}",
        stage=stage,
        side=side,
        state=state,
        attempt=attempt,
        price=None if price is None else Decimal(price),
        requested_volume=Decimal(volume),
        executed_volume=Decimal(executed),
        executed_funds=Decimal(executed) * (price or 3500),
        closed_at=closed_at,
        verdict=verdict,
    )


FIRST_FILLED = order(1, Side.BID, OrderState.FILLED, executed="2.85714285")
RESTING_2 = order(2, Side.BID, OrderState.OPEN, price=3400)
RESTING_3 = order(3, Side.BID, OrderState.OPEN, price=3300)
RESTING_EXIT = order(0, Side.ASK, OrderState.OPEN, price=3557)


def decided(
    *,
    bot: BotFacts = RUNNING,
    cycle: CycleFacts | None = HOLDING,
    orders: tuple[OrderFacts, ...] = (),
    price: int = 3500,
    age: timedelta = timedelta(seconds=1),
    rules: MarketRules = RULES,
) -> Decision:
    quote = PriceQuote(market="KRW-XRP", price=Decimal(price), received_at=NOW - age)
    return decide(
        bot=bot, cycle=cycle, orders=orders, price=quote, rules=rules, now=NOW
    )


def places(decision: Decision) -> list[tuple[int, Side, OrderKind, Decimal | None]]:
    return [
        (action.stage, action.side, action.kind, action.price)
        for action in decision.actions
        if isinstance(action, Place)
    ]


class TestWithoutCycle:
    def test_a_running_bot_starts_one(self) -> None:
        assert decided(cycle=None).actions == (StartCycle(),)

    def test_the_cool_down_is_waited_for(self) -> None:
        later = NOW + timedelta(hours=1)

        decision = decided(cycle=None, bot=replace(RUNNING, next_cycle_at=later))

        assert decision == Decision(reason=Why.COOLDOWN, next_tick_at=later)

    def test_a_blocked_account_starts_nothing(self) -> None:
        decision = decided(cycle=None, bot=replace(RUNNING, blocked=Why.QUARANTINED))

        assert (decision.actions, decision.reason) == ((), Why.QUARANTINED)

    def test_a_finishing_bot_ends(self) -> None:
        bot = replace(RUNNING, state=BotState.FINISHING)

        assert decided(cycle=None, bot=bot).actions == (FinishBot(),)

    @pytest.mark.parametrize(
        "state", [BotState.DRAFT, BotState.PAUSED, BotState.STOPPED, BotState.HALTED]
    )
    def test_other_states_do_nothing(self, state: BotState) -> None:
        decision = decided(cycle=None, bot=replace(RUNNING, state=state))

        assert decision.actions == ()
        assert decision.reason.value == state.name


class TestFirstBuy:
    def test_it_is_a_market_buy_of_the_first_amount(self) -> None:
        decision = decided(cycle=EMPTY)

        assert decision.actions == (
            Place(
                stage=1,
                side=Side.BID,
                kind=OrderKind.MARKET,
                attempt=1,
                funds=Decimal(10_000),
            ),
        )

    def test_an_old_price_forbids_it(self) -> None:
        decision = decided(cycle=EMPTY, age=timedelta(seconds=6))

        assert (decision.actions, decision.reason) == ((), Why.STALE_PRICE)

    def test_a_price_that_ran_away_makes_the_plan_anew(self) -> None:
        decision = decided(cycle=EMPTY, price=3600)

        assert decision.actions == (AbortCycle(reason=Why.PRICE_MOVED),)

    @pytest.mark.parametrize(
        "state", [OrderState.POSTING, OrderState.UNKNOWN, OrderState.ABANDONED_WATCH]
    )
    def test_an_order_in_doubt_is_never_sent_twice(self, state: OrderState) -> None:
        decision = decided(cycle=EMPTY, orders=(order(1, Side.BID, state),))

        assert (decision.actions, decision.reason) == ((), Why.ORDER_PENDING)

    def test_a_market_order_is_followed_closely(self) -> None:
        decision = decided(cycle=EMPTY, orders=(order(1, Side.BID, OrderState.OPEN),))

        assert decision.next_tick_at == NOW + BUSY_TICK

    def test_missing_funds_end_the_round_and_say_so(self) -> None:
        refused = order(
            1, Side.BID, OrderState.REFUSED, verdict="insufficient_funds_bid: x"
        )

        decision = decided(cycle=EMPTY, orders=(refused,))

        assert decision.actions == (AbortCycle(reason=Why.WAIT_FUNDS),)

    def test_a_burned_identifier_opens_the_next_attempt(self) -> None:
        decision = decided(cycle=EMPTY, orders=(order(1, Side.BID, OrderState.BURNED),))

        (place,) = decision.actions
        assert isinstance(place, Place)
        assert place.attempt == 2


class TestHolding:
    def test_the_exit_and_the_next_two_stages_rest(self) -> None:
        decision = decided(orders=(FIRST_FILLED,))

        assert places(decision) == [
            (0, Side.ASK, OrderKind.LIMIT, Decimal(3557)),
            (2, Side.BID, OrderKind.LIMIT, Decimal(3400)),
            (3, Side.BID, OrderKind.LIMIT, Decimal(3300)),
        ]

    def test_the_exit_covers_the_whole_position_and_nets_the_wanted_profit(
        self,
    ) -> None:
        decision = decided(orders=(FIRST_FILLED,))

        exit_ = decision.actions[0]
        assert isinstance(exit_, Place)
        assert exit_.volume == HOLDING.volume
        net = exit_.price * exit_.volume * (1 - RULES.ask_fee)  # type: ignore[operator]
        assert net >= HOLDING.cost * (1 + HOLDING.take_profit)

    def test_nothing_is_sent_twice(self) -> None:
        decision = decided(orders=(FIRST_FILLED, RESTING_2, RESTING_3, RESTING_EXIT))

        assert (decision.actions, decision.reason) == ((), Why.WAIT_PRICE)
        assert (decision.wake_below, decision.wake_above) == (3400, 3557)

    def test_a_filled_stage_moves_the_window_and_replaces_the_exit(self) -> None:
        deeper = replace(HOLDING, volume=Decimal("5.8"), cost=Decimal(20_010))
        second = replace(RESTING_2, state=OrderState.FILLED)

        decision = decided(
            cycle=deeper, orders=(FIRST_FILLED, second, RESTING_3, RESTING_EXIT)
        )

        assert Cancel(order_id=RESTING_EXIT.id) in decision.actions
        assert places(decision) == [(4, Side.BID, OrderKind.LIMIT, Decimal(3200))]

    def test_a_partly_filled_exit_is_left_alone(self) -> None:
        rest = Decimal("1.85714285")
        partly = replace(RESTING_EXIT, executed_volume=Decimal(1), price=Decimal(3558))
        cycle = replace(
            HOLDING,
            volume=rest,
            cost=HOLDING.cost * rest / HOLDING.volume,
            received=Decimal(3_550),
        )

        decision = decided(
            cycle=cycle, orders=(FIRST_FILLED, RESTING_2, RESTING_3, partly)
        )

        assert decision.actions == ()

    def test_a_jump_over_several_stages_buys_one_per_cool_down(self) -> None:
        decision = decided(orders=(FIRST_FILLED, RESTING_EXIT), price=3100)

        assert places(decision) == [(2, Side.BID, OrderKind.LIMIT, Decimal(3400))]
        assert decision.reason is Why.STAGE_COOLDOWN

    def test_just_after_a_buy_a_crossed_stage_waits(self) -> None:
        recent = replace(HOLDING, last_buy_at=NOW - timedelta(seconds=10))

        decision = decided(
            cycle=recent, orders=(FIRST_FILLED, RESTING_EXIT), price=3100
        )

        assert (decision.actions, decision.reason) == ((), Why.STAGE_COOLDOWN)

    def test_after_a_partly_filled_cancel_only_the_rest_is_ordered(self) -> None:
        partly = order(2, Side.BID, OrderState.CANCELLED, price=3400, executed="1")

        decision = decided(orders=(FIRST_FILLED, partly, RESTING_3, RESTING_EXIT))

        (place,) = decision.actions
        assert isinstance(place, Place)
        assert place.volume == Decimal("1.94117647")  # (10,000 - 3,400) / 3,400
        assert place.attempt == 2

    def test_a_refused_stage_backs_off_twice_as_long_each_time(self) -> None:
        refusals = tuple(
            order(
                2,
                Side.BID,
                OrderState.REFUSED,
                attempt=number,
                price=3400,
                closed_at=NOW - timedelta(seconds=90),
                verdict="insufficient_funds_bid: x",
            )
            for number in (1, 2)
        )

        decision = decided(orders=(FIRST_FILLED, *refusals, RESTING_3, RESTING_EXIT))

        assert (decision.actions, decision.reason) == ((), Why.WAIT_FUNDS)
        once = decided(orders=(FIRST_FILLED, refusals[0], RESTING_3, RESTING_EXIT))
        assert timedelta(seconds=90) > FIRST_BACKOFF
        assert places(once) == [(2, Side.BID, OrderKind.LIMIT, Decimal(3400))]

    def test_refusals_before_an_accepted_order_no_longer_count(self) -> None:
        def attempt(number: int, state: OrderState) -> OrderFacts:
            ended = NOW - timedelta(seconds=90)
            return order(
                2, Side.BID, state, attempt=number, price=3400, closed_at=ended
            )

        history = (
            attempt(1, OrderState.REFUSED),
            attempt(2, OrderState.REFUSED),
            attempt(3, OrderState.CANCELLED),
            attempt(4, OrderState.REFUSED),
        )

        decision = decided(orders=(FIRST_FILLED, *history, RESTING_3, RESTING_EXIT))

        assert places(decision) == [(2, Side.BID, OrderKind.LIMIT, Decimal(3400))]

    def test_a_crossed_buy_that_is_not_booked_yet_counts_for_the_cool_down(
        self,
    ) -> None:
        decision = decided(orders=(FIRST_FILLED, RESTING_2, RESTING_EXIT), price=3100)

        assert (decision.actions, decision.reason) == ((), Why.STAGE_COOLDOWN)

    @pytest.mark.parametrize("state", [OrderState.REFUSED, OrderState.BURNED])
    def test_an_exit_that_was_refused_waits_before_the_next(
        self, state: OrderState
    ) -> None:
        just_now = NOW - timedelta(seconds=5)
        refused = replace(RESTING_EXIT, state=state, closed_at=just_now)
        orders = (FIRST_FILLED, RESTING_2, RESTING_3)

        too_soon = decided(orders=(*orders, refused))
        later = replace(refused, closed_at=NOW - timedelta(seconds=61))

        assert too_soon.actions == ()
        assert places(decided(orders=(*orders, later)))[0][:2] == (0, Side.ASK)

    def test_a_blocked_account_keeps_an_exit_that_it_could_not_replace(self) -> None:
        deeper = replace(HOLDING, volume=Decimal("5.8"), cost=Decimal(20_010))
        blocked = replace(RUNNING, blocked=Why.QUARANTINED)

        decision = decided(
            bot=blocked, cycle=deeper, orders=(FIRST_FILLED, RESTING_3, RESTING_EXIT)
        )

        assert decision.actions == ()

    def test_when_all_stages_are_bought_only_the_exit_is_awaited(self) -> None:
        filled = tuple(order(n, Side.BID, OrderState.FILLED) for n in (1, 2, 3, 4))

        decision = decided(orders=(*filled, RESTING_EXIT))

        assert (decision.actions, decision.reason) == ((), Why.ALL_STAGES)


class TestMarketThatChanges:
    """The exchange gives a market another grid, or takes it off for a while."""

    COARSE = replace(
        RULES, ticks=RULES.ticks.corrected(price=Decimal(3400), tick=Decimal(50))
    )

    def test_new_orders_keep_to_the_new_grid(self) -> None:
        stage = replace(HOLDING.stages[1], price=Decimal(3449))
        cycle = replace(HOLDING, stages=(HOLDING.stages[0], stage))

        decision = decided(cycle=cycle, orders=(FIRST_FILLED,), rules=self.COARSE)

        exit_, buy = decision.actions
        assert isinstance(exit_, Place)
        assert isinstance(buy, Place)
        assert (exit_.price, buy.price) == (3600, 3400)
        assert buy.volume == truncate_volume(stage.amount / 3400)

    def test_orders_off_the_new_grid_keep_resting(self) -> None:
        resting_2 = replace(RESTING_2, price=Decimal(3399))
        orders = (FIRST_FILLED, resting_2, RESTING_3, RESTING_EXIT)

        decision = decided(orders=orders, rules=self.COARSE)

        assert decision.actions == ()
        assert (decision.wake_below, decision.wake_above) == (3399, 3557)

    def test_an_exit_further_off_than_one_new_tick_is_replaced(self) -> None:
        far = replace(RESTING_EXIT, price=Decimal(3549))
        orders = (FIRST_FILLED, RESTING_2, RESTING_3, far)

        decision = decided(orders=orders, rules=self.COARSE)

        assert decision.actions == (Cancel(order_id=far.id),)

    def test_nothing_new_is_sent_while_the_market_takes_no_orders(self) -> None:
        offline = replace(RULES, is_active=False)

        decision = decided(orders=(FIRST_FILLED,), rules=offline)

        assert (decision.actions, decision.reason) == ((), Why.MARKET_OFFLINE)

    def test_a_refusal_in_maintenance_says_so(self) -> None:
        refused = order(
            1, Side.BID, OrderState.REFUSED, verdict="market_offline: maintenance"
        )

        decision = decided(cycle=EMPTY, orders=(refused,))

        assert decision.actions == (AbortCycle(reason=Why.MARKET_OFFLINE),)


class TestPauseAndStop:
    def test_a_pause_withdraws_the_buys_and_keeps_the_exit(self) -> None:
        decision = decided(
            bot=replace(RUNNING, state=BotState.PAUSED),
            orders=(FIRST_FILLED, RESTING_2, RESTING_EXIT),
        )

        assert decision.actions == (Cancel(order_id=RESTING_2.id),)

    def test_a_pause_still_places_the_exit(self) -> None:
        decision = decided(
            bot=replace(RUNNING, state=BotState.PAUSED), orders=(FIRST_FILLED,)
        )

        assert places(decision) == [(0, Side.ASK, OrderKind.LIMIT, Decimal(3557))]

    def test_a_stop_withdraws_everything_and_keeps_the_coins(self) -> None:
        bot = replace(RUNNING, state=BotState.STOPPED)

        first = decided(bot=bot, orders=(FIRST_FILLED, RESTING_2, RESTING_EXIT))
        then = decided(bot=bot, orders=(FIRST_FILLED,))

        assert set(first.actions) == {
            Cancel(order_id=RESTING_2.id),
            Cancel(order_id=RESTING_EXIT.id),
        }
        assert (then.actions, then.next_tick_at) == ((), None)

    def test_a_watched_order_is_no_reason_to_look_every_second(self) -> None:
        bot = replace(RUNNING, state=BotState.STOPPED)
        watched = order(2, Side.BID, OrderState.ABANDONED_WATCH, price=3400)

        decision = decided(bot=bot, orders=(FIRST_FILLED, watched))

        assert (decision.actions, decision.next_tick_at) == ((), NOW + IDLE_TICK)

    def test_a_stop_before_anything_was_bought_ends_the_round(self) -> None:
        decision = decided(bot=replace(RUNNING, state=BotState.STOPPED), cycle=EMPTY)

        assert decision.actions == (AbortCycle(reason=Why.STOPPED),)

    def test_a_halted_bot_touches_nothing(self) -> None:
        decision = decided(
            bot=replace(RUNNING, state=BotState.HALTED), orders=(FIRST_FILLED,)
        )

        assert decision.actions == ()


class TestAfterTheExit:
    def test_resting_buys_are_withdrawn_before_the_round_closes(self) -> None:
        exit_ = replace(RESTING_EXIT, state=OrderState.FILLED)

        first = decided(cycle=SOLD, orders=(FIRST_FILLED, RESTING_2, exit_))
        then = decided(cycle=SOLD, orders=(FIRST_FILLED, exit_))

        assert first.actions == (Cancel(order_id=RESTING_2.id),)
        assert then.actions == (CloseCycle(),)

    def test_a_buy_that_slipped_in_gets_an_exit_of_its_own(self) -> None:
        exit_ = replace(RESTING_EXIT, state=OrderState.FILLED)
        slipped = replace(SOLD, volume=Decimal("2.9"), cost=Decimal(10_005))
        second = replace(RESTING_2, state=OrderState.FILLED)

        decision = decided(cycle=slipped, orders=(FIRST_FILLED, second, exit_))

        assert places(decision)[0][:3] == (0, Side.ASK, OrderKind.LIMIT)
        assert decision.actions[0].attempt == 2  # type: ignore[union-attr]

    def test_dust_too_small_to_sell_does_not_keep_the_round_open(self) -> None:
        dust = replace(SOLD, volume=Decimal("0.1"), cost=Decimal(350))

        decision = decided(cycle=dust, orders=(FIRST_FILLED,))

        assert decision.actions == (CloseCycle(),)

    def test_a_small_rest_still_on_sale_is_waited_for(self) -> None:
        rest = replace(SOLD, volume=Decimal("0.1"), cost=Decimal(350))
        on_sale = replace(RESTING_EXIT, executed_volume=Decimal("2.75714285"))

        decision = decided(
            cycle=rest, orders=(FIRST_FILLED, RESTING_2, RESTING_3, on_sale)
        )

        assert CloseCycle() not in decision.actions
        assert Cancel(order_id=on_sale.id) not in decision.actions
