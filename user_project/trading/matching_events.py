"""What happens in the matching engine, as values: the engine changes by these alone.

Applying an account's events in order to a new engine gives the same accounts and orders,
so a log of them is the exchange's memory and the source of its live streams.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from user_project.trading.matching_orders import Execution, Order, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """An account exists."""

    account: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Deposited:
    """Money or coins came in from outside, or left if *amount* is negative."""

    account: str
    currency: str
    amount: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Burned:
    """An identifier can never be used again although no order carries it."""

    account: str
    identifier: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """An order was accepted and its money locked; it has not met the market yet."""

    order: Order


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """An order met the market for the first time; what did not trade now rests."""

    uuid: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Traded:
    """An order traded; the other side of a match has an event of its own."""

    uuid: str
    trade: Execution


@dataclass(frozen=True, slots=True, kw_only=True)
class Prevented:
    """Self-match prevention took *volume* coins (worth *funds* KRW) off an order."""

    uuid: str
    volume: Decimal
    funds: Decimal
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """An order left the book, DONE or CANCEL, and freed what it still bound."""

    uuid: str
    state: State
    at: datetime


Event = Opened | Deposited | Burned | Placed | Arrived | Traded | Prevented | Ended
