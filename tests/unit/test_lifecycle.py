"""States and triggers as full products: what is not written down is impossible."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import pytest

from user_project.trading import lifecycle
from user_project.trading.lifecycle import (
    ACTIVE_BOTS,
    BOT_TRANSITIONS,
    CYCLE_TRANSITIONS,
    LIVE_ORDERS,
    ORDER_TRANSITIONS,
    TERMINAL_CYCLES,
    TERMINAL_ORDERS,
    UNSETTLED_ORDERS,
    BotState,
    BotTrigger,
    CycleState,
    CycleTrigger,
    InvalidTransition,
    OrderState,
    OrderTrigger,
    next_state,
    terminal_states,
)

# One row per state, one column per trigger, a dot where nothing is possible.
BOTS = """
            start    pause   resume   finish     cycle_done  stop     halt
draft       running  .       .        .          .           stopped  .
running     .        paused  .        finishing  stopped     stopped  halted
paused      .        .       running  finishing  .           stopped  halted
finishing   .        paused  running  .          stopped     stopped  halted
stopped     running  .       .        finishing  .           .        .
halted      .        .       running  finishing  .           stopped  .
"""
CYCLES = """
            send     bought  exit     sold    freeze  thaw  abort    release
planned     opening  .       .        .       .       .     aborted  .
opening     .        open    .        .       .       .     aborted  .
open        .        .       closing  closed  frozen  .     .        closed
closing     .        .       .        closed  frozen  .     .        closed
frozen      .        .       .        .       .       open  .        closed
closed      .        .       .        .       .       .     .        .
aborted     .        .       .        .       .       .     .        .
"""
ORDERS = """
                 post     accept  doubt    refuse   fill    cancel      close      burn    abandon
