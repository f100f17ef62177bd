"""Orders, fills and wallets of the matching engine, and their exact arithmetic.

Rules and error names are Upbit's: a buy locks its total and the fee on it, a sell
locks its coins and pays the fee from the proceeds, nothing is rounded to whole won.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
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
from functools import reduce
from typing import Final
from uuid import UUID, uuid5

from common.money import VOLUME_STEP, MarketRules
from common.upbit import IDENTIFIER_MAX_LENGTH
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


class State(StrEnum):
    """Where an order stands, in Upbit's words."""

    WAIT = "wait"
    DONE = "done"
    CANCEL = "cancel"


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
    """KRW per coin (limit) or KRW to spend without fee (price)."""
    volume: Decimal | None = None
    identifier: str | None = None
    smp_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """One trade of an order; ``funds`` = price x volume, KRW."""

    uuid: str
    price: Decimal
    volume: Decimal
    funds: Decimal
    fee: Decimal
    at: datetime


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
    """False until it has met its first market price."""
    trades: tuple[Execution, ...] = ()

    @property
    def base(self) -> str:
        """Return the coin: ``BTC`` of ``KRW-BTC``."""
        return self.request.market.split("-", 1)[1]

    @property
    def lock_currency(self) -> str:
        """Return the currency the order binds."""
        return "KRW" if self.request.side is Side.BID else self.base

    @property
    def executed_volume(self) -> Decimal:
        """Return the coins traded so far."""
        return _sum(trade.volume for trade in self.trades)

    @property
    def executed_funds(self) -> Decimal:
        """Return the KRW traded so far, without fee."""
        return _sum(trade.funds for trade in self.trades)

    @property
    def paid_fee(self) -> Decimal:
        """Return the fee paid so far, KRW."""
        return _sum(trade.fee for trade in self.trades)

    @property
    def remaining_volume(self) -> Decimal | None:
        """Return the coins still to trade; None for a market buy."""
        if self.request.volume is None:
            return None
        return EXACT.subtract(self.request.volume, self.executed_volume)

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
        return EXACT.multiply(self._unspent, self.fee_rate)

    @property
    def locked(self) -> Decimal:
        """Return what the order binds; after `cancel` what it gave back at its end."""
        if self.request.side is Side.ASK:
            return self.remaining_volume or ZERO
        return EXACT.add(self._unspent, self.remaining_fee)

    @property
    def _unspent(self) -> Decimal:
        if self.request.side is Side.ASK or self.request.price is None:
            return ZERO
        rest = self.remaining_volume
        if rest is None:
            return EXACT.subtract(self.request.price, self.executed_funds)
        return EXACT.multiply(rest, self.request.price)


def _sum(values: Iterable[Decimal]) -> Decimal:
    return reduce(EXACT.add, values, ZERO)


def executed(order: Order, *, price: Decimal, volume: Decimal, at: datetime) -> Order:
    """Return *order* with one more trade, finished when nothing can follow."""
    funds = EXACT.multiply(price, volume)
    trade = Execution(
        # The same order's nth trade always has the same id, without a random source.
        uuid=str(uuid5(UUID(order.uuid), str(len(order.trades)))),
        price=price,
        volume=volume,
        funds=funds,
        fee=EXACT.multiply(funds, order.fee_rate),
        at=at,
    )
    after = replace(order, trades=(*order.trades, trade), arrived=True)
    return replace(after, state=_state_after(after))


def _state_after(order: Order) -> State:
    rest = order.remaining_volume
    if rest is None:
        # A market buy can nearly never spend its last won on another 1e-8 coin; the
        # rest is given back, and the order ends cancelled although it bought.
        return State.CANCEL if order.locked > ZERO else State.DONE
    return State.WAIT if rest > ZERO else State.DONE


def affordable(*, funds: Decimal, price: Decimal) -> Decimal:
    """Return the coins, cut at 8 decimals, that *funds* KRW buy at *price*."""
    return CUT.quantize(CUT.divide(funds, price), VOLUME_STEP)


def normalised(request: NewOrder) -> NewOrder:
    """Cut the volume to 8 decimals; refuse shapes that Upbit refuses."""
    if request.identifier is not None and not (
        0 < len(request.identifier) <= IDENTIFIER_MAX_LENGTH
    ):
        raise OrderRefused("validation_error", "identifier는 1~64자여야 합니다.")
    _check_shape(request)
    for number in (request.price, request.volume):
        if number is not None and not ZERO < number <= LARGEST:
            raise OrderRefused("invalid_parameter", "주문 수량과 가격을 확인해주세요.")
    if request.price is not None and request.price != CUT.quantize(
        request.price, VOLUME_STEP
    ):
        raise OrderRefused("invalid_parameter", "가격은 소수점 8자리까지입니다.")
    if request.volume is None:
        return request
    volume = CUT.quantize(request.volume, VOLUME_STEP)
    if volume == ZERO:
        raise OrderRefused("invalid_parameter", "주문 수량이 너무 작습니다.")
    return replace(request, volume=volume)


_SHAPES: Final = {
    (OrderType.LIMIT, Side.BID): (True, True),
    (OrderType.LIMIT, Side.ASK): (True, True),
    (OrderType.PRICE, Side.BID): (True, False),
    (OrderType.MARKET, Side.ASK): (False, True),
}
"""(type, side): whether price and volume must be given; other pairs do not exist."""


def _check_shape(request: NewOrder) -> None:
    shape = _SHAPES.get((request.ord_type, request.side))
    if shape != (request.price is not None, request.volume is not None):
        raise OrderRefused(
            f"create_{request.side}_error",
            "주문 유형에 맞는 price와 volume을 입력해주세요.",
        )


def check_rules(request: NewOrder, *, rules: MarketRules, last: Decimal) -> None:
    """Refuse a price off the grid and a total outside the market's limits."""
    side, price, volume = request.side, request.price, request.volume
    if request.ord_type is OrderType.LIMIT and not (
        price is not None and rules.ticks.is_on_tick(price=price)
    ):
        raise OrderRefused(
            f"invalid_price_{side}",
            "주문가격 단위를 잘못 입력하셨습니다. 확인 후 시도해주세요.",
        )
    unit = last if price is None else price
    total = unit if volume is None else EXACT.multiply(unit, volume)
    if total < rules.min_total:
        raise OrderRefused(
            f"under_min_total_{side}",
            f"최소주문금액 이상으로 주문해주세요. ({rules.min_total} KRW)",
        )
    if total > rules.max_total:
        raise OrderRefused(
            f"over_krw_funds_{side}",
            f"최대주문금액 이하로 주문해주세요. ({rules.max_total} KRW)",
        )
