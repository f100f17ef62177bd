"""Orders, trades and wallets of the matching engine, and their exact arithmetic.

Rules and words are Upbit's: a buy locks its total and the fee on it, a sell locks its
coins and pays the fee from the proceeds, nothing is rounded to whole won.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import (
    ROUND_DOWN,
    Context,
    Decimal,
    DivisionByZero,
    Inexact,
    InvalidOperation,
    Overflow,
)
from enum import StrEnum
from typing import Final, NamedTuple

from common.money import VOLUME_STEP
from user_project.trading.orders import Side

ZERO: Final = Decimal(0)
LARGEST: Final = Decimal(10) ** 15
"""No price, volume or sum may be larger; keeps every product within EXACT."""

EXACT: Final = Context(
    prec=80, traps=[Inexact, InvalidOperation, DivisionByZero, Overflow]
)
"""Sums and products that lose a digit raise instead of losing money."""
CUT: Final = Context(prec=80, rounding=ROUND_DOWN)


class OrderType(StrEnum):
    """How an order is priced, in Upbit's words."""

    LIMIT = "limit"
    PRICE = "price"  # a market buy: ``price`` names the won to spend
    MARKET = "market"  # a market sell: ``volume`` names the coins
    BEST = "best"  # at the best opposite price; buys name won, sells name coins


class TimeInForce(StrEnum):
    """How long an order may wait, in Upbit's words; without one it may rest."""

    IOC = "ioc"  # what trades at once, the rest is cancelled
    FOK = "fok"  # all at once or nothing
    POST_ONLY = "post_only"  # cancelled if any of it would trade at once


class SmpType(StrEnum):
    """What the incoming order does when it meets one of the same account."""

    NONE = "none"
    CANCEL_MAKER = "cancel_maker"
    CANCEL_TAKER = "cancel_taker"
    REDUCE = "reduce"


class State(StrEnum):
    """Where an order stands, in Upbit's words."""

    WAIT = "wait"
    DONE = "done"
    CANCEL = "cancel"


class Level(NamedTuple):
    """Liquidity of other people at one price."""

    price: Decimal
    size: Decimal
    """Coins."""


class OrderRefused(Exception):
    """The order breaks a rule and does not exist; ``name`` is Upbit's error name."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name
        self.message = message


class OrderNotFound(LookupError):
    """No such order, or it is no longer open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOrder:
    """What a client asks for."""

    market: str
    side: Side
    ord_type: OrderType
    price: Decimal | None = None
    """KRW per coin (limit) or KRW to spend without fee (price, best buy)."""
    volume: Decimal | None = None
    identifier: str | None = None
    time_in_force: TimeInForce | None = None
    smp_type: SmpType = SmpType.NONE

    @property
    def limit(self) -> Decimal | None:
        """Return the worst price the order accepts, None for any price."""
        return self.price if self.ord_type is OrderType.LIMIT else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One trade of an order; ``funds`` = price x volume, KRW."""

    uuid: str
    """Both sides of a match between two orders of this exchange carry the same."""
    price: Decimal
    volume: Decimal
    funds: Decimal
    fee: Decimal
    at: datetime
    is_maker: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Wallet:
    """One currency of an account; ``balance`` is free, ``locked`` bound by orders."""

    balance: Decimal = ZERO
    locked: Decimal = ZERO
    avg_buy_price: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An accepted order; a change makes a new value."""

    uuid: str
    account: str
    request: NewOrder
    fee_rate: Decimal
    created_at: datetime
    state: State = State.WAIT
    arrived: bool = False
    """False until it has met the market."""
    trades: tuple[Execution, ...] = ()
    executed_volume: Decimal = ZERO
    executed_funds: Decimal = ZERO
    """KRW traded so far, without fee."""
    paid_fee: Decimal = ZERO
    prevented_volume: Decimal = ZERO
    prevented_funds: Decimal = ZERO
    """KRW of a buy that self-match prevention took away, without fee."""

    @property
    def base(self) -> str:
        """Return the coin: ``BTC`` of ``KRW-BTC``."""
        return self.request.market.split("-", 1)[1]

    @property
    def lock_currency(self) -> str:
        """Return the currency the order binds."""
        return "KRW" if self.request.side is Side.BID else self.base

    @property
    def remaining_volume(self) -> Decimal | None:
        """Return the coins still to trade; None where the order names won."""
        if self.request.volume is None:
            return None
        gone = EXACT.add(self.executed_volume, self.prevented_volume)
        return EXACT.subtract(self.request.volume, gone)

    @property
    def total(self) -> Decimal:
        """Return the KRW a buy may spend without fee; 0 for a sell."""
        if self.request.side is Side.ASK or self.request.price is None:
            return ZERO
        if self.request.volume is None:
            return self.request.price
        return EXACT.multiply(self.request.price, self.request.volume)

    @property
    def reserved_fee(self) -> Decimal:
        """Return the fee bound when the order was accepted; sells bind none."""
        return EXACT.multiply(self.total, self.fee_rate)

    @property
    def remaining_fee(self) -> Decimal:
        """Return the fee on what is not traded; a finished market buy keeps its rest's."""
        return EXACT.multiply(self.unspent, self.fee_rate)

    @property
    def locked(self) -> Decimal:
        """Return what the order binds; after `cancel` what it gave back at its end."""
        if self.request.side is Side.ASK:
            return self.remaining_volume or ZERO
        return with_fee(self.unspent, self.fee_rate)

    @property
    def prevented_locked(self) -> Decimal:
        """Return what prevention freed: KRW with fee of a buy, coins of a sell."""
        if self.request.side is Side.ASK:
            return self.prevented_volume
        return with_fee(self.prevented_funds, self.fee_rate)

    @property
    def unspent(self) -> Decimal:
        """Return the KRW a buy may still spend without fee; 0 for a sell."""
        if self.request.side is Side.ASK or self.request.price is None:
            return ZERO
        rest = self.remaining_volume
        if rest is not None:
            return EXACT.multiply(rest, self.request.price)
        gone = EXACT.add(self.executed_funds, self.prevented_funds)
        return EXACT.subtract(self.request.price, gone)


def with_fee(amount: Decimal, rate: Decimal, /) -> Decimal:
    """Return *amount* KRW and the fee on it."""
    return EXACT.add(amount, EXACT.multiply(amount, rate))


def affordable(*, funds: Decimal, price: Decimal) -> Decimal:
    """Return the coins, cut at 8 decimals, that *funds* KRW buy at *price*."""
    return CUT.quantize(CUT.divide(funds, price), VOLUME_STEP)