intent           posting  .       .        .        .       .           cancelled  .       .
posting          .        open    unknown  refused  filled  .           cancelled  .       .
unknown          posting  open    .        .        filled  .           cancelled  burned  abandoned_watch
open             .        .       .        .        filled  cancelling  cancelled  .       .
cancelling       .        .       .        .        filled  .           cancelled  .       .
abandoned_watch  .        open    .        .        filled  .           cancelled  .       .
filled           .        .       .        .        .       .           .          .       .
cancelled        .        .       .        .        .       .           .          .       .
refused          .        .       .        .        .       .           .          .       .
burned           .        .       .        .        .       .           .          .       .
"""
TABLES = (
    (BOTS, BOT_TRANSITIONS, BotState, BotTrigger),
    (CYCLES, CYCLE_TRANSITIONS, CycleState, CycleTrigger),
    (ORDERS, ORDER_TRANSITIONS, OrderState, OrderTrigger),
)
Transitions = Mapping[tuple[Any, Any], Any]


def expected(grid: str) -> dict[tuple[str, str], str]:
    head, *rows = [line.split() for line in grid.strip().splitlines()]
    return {
        (state, trigger): target
        for state, *targets in rows
        for trigger, target in zip(head, targets, strict=True)
    }


def products() -> list[Any]:
    return [
        pytest.param(
            table,
            state,
            trigger,
            expected(grid)[state, trigger],
            id=f"{state}-{trigger}",
        )
        for grid, table, states, triggers in TABLES
        for state in states
        for trigger in triggers
    ]


def reachable(table: Transitions, start: StrEnum) -> set[StrEnum]:
    seen, new = {start}, {start}
    while new:
        new = {target for (state, _), target in table.items() if state in new} - seen
        seen |= new
    return seen


@pytest.mark.parametrize(("table", "state", "trigger", "target"), products())
def test_a_trigger_leads_where_the_table_says_or_is_refused(
    table: Transitions, state: StrEnum, trigger: StrEnum, target: str
) -> None:
    if target != ".":
        assert next_state(table, state, trigger) == target
        return

    with pytest.raises(
        InvalidTransition, match=f"{trigger} is not possible in {state}"
    ):
        next_state(table, state, trigger)


@pytest.mark.parametrize(("grid", "table", "states", "triggers"), TABLES)
def test_the_expected_grid_covers_the_full_product(
    grid: str, table: Transitions, states: type[StrEnum], triggers: type[StrEnum]
) -> None:
    assert set(expected(grid)) == {(s, t) for s in states for t in triggers}


@pytest.mark.parametrize(("grid", "table", "states", "triggers"), TABLES)
def test_every_state_can_be_reached_and_every_trigger_is_used(
    grid: str, table: Transitions, states: type[StrEnum], triggers: type[StrEnum]
) -> None:
    first = next(iter(states))

    assert reachable(table, first) == set(states)
    assert {trigger for _, trigger in table} == set(triggers)


class TestTerminalStates:
    def test_nothing_leaves_a_closed_cycle(self) -> None:
        assert {"closed", "aborted"} == TERMINAL_CYCLES

    def test_nothing_leaves_a_finished_order(self) -> None:
        assert {"filled", "cancelled", "refused", "burned"} == TERMINAL_ORDERS

    def test_a_bot_can_always_be_moved_on(self) -> None:
        assert terminal_states(BOT_TRANSITIONS) == frozenset()

    @pytest.mark.parametrize("state", OrderState)
    def test_every_order_can_still_come_to_an_end(self, state: OrderState) -> None:
        assert reachable(ORDER_TRANSITIONS, state) & TERMINAL_ORDERS

    @pytest.mark.parametrize("state", CycleState)
    def test_every_cycle_can_still_come_to_an_end(self, state: CycleState) -> None:
        assert reachable(CYCLE_TRANSITIONS, state) & TERMINAL_CYCLES


class TestOrders:
    @pytest.mark.parametrize("state", LIVE_ORDERS - {OrderState.INTENT})
    def test_a_fill_is_welcome_wherever_the_order_may_exist(
        self, state: OrderState
    ) -> None:
        filled = next_state(ORDER_TRANSITIONS, state, OrderTrigger.FILL)

        assert filled is OrderState.FILLED

    def test_only_a_definite_answer_refuses_an_order(self) -> None:
        before = {s for (s, t) in ORDER_TRANSITIONS if t is OrderTrigger.REFUSE}

        assert before == {OrderState.POSTING}

    def test_an_identifier_is_burned_only_after_doubt(self) -> None:
        before = {s for (s, t) in ORDER_TRANSITIONS if t is OrderTrigger.BURN}

        assert before == {OrderState.UNKNOWN}

    def test_unsettled_orders_are_live(self) -> None:
        assert UNSETTLED_ORDERS < LIVE_ORDERS
        assert LIVE_ORDERS.isdisjoint(TERMINAL_ORDERS)


class TestBots:
    def test_a_halted_or_stopped_bot_is_not_active(self) -> None:
        assert {"running", "paused", "finishing"} == ACTIVE_BOTS

    @pytest.mark.parametrize("state", ACTIVE_BOTS)
    @pytest.mark.parametrize("trigger", [BotTrigger.STOP, BotTrigger.HALT])
    def test_an_active_bot_can_always_be_stopped_and_halted(
        self, state: BotState, trigger: BotTrigger
    ) -> None:
        assert next_state(BOT_TRANSITIONS, state, trigger) not in ACTIVE_BOTS


class TestTableCheck:
    """The check that runs when the module is imported."""

    def test_a_state_that_is_never_reached_is_reported(self) -> None:
        table = {
            pair: target
            for pair, target in CYCLE_TRANSITIONS.items()
            if target is not CycleState.FROZEN
        }

        with pytest.raises(ValueError, match="never reached"):
            lifecycle._validate(
                table, initial=CycleState.PLANNED, terminal=TERMINAL_CYCLES
            )

    def test_a_way_out_of_a_terminal_state_is_reported(self) -> None:
        table = {
            **CYCLE_TRANSITIONS,
            (CycleState.CLOSED, CycleTrigger.EXIT): CycleState.OPEN,
        }

        with pytest.raises(ValueError, match="wrong terminal states"):
            lifecycle._validate(
                table, initial=CycleState.PLANNED, terminal=TERMINAL_CYCLES
            )
