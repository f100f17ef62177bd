"""The matching engine: orders against each other and against a market outside.

Pure and exact: time, ids, prices and outside liquidity are arguments. Every operation
decides on events and changes the engine by applying them, so the same events give the
same engine again; cash + coins + paid fees are conserved to the last digit.

An incoming order walks the best prices of the orders that rest here and of the outside
book, better prices first, our resting orders before the outside level at the same price.
Afterwards it rests, unless its kind says otherwise. A resting order fills wholly when
the market trades through its price, and up to the traded volume when it trades at it;
it stands at the front of its level.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from uuid import UUID, uuid5

from common.money import MarketRules
from user_project.trading.matching_book import Offer, offers
from user_project.trading.matching_events import (
    Arrived,
    Burned,
    Deposited,
    Ended,
    Event,
    Opened,
    Placed,
    Prevented,
    Traded,
)
from user_project.trading.matching_orders import (
    EXACT,
    ZERO,
    Execution,
    Level,
    NewOrder,
    Order,
    OrderNotFound,
    OrderRefused,
    OrderType,
    SmpType,
    State,
    TimeInForce,
    Wallet,
    affordable,
)
from user_project.trading.matching_rules import check_depth, check_rules, normalised
from user_project.trading.matching_state import ExchangeState
from user_project.trading.matching_wallets import locking
from user_project.trading.orders import Side

Events = list[Event]


class MatchingEngine(ExchangeState):
    """All accounts of one exchange, and what happens when orders come in.

    *observe* is told of each event right after it was applied, *settle* of all events
    of an operation once it is complete: what is remembered, is remembered whole.
    """

    def __init__(
        self,
        *,
        observe: Callable[[Event], None] | None = None,
        settle: Callable[[Events], None] | None = None,
    ) -> None:
        super().__init__()
        self._observe = observe
        self._settle = settle

    def open_account(self, *, account: str, balances: Mapping[str, Decimal]) -> Events:
        """Make an account with free *balances* by currency; its name must be new."""
        if account in self._accounts:
            raise ValueError(f"account {account} exists already")
        if any(amount < ZERO for amount in balances.values()):
            raise ValueError("an account cannot start below zero")
        deposits = [
            Deposited(account=account, currency=currency, amount=amount)
            for currency, amount in balances.items()
        ]
        return self._settled(self._happen(Opened(account=account), *deposits))

    def deposit(self, *, account: str, currency: str, amount: Decimal) -> Events:
        """Add to a free balance, or take from it; raises ValueError below zero."""
        event = Deposited(account=account, currency=currency, amount=amount)
        return self._settled(self._happen(event))

    def burn(self, *, account: str, identifier: str) -> Events:
        """Use an identifier up although no order carries it."""
        if identifier in self._accounts[account].identifiers:
            return []
        event = Burned(account=account, identifier=identifier)
        return self._settled(self._happen(event))

    def check(
        self,
        *,
        account: str,
        request: NewOrder,
        rules: MarketRules,
        last: Decimal,
        uuid: str,
        now: datetime,
        opposite: Sequence[Level] | None = None,
        funds_first: bool = False,
    ) -> Order:
        """Return the order that would be accepted; raises OrderRefused.

        *last* = the market's price; *opposite* = the outside book's other side, checked
        for depth where given; *funds_first*: missing money is told before other errors.
        """
        owner = self._accounts[account]
        request = normalised(request)
        rate = rules.bid_fee if request.side is Side.BID else rules.ask_fee
        order = Order(
            uuid=uuid, account=account, request=request, fee_rate=rate, created_at=now
        )
        wallet = owner.wallets.get(order.lock_currency, Wallet())
        if funds_first:
            locking(wallet, order)
        check_rules(request, rules=rules, last=last)
        if request.identifier in owner.identifiers:
            raise OrderRefused(
                "duplicated_identifier", "이미 사용된 identifier 값입니다."
            )
        if opposite is not None:
            check_depth(request, opposite=opposite)
        locking(wallet, order)
        return order

    def place(self, *, order: Order) -> Events:
        """Accept an order that `check` returned and lock what it needs."""
        return self._settled(self._happen(Placed(order=order)))

    def arrive(self, *, uuid: str, levels: Sequence[Level], at: datetime) -> Events:
        """Let an accepted order meet the market; *levels* = the outside's other side."""
        return self._settled(self._arrive_among(uuid, levels, at))

    def _arrive_among(self, uuid: str, levels: Sequence[Level], at: datetime) -> Events:
        order = self._open_order(uuid)
        resting = self._market(order.request.market).resting
        found = offers(taker=order, resting=resting, levels=levels)
        events = self._happen(Arrived(uuid=uuid, at=at))
        if self._is_impossible(order, found):
            return events + self._end(uuid, State.CANCEL, at)
        for offer in found:
            if self._orders[uuid].state is not State.WAIT:
                return events
            met = self._meet(uuid, offer, at)
            if not met:
                break  # the won left buy nothing here, and later offers are dearer
            events += met
        return events + self._rest_or_end(uuid, at)

    def walk(
        self,
        *,
        market: str,
        price: Decimal,
        at: datetime,
        volume: Decimal | None = None,
    ) -> Events:
        """Let somebody else's trade at *price* reach the resting orders.

        *volume* = coins traded, shared by the orders exactly at *price*; None: enough.
        """
        events: Events = []
        left = volume
        resting = self._market(market).resting
        for side in Side:
            for uuid in resting.reached(side, price=price):
                order = self._orders[uuid]
                size, own = order.remaining_volume or ZERO, order.request.price or price
                if left is not None and own == price:
                    size = min(size, left)
                    left = EXACT.subtract(left, size)
                if size > ZERO:
                    events += self._trade(uuid, own, size, at, is_maker=True)
        return self._settled(events)

    def cancel(self, *, uuid: str, at: datetime) -> Events:
        """End an open order and free what it still binds; raises OrderNotFound."""
        self._open_order(uuid)
        return self._settled(self._end(uuid, State.CANCEL, at))

    def _happen(self, *events: Event) -> Events:
        for event in events:
            self.apply(event=event)
            if self._observe is not None:
                self._observe(event)
        return list(events)

    def _settled(self, events: Events) -> Events:
        if self._settle is not None and events:
            self._settle(events)
        return events

    def _open_order(self, uuid: str) -> Order:
        order = self.order(uuid=uuid)
        if order.state is not State.WAIT:
            raise OrderNotFound(uuid)
        return order

    def _end(self, uuid: str, state: State, at: datetime) -> Events:
        return self._happen(Ended(uuid=uuid, state=state, at=at))

    def _is_impossible(self, order: Order, found: Sequence[Offer]) -> bool:
        match order.request.time_in_force:
            case TimeInForce.POST_ONLY:
                return bool(found)
            case TimeInForce.FOK:
                return not self._can_fill(order, found)
            case _:
                return False

    def _can_fill(self, order: Order, found: Sequence[Offer]) -> bool:
        """Tell whether the offers fill all of an order before prevention ends it."""
        rest, funds = order.remaining_volume, order.unspent
        for offer in found:
            size = self._size(order, offer)
            if size is None:
                return False
            if rest is not None:
                rest = EXACT.subtract(rest, min(rest, size))
                if rest == ZERO:
                    return True
            elif affordable(funds=funds, price=offer.price) <= size:
                return True
            else:
                funds = EXACT.subtract(funds, EXACT.multiply(size, offer.price))
        return False

    def _size(self, taker: Order, offer: Offer) -> Decimal | None:
        """Return the coins to trade at an offer; None where the taker loses some."""
        if offer.maker is None:
            return offer.size
        maker = self._orders[offer.maker]
        if not _is_prevented(taker, maker):
            return maker.remaining_volume
        return ZERO if taker.request.smp_type is SmpType.CANCEL_MAKER else None

    def _meet(self, uuid: str, offer: Offer, at: datetime) -> Events:
        taker = self._orders[uuid]
        most = _most(taker, offer.price)
        if offer.maker is None:
            size = min(offer.size, most)
            return self._trade(uuid, offer.price, size, at) if size > ZERO else []
        maker = self._orders[offer.maker]
        size = min(maker.remaining_volume or ZERO, most)
        if size == ZERO:
            return []
        if _is_prevented(taker, maker):
            return self._prevent(taker, maker, size, at)
        name = _trade_name(taker)
        return [
            *self._trade(maker.uuid, offer.price, size, at, is_maker=True, name=name),
            *self._trade(uuid, offer.price, size, at, name=name),
        ]

    def _prevent(
        self, taker: Order, maker: Order, overlap: Decimal, at: datetime
    ) -> Events:
        """Keep two orders of one account apart, in the way the incoming one names."""
        price = maker.request.price or ZERO
        match taker.request.smp_type:
            case SmpType.CANCEL_MAKER:
                return self._take_off(maker, None, price, at)
            case SmpType.CANCEL_TAKER:
                return self._take_off(taker, None, price, at)
            case _:
                return [
                    *self._take_off(maker, overlap, price, at),
                    *self._take_off(taker, overlap, price, at),
                ]

    def _take_off(
        self, order: Order, volume: Decimal | None, price: Decimal, at: datetime
    ) -> Events:
        """Take *volume* coins (None: all that is left) off an order; end an empty one.

        *price* (KRW per coin) values the coins of a buy that names won.
        """
        most = _most(order, price)
        size = most if volume is None else volume
        if order.request.side is Side.ASK:
            funds = ZERO
        elif volume is None:
            funds = order.unspent
        else:
            funds = EXACT.multiply(size, order.request.limit or price)
        events = self._happen(
            Prevented(uuid=order.uuid, volume=size, funds=funds, at=at)
        )
        over = size == most
        return events + (self._end(order.uuid, State.CANCEL, at) if over else [])

    def _trade(
        self,
        uuid: str,
        price: Decimal,
        volume: Decimal,
        at: datetime,
        *,
        is_maker: bool = False,
        name: str | None = None,
    ) -> Events:
        order = self._orders[uuid]
        funds = EXACT.multiply(price, volume)
        trade = Execution(
            uuid=name or _trade_name(order),
            price=price,
            volume=volume,
            funds=funds,
            fee=EXACT.multiply(funds, order.fee_rate),
            at=at,
            is_maker=is_maker,
        )
        events = self._happen(Traded(uuid=uuid, trade=trade))
        if self._orders[uuid].remaining_volume == ZERO:
            events += self._end(uuid, State.DONE, at)
        return events

    def _rest_or_end(self, uuid: str, at: datetime) -> Events:
        """End what may not wait; a plain or post-only limit order rests."""
        order = self._orders[uuid]
        may_wait = order.request.time_in_force in (None, TimeInForce.POST_ONLY)
        if order.state is not State.WAIT or (
            may_wait and order.request.ord_type is OrderType.LIMIT
        ):
            return []
        # A buy that names won nearly never spends the last of them on another 1e-8
        # coin; the rest is given back, and it ends cancelled although it bought.
        spent = order.remaining_volume is None and order.unspent == ZERO
        return self._end(uuid, State.DONE if spent else State.CANCEL, at)


def _is_prevented(taker: Order, maker: Order) -> bool:
    same = taker.account == maker.account
    return same and taker.request.smp_type is not SmpType.NONE


def _most(order: Order, price: Decimal) -> Decimal:
    """Return the coins an order may still trade at *price*."""
    rest = order.remaining_volume
    return affordable(funds=order.unspent, price=price) if rest is None else rest


def _trade_name(order: Order) -> str:
    # The same order's nth trade always has the same id, without chance.
    return str(uuid5(UUID(order.uuid), str(len(order.trades))))
