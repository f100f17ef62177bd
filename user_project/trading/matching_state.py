"""Accounts, orders and what rests: the engine's memory, changed by events alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import count
from typing import assert_never

from user_project.trading.matching_book import RestingBook
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
    Order,
    OrderNotFound,
    State,
    Wallet,
)
from user_project.trading.matching_wallets import locking, moved, settled
from user_project.trading.orders import Side


@dataclass(slots=True)
class Account:
    """What one account owns and has ordered."""

    wallets: dict[str, Wallet] = field(default_factory=dict)
    uuids: list[str] = field(default_factory=list)
    identifiers: dict[str, str] = field(default_factory=dict)
    """Identifier -> uuid, or "" for one that was used up without an order."""
    deposits: list[Deposited] = field(default_factory=list)


@dataclass(slots=True)
class Market:
    """The open orders of one market."""

    waiting: dict[str, None] = field(default_factory=dict)
    resting: RestingBook = field(default_factory=RestingBook)


class ExchangeState:
    """Everything an exchange remembers."""

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}
        self._orders: dict[str, Order] = {}
        self._markets: dict[str, Market] = {}
        self._turns = count()

    def apply(self, *, event: Event) -> None:
        """Change the state as *event* says; raises ValueError if it cannot follow."""
        match event:
            case Traded() | Prevented() | Ended():
                order = self.order(uuid=event.uuid)
                self._book(order, _changed(order, event))
            case Placed():
                self._place(event.order)
            case Arrived():
                self._arrive(self.order(uuid=event.uuid))
            case Deposited():
                owner = self._accounts[event.account]
                wallet = owner.wallets.get(event.currency, Wallet())
                owner.wallets[event.currency] = moved(wallet, free=event.amount)
                owner.deposits.append(event)
            case Burned():
                self._accounts[event.account].identifiers[event.identifier] = ""
            case Opened():
                self._accounts[event.account] = Account()
            case _:
                assert_never(event)

    def accounts(self) -> tuple[str, ...]:
        """Return the names of all accounts."""
        return tuple(self._accounts)

    def wallets(self, *, account: str) -> dict[str, Wallet]:
        """Return what an account owns by currency; a coin never held is missing."""
        return dict(self._accounts[account].wallets)

    def find(
        self, *, account: str, uuid: str | None = None, identifier: str | None = None
    ) -> Order:
        """Return an account's order; *uuid* wins over *identifier*."""
        owner = self._accounts[account]
        key = uuid if uuid is not None else owner.identifiers.get(identifier or "")
        order = self._orders.get(key or "")
        if order is None or order.account != account:
            raise OrderNotFound(uuid or identifier or "")
        return order

    def order(self, *, uuid: str) -> Order:
        """Return any account's order; raises OrderNotFound."""
        try:
            return self._orders[uuid]
        except KeyError as error:
            raise OrderNotFound(uuid) from error

    def orders(self, *, account: str) -> Iterator[Order]:
        """Yield an account's orders, newest first."""
        for uuid in reversed(self._accounts[account].uuids):
            yield self._orders[uuid]

    def burned(self, *, account: str) -> tuple[str, ...]:
        """Return the identifiers that were used up without an order."""
        known = self._accounts[account].identifiers
        return tuple(name for name, uuid in known.items() if not uuid)

    def deposits(self, *, account: str) -> tuple[Deposited, ...]:
        """Return what ever came in from outside or left, the first ones first."""
        return tuple(self._accounts[account].deposits)

    def waiting(self, *, market: str) -> tuple[Order, ...]:
        """Return a market's open orders, oldest first."""
        return tuple(self._orders[uuid] for uuid in self._market(market).waiting)

    def markets_waiting(self) -> tuple[str, ...]:
        """Return the markets that have open orders."""
        return tuple(name for name, one in self._markets.items() if one.waiting)

    def touch(self, *, market: str) -> tuple[Decimal | None, Decimal | None]:
        """Return the highest bid and the lowest ask that rest in a market."""
        resting = self._market(market).resting
        return resting.best(Side.BID), resting.best(Side.ASK)

    def _market(self, name: str) -> Market:
        try:
            return self._markets[name]
        except KeyError:
            return self._markets.setdefault(name, Market())

    def _place(self, order: Order) -> None:
        owner = self._accounts[order.account]
        currency = order.lock_currency
        owner.wallets[currency] = locking(owner.wallets.get(currency, Wallet()), order)
        owner.uuids.append(order.uuid)
        if order.request.identifier is not None:
            owner.identifiers[order.request.identifier] = order.uuid
        self._orders[order.uuid] = order
        self._market(order.request.market).waiting[order.uuid] = None

    def _arrive(self, order: Order) -> None:
        self._orders[order.uuid] = replace(order, arrived=True)
        if order.request.limit is not None:
            market = self._market(order.request.market)
            market.resting.add(order, turn=next(self._turns))

    def _book(self, before: Order, after: Order) -> None:
        """Replace an open order; move money between the wallets accordingly."""
        if before.state is not State.WAIT:
            raise ValueError(f"order {before.uuid} is no longer open")
        wallets = self._accounts[after.account].wallets
        cash, coins = settled(
            before,
            after,
            cash=wallets.get("KRW", Wallet()),
            coins=wallets.get(after.base, Wallet()),
        )
        wallets["KRW"] = cash
        if after.base in wallets or coins != Wallet():
            wallets[after.base] = coins
        self._orders[after.uuid] = after
        if after.state is not State.WAIT:
            market = self._market(after.request.market)
            market.waiting.pop(after.uuid, None)
            market.resting.remove(after.uuid)


def _changed(order: Order, event: Traded | Prevented | Ended) -> Order:
    match event:
        case Traded():
            trade = event.trade
            return replace(
                order,
                trades=(*order.trades, trade),
                executed_volume=EXACT.add(order.executed_volume, trade.volume),
                executed_funds=EXACT.add(order.executed_funds, trade.funds),
                paid_fee=EXACT.add(order.paid_fee, trade.fee),
            )
        case Prevented():
            return replace(
                order,
                prevented_volume=EXACT.add(order.prevented_volume, event.volume),
                prevented_funds=EXACT.add(order.prevented_funds, event.funds),
            )
        case Ended():
            return replace(order, state=event.state)
