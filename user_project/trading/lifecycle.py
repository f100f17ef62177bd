"""States of bots, cycles and orders: explicit (state, trigger) -> state tables."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeVar


class BotState(StrEnum):
    """What a bot may do."""

    DRAFT = "draft"
    RUNNING = "running"
    PAUSED = "paused"  # no new buys, take profit managed
    FINISHING = "finishing"  # this cycle, then stop
    STOPPED = "stopped"  # no orders; coins bought stay
    HALTED = "halted"  # a person must look


class BotTrigger(StrEnum):
    """What moves a bot."""

    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    FINISH = "finish"
    CYCLE_DONE = "cycle_done"
    STOP = "stop"
    HALT = "halt"


class CycleState(StrEnum):
    """Where one round of staged buying stands."""

    PLANNED = "planned"
    OPENING = "opening"  # first buy not filled
    OPEN = "open"
    CLOSING = "closing"  # exit other than the resting take profit
    FROZEN = "frozen"  # the account holds less than the cycle bought
    CLOSED = "closed"
    ABORTED = "aborted"  # nothing bought


class CycleTrigger(StrEnum):
    """What moves a cycle."""

    SEND = "send"
    BOUGHT = "bought"
    EXIT = "exit"
    SOLD = "sold"
    FREEZE = "freeze"
    THAW = "thaw"
    ABORT = "abort"
    RELEASE = "release"  # the coins go to the owner


class OrderState(StrEnum):
    """What we know about one order."""

    INTENT = "intent"  # committed, never sent
    POSTING = "posting"  # about to be sent, or sent without an answer yet
    UNKNOWN = "unknown"  # no definite answer
    OPEN = "open"
    CANCELLING = "cancelling"
    ABANDONED_WATCH = "abandoned_watch"  # given up, still watched
    FILLED = "filled"
    CANCELLED = "cancelled"  # maybe partly filled
    REFUSED = "refused"
    BURNED = "burned"  # proved: no order, identifier used up


class OrderTrigger(StrEnum):
    """What moves an order."""

    POST = "post"
    ACCEPT = "accept"
    DOUBT = "doubt"
    REFUSE = "refuse"
    FILL = "fill"
    CANCEL = "cancel"
    CLOSE = "close"
    BURN = "burn"
    ABANDON = "abandon"


class InvalidTransition(Exception):
    """This trigger is not possible in this state."""


S = TypeVar("S", bound=StrEnum)
T = TypeVar("T", bound=StrEnum)

BOT_TRANSITIONS: Final[Mapping[tuple[BotState, BotTrigger], BotState]] = {
    (BotState.DRAFT, BotTrigger.START): BotState.RUNNING,
    (BotState.DRAFT, BotTrigger.STOP): BotState.STOPPED,
    (BotState.RUNNING, BotTrigger.PAUSE): BotState.PAUSED,
    (BotState.RUNNING, BotTrigger.FINISH): BotState.FINISHING,
    (BotState.RUNNING, BotTrigger.CYCLE_DONE): BotState.STOPPED,
    (BotState.RUNNING, BotTrigger.STOP): BotState.STOPPED,
    (BotState.RUNNING, BotTrigger.HALT): BotState.HALTED,
    (BotState.PAUSED, BotTrigger.RESUME): BotState.RUNNING,
    (BotState.PAUSED, BotTrigger.FINISH): BotState.FINISHING,
    (BotState.PAUSED, BotTrigger.STOP): BotState.STOPPED,
    (BotState.PAUSED, BotTrigger.HALT): BotState.HALTED,
    (BotState.FINISHING, BotTrigger.RESUME): BotState.RUNNING,
    (BotState.FINISHING, BotTrigger.PAUSE): BotState.PAUSED,
    (BotState.FINISHING, BotTrigger.CYCLE_DONE): BotState.STOPPED,
    (BotState.FINISHING, BotTrigger.STOP): BotState.STOPPED,
    (BotState.FINISHING, BotTrigger.HALT): BotState.HALTED,
    (BotState.STOPPED, BotTrigger.START): BotState.RUNNING,
    (BotState.STOPPED, BotTrigger.FINISH): BotState.FINISHING,
    (BotState.HALTED, BotTrigger.RESUME): BotState.RUNNING,
    (BotState.HALTED, BotTrigger.FINISH): BotState.FINISHING,
    (BotState.HALTED, BotTrigger.STOP): BotState.STOPPED,
}

CYCLE_TRANSITIONS: Final[Mapping[tuple[CycleState, CycleTrigger], CycleState]] = {
    (CycleState.PLANNED, CycleTrigger.SEND): CycleState.OPENING,
    (CycleState.PLANNED, CycleTrigger.ABORT): CycleState.ABORTED,
    (CycleState.OPENING, CycleTrigger.BOUGHT): CycleState.OPEN,
    (CycleState.OPENING, CycleTrigger.ABORT): CycleState.ABORTED,
    (CycleState.OPEN, CycleTrigger.EXIT): CycleState.CLOSING,
    (CycleState.OPEN, CycleTrigger.SOLD): CycleState.CLOSED,
    (CycleState.OPEN, CycleTrigger.FREEZE): CycleState.FROZEN,
    (CycleState.CLOSING, CycleTrigger.SOLD): CycleState.CLOSED,
    (CycleState.CLOSING, CycleTrigger.FREEZE): CycleState.FROZEN,
    (CycleState.FROZEN, CycleTrigger.THAW): CycleState.OPEN,
    **{
        (state, CycleTrigger.RELEASE): CycleState.CLOSED
        for state in (CycleState.OPEN, CycleState.CLOSING, CycleState.FROZEN)
    },
}

_MAY_EXIST = (
    OrderState.POSTING,
    OrderState.UNKNOWN,
    OrderState.OPEN,
    OrderState.CANCELLING,
    OrderState.ABANDONED_WATCH,
)

ORDER_TRANSITIONS: Final[Mapping[tuple[OrderState, OrderTrigger], OrderState]] = {
    (OrderState.INTENT, OrderTrigger.POST): OrderState.POSTING,
    (OrderState.INTENT, OrderTrigger.CLOSE): OrderState.CANCELLED,
    (OrderState.POSTING, OrderTrigger.ACCEPT): OrderState.OPEN,
    (OrderState.POSTING, OrderTrigger.DOUBT): OrderState.UNKNOWN,
    (OrderState.POSTING, OrderTrigger.REFUSE): OrderState.REFUSED,
    (OrderState.UNKNOWN, OrderTrigger.POST): OrderState.POSTING,
    (OrderState.UNKNOWN, OrderTrigger.ACCEPT): OrderState.OPEN,
    (OrderState.UNKNOWN, OrderTrigger.BURN): OrderState.BURNED,
    (OrderState.UNKNOWN, OrderTrigger.ABANDON): OrderState.ABANDONED_WATCH,
    (OrderState.OPEN, OrderTrigger.CANCEL): OrderState.CANCELLING,
    (OrderState.ABANDONED_WATCH, OrderTrigger.ACCEPT): OrderState.OPEN,
    **{(state, OrderTrigger.FILL): OrderState.FILLED for state in _MAY_EXIST},
    **{(state, OrderTrigger.CLOSE): OrderState.CANCELLED for state in _MAY_EXIST},
}


def next_state(table: Mapping[tuple[S, T], S], state: S, trigger: T, /) -> S:
    """Return the state that *trigger* leads to; raise InvalidTransition if none."""
    try:
        return table[state, trigger]
    except KeyError:
        raise InvalidTransition(f"{trigger} is not possible in {state}") from None


def terminal_states(table: Mapping[tuple[S, T], S], /) -> frozenset[S]:
    """Return the states that no trigger leaves."""
    return frozenset(table.values()) - frozenset(state for state, _ in table)


TERMINAL_CYCLES: Final = terminal_states(CYCLE_TRANSITIONS)
TERMINAL_ORDERS: Final = terminal_states(ORDER_TRANSITIONS)
LIVE_ORDERS: Final = frozenset(OrderState) - TERMINAL_ORDERS
UNSETTLED_ORDERS: Final = frozenset(
    {OrderState.POSTING, OrderState.UNKNOWN, OrderState.CANCELLING}
)
DOUBTFUL_ORDERS: Final = frozenset(
    {OrderState.POSTING, OrderState.UNKNOWN, OrderState.ABANDONED_WATCH}
)
"""Nobody knows what became of them at the exchange."""
ACTIVE_BOTS: Final = frozenset({BotState.RUNNING, BotState.PAUSED, BotState.FINISHING})


def _validate(
    table: Mapping[tuple[S, T], S], *, initial: S, terminal: frozenset[S]
) -> None:
    states = frozenset(type(initial))
    reached = frozenset(table.values()) | {initial}
    if reached != states:
        raise ValueError(f"never reached: {sorted(states - reached)}")
    if terminal_states(table) != terminal:
        raise ValueError(f"wrong terminal states: {sorted(terminal_states(table))}")


_validate(BOT_TRANSITIONS, initial=BotState.DRAFT, terminal=frozenset())
_validate(
    CYCLE_TRANSITIONS,
    initial=CycleState.PLANNED,
    terminal=frozenset({CycleState.CLOSED, CycleState.ABORTED}),
)
_validate(
    ORDER_TRANSITIONS,
    initial=OrderState.INTENT,
    terminal=frozenset(
        {
            OrderState.FILLED,
            OrderState.CANCELLED,
            OrderState.REFUSED,
            OrderState.BURNED,
        }
    ),
)
