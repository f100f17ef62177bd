"""Values of a decision: the facts it rests on, the actions it asks for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final

from user_project.trading.lifecycle import BotState, CycleState, OrderState
from user_project.trading.orders import OrderKind, Side

FIRST_MANUAL_STAGE: Final = 101
"""Buys that the owner asks for are numbered from here on."""


class Why(StrEnum):
    """The one reason why a bot is not buying right now."""

    NOTHING = ""
    DRAFT = "DRAFT"
    PAUSED = "PAUSED"
    STOPPED = "STOPPED"
    HALTED = "HALTED"
    COOLDOWN = "COOLDOWN"
    STALE_DATA = "STALE_DATA"
    NO_COIN = "NO_COIN"
    MARKET_WARNING = "MARKET_WARNING"
    MARKET_OFFLINE = "MARKET_OFFLINE"
    NO_SUPPORT = "NO_SUPPORT"
    MIN_ORDER = "MIN_ORDER"
    STALE_PRICE = "STALE_PRICE"
    PRICE_MOVED = "PRICE_MOVED"
    ORDER_PENDING = "ORDER_PENDING"
    STAGE_COOLDOWN = "STAGE_COOLDOWN"
    WAIT_PRICE = "WAIT_PRICE"
    WAIT_FUNDS = "WAIT_FUNDS"
    ORDER_REFUSED = "ORDER_REFUSED"
    ALL_STAGES = "ALL_STAGES"
    KEY_REFUSED = "KEY_REFUSED"
    KEYS_UNREADABLE = "KEYS_UNREADABLE"
    WRONG_HOST = "WRONG_HOST"
    QUARANTINED = "QUARANTINED"
    RECONCILE_DUE = "RECONCILE_DUE"
    LEASE_LOST = "LEASE_LOST"
    FROZEN = "FROZEN"
    KILL_SWITCH = "KILL_SWITCH"
    LIVE_OFF = "LIVE_OFF"
    BRAKE = "BRAKE"
    START_DELAY = "START_DELAY"
    MAX_CYCLES = "MAX_CYCLES"
    WAIT_REENTRY = "WAIT_REENTRY"
    CAP_ACCOUNT = "CAP_ACCOUNT"
    CAP_COIN = "CAP_COIN"
    CAP_CYCLES = "CAP_CYCLES"
    EXITING = "EXITING"
    DUST = "DUST"
    CLOCK_OFF = "CLOCK_OFF"


class ExitReason(StrEnum):
    """Why a round was sold."""

    TAKE_PROFIT = "take_profit"
    TRAILING = "trailing"
    STOP_LOSS = "stop_loss"
    BREAK_EVEN = "break_even"
    MAX_HOLD = "max_hold"
    OWNER = "owner"
    EMERGENCY = "emergency"
    RELEASED = "released"  # the coins went to the owner, nothing was sold


ORDERED_EXITS: Final = frozenset({ExitReason.OWNER, ExitReason.EMERGENCY})
"""Sales that a person asked for: a kill switch does not stop them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BotFacts:
    """What the owner asked for, and what forbids new orders from outside."""

    state: BotState
    stage_cooldown: timedelta
    next_cycle_at: datetime | None = None
    """No new cycle before this instant."""
    blocked: Why = Why.NOTHING
    """Set when no new order may be placed (kill switch, quarantine, reconcile due)."""
    resting_stages: int = 2
    """So many stage buys wait on the exchange; the next follow as these fill."""
    trailing: Decimal | None = None
    """Fall from the peak (share) at which a reached take profit is sold."""
    stop_below_last: Decimal | None = None
    """Share below the last stage's price at which everything is sold at a loss."""
    break_even_after: Decimal | None = None
    """Rise over the break-even price (share) after which a fall back to it sells."""
    max_hold: timedelta | None = None
    """Everything is sold at the market when the round is this old."""
    cycles_left: int | None = None
    """New rounds that may still begin; None without an end."""
    braked: bool = False
    """A local crash forbids new stage buys for a while."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStage:
    """One step of the frozen plan: KRW per coin, whole won without fee."""

    stage: int
    price: Decimal
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleFacts:
    """The running round; volume and cost are the bot's own fills only."""

    state: CycleState
    stages: tuple[PlannedStage, ...]
    take_profit: Decimal
    """Net share of the cost, 0.015 = 1.5 %."""
    volume: Decimal
    cost: Decimal
    received: Decimal
    last_buy_at: datetime | None
    opened_at: datetime | None = None
    start_at: datetime | None = None
    """The first buy waits until then, so that bots do not herd."""
    peak: Decimal | None = None
    """Highest price seen since the last buy; kept only where an option needs it."""
    exit_reason: ExitReason | None = None
    """Set once the round is to be sold at the market; never taken back."""
    deficit: Decimal = Decimal(0)
    """Coins of this round that the account no longer holds, as last confirmed."""
    skipped: frozenset[int] = frozenset()
    """Stages the owner does not want bought."""
    manual_buys: tuple[PlannedStage, ...] = ()
    """Buys the owner asked for, at the market; numbered from 101."""
    held_alerts: int = 0
    """How many of the holding-time alerts were given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFacts:
    """One order of the running round."""

    id: str
    stage: int
    side: Side
    state: OrderState
    attempt: int
    price: Decimal | None
    requested_volume: Decimal | None
    executed_volume: Decimal
    executed_funds: Decimal
    closed_at: datetime | None
    verdict: str
    thrown_out: bool = False
    """Ended unfilled by the exchange or by the owner's hand, not by the bot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Send an order; ``stage`` 0 is the cycle's own exit."""

    stage: int
    side: Side
    kind: OrderKind
    attempt: int
    price: Decimal | None = None
    volume: Decimal | None = None
    funds: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel:
    """Ask the exchange to cancel an order, or drop one that was never sent."""

    order_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StartCycle:
    """Choose a coin and plan the next round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseCycle:
    """Everything is sold and nothing rests any more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AbortCycle:
    """Nothing was bought and nothing will be."""

    reason: Why


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishBot:
    """The last round of a finishing bot is over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """Sell the round at the market from now on, whatever the price does."""

    reason: ExitReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """The account holds less than the round bought: sell nothing more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Thaw:
    """The coins are back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """Remember a new peak price."""

    peak: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertHeld:
    """Tell the owner that the round is held for so many days already."""

    days: int
    count: int
    """``held_alerts`` from now on."""


Action = (
    Place
    | Cancel
    | StartCycle
    | CloseCycle
    | AbortCycle
    | FinishBot
    | Exit
    | Freeze
    | Thaw
    | Track
    | AlertHeld
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Actions in order, why nothing is bought, and when to look again."""

    actions: tuple[Action, ...] = ()
    reason: Why = Why.NOTHING
    next_tick_at: datetime | None
    wake_below: Decimal | None = None
    wake_above: Decimal | None = None
