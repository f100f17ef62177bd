"""The matching engine: accounts and orders against one price per market.

Pure and exact: time, ids and prices are arguments, every change is computed and checked
before anything is assigned, and cash + coins + paid fees are conserved to the last digit.
The caller walks the market's path price by price. Liquidity at a touched price is
unlimited: a resting order fills wholly, at its own price, when the path trades at or
through it; what could trade on arrival fills at the better current price.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from common.money import MarketRules
from user_project.trading.matching_orders import (
    CUT,
    EXACT,
    ZERO,
    NewOrder,
    Order,
    OrderNotFound,
    OrderRefused,
    OrderType,
    State,
    Wallet,
    affordable,
    check_rules,
    executed,
    normalised,
)
from user_project.trading.orders import Side

_AVERAGE_STEP = Decimal("0.00000001")


@dataclass(slots=True)
class _Account:
    wallets: dict[str, Wallet]
    uuids: list[str] = field(default_factory=list)
    identifiers: dict[str, str] = field(default_factory=dict)


class MatchingEngine:
    """All accounts of one exchange, their orders and what rests in each market."""

    def __init__(self) -> None:
        self._accounts: dict[str, _Account] = {}
        self._orders: dict[str, Order] = {}
        self._waiting: dict[str, dict[str, None]] = {}

    def open_account(self, *, account: str, balances: Mapping[str, Decimal]) -> None:
        """Make an account with free *balances* by currency; its name must be new."""
        if account in self._accounts:
            raise ValueError(f"account {account} exists already")
        if any(amount < ZERO for amount in balances.values()):
            raise ValueError("an account cannot start below zero")
        self._accounts[account] = _Account(
            {code: Wallet(balance=amount) for code, amount in balances.items()}
        )

    def accounts(self) -> tuple[str, ...]:
        """Return the names of all accounts."""
        return tuple(self._accounts)

    def wallets(self, *, account: str) -> dict[str, Wallet]:
        """Return what an account owns by currency; a coin never held is missing."""
        return dict(self._accounts[account].wallets)

    def place(
        self,
        *,
        account: str,
        request: NewOrder,
        rules: MarketRules,
        last: Decimal,
        uuid: str,
        now: datetime,
    ) -> Order:
        """Accept an order and lock what it needs; *last* = the market's price.

        Raises OrderRefused and changes nothing when a rule is broken.
        """
        owner = self._accounts[account]
        request = normalised(request)
        check_rules(request, rules=rules, last=last)
        if request.identifier in owner.identifiers:
            raise OrderRefused(
                "duplicated_identifier", "이미 사용된 identifier 값입니다."
            )
        rate = rules.bid_fee if request.side is Side.BID else rules.ask_fee
        order = Order(
            uuid=uuid, account=account, request=request, fee_rate=rate, created_at=now
        )
        wallet = _locking(owner.wallets.get(order.lock_currency, Wallet()), order)

        owner.wallets[order.lock_currency] = wallet
        owner.uuids.append(uuid)
        if request.identifier is not None:
            owner.identifiers[request.identifier] = uuid
        self._keep(order)
        return order

    def arrive(self, *, uuid: str, price: Decimal, at: datetime) -> Order:
        """Let an accepted order meet its first market price.

        A market order fills at it, a limit order that crosses it too; others rest.
        """
        order = self._open_order(uuid)
        if _trades_at(order, price):
            return self.execute(uuid=uuid, price=price, at=at)
        arrived = replace(order, arrived=True)
        self._keep(arrived)
        return arrived

    def walk(self, *, market: str, price: Decimal, at: datetime) -> list[Order]:
        """Fill every resting order that the path's next *price* touches."""
        touched = [
            order
            for order in self.waiting(market=market)
            if order.arrived and _trades_at(order, price)
        ]
        return [
            self.execute(uuid=order.uuid, price=_own_price(order), at=at)
            for order in sorted(touched, key=_reached_first)
        ]

    def execute(
        self,
        *,
        uuid: str,
        price: Decimal,
        at: datetime,
        volume: Decimal | None = None,
    ) -> Order:
        """Trade *volume* coins of an open order (None: all it can) at *price*."""
        order = self._open_order(uuid)
        most = _volume_at(order, price)
        size = most if volume is None else volume
        if not ZERO <= size <= most or not _within_limit(order, price):
            raise ValueError(f"order {uuid} cannot trade {size} at {price}")
        after = (
            executed(order, price=price, volume=size, at=at)
            if size > ZERO
            else replace(order, state=State.CANCEL)
        )
        self._book(order, after)
        return after

    def cancel(self, *, uuid: str) -> Order:
        """End an open order and free what it still binds; raises OrderNotFound."""
        order = self._open_order(uuid)
        after = replace(order, state=State.CANCEL)
        self._book(order, after)
        return after

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

    def orders(self, *, account: str) -> Iterator[Order]:
        """Yield an account's orders, newest first."""
        for uuid in reversed(self._accounts[account].uuids):
            yield self._orders[uuid]

    def waiting(self, *, market: str) -> tuple[Order, ...]:
        """Return a market's open orders, oldest first."""
        return tuple(self._orders[uuid] for uuid in self._waiting.get(market, ()))

    def markets_waiting(self) -> tuple[str, ...]:
        """Return the markets that have open orders."""
        return tuple(market for market, uuids in self._waiting.items() if uuids)

    def _open_order(self, uuid: str) -> Order:
        order = self._orders.get(uuid)
        if order is None or order.state is not State.WAIT:
            raise OrderNotFound(uuid)
        return order

    def _keep(self, order: Order) -> None:
        self._orders[order.uuid] = order
        waiting = self._waiting.setdefault(order.request.market, {})
        if order.state is State.WAIT:
            waiting[order.uuid] = None
        else:
            waiting.pop(order.uuid, None)

    def _book(self, before: Order, after: Order) -> None:
        """Move money between the wallets as the step from *before* to *after* says."""
        wallets = self._accounts[after.account].wallets
        changed = _settled(
            before,
            after,
            cash=wallets.get("KRW", Wallet()),
            coins=wallets.get(after.base, Wallet()),
        )
        if any(w.balance < ZERO or w.locked < ZERO for w in changed):
            raise ValueError(f"order {after.uuid} would make a balance negative")
        wallets["KRW"], coins = changed
        if after.base in wallets or coins != Wallet():
            wallets[after.base] = coins
        self._keep(after)


def _locking(wallet: Wallet, order: Order) -> Wallet:
    need = order.locked
    if need > wallet.balance:
        raise OrderRefused(
            f"insufficient_funds_{order.request.side}",
            f"주문 가능한 금액({order.lock_currency})이 부족합니다.",
        )
    return replace(
        wallet,
        balance=EXACT.subtract(wallet.balance, need),
        locked=EXACT.add(wallet.locked, need),
    )


def _trades_at(order: Order, price: Decimal) -> bool:
    return order.request.ord_type is not OrderType.LIMIT or _within_limit(order, price)


def _within_limit(order: Order, price: Decimal) -> bool:
    limit = order.request.price
    if order.request.ord_type is not OrderType.LIMIT or limit is None:
        return True
    return price <= limit if order.request.side is Side.BID else price >= limit


def _own_price(order: Order) -> Decimal:
    if order.request.ord_type is not OrderType.LIMIT or order.request.price is None:
        raise ValueError(f"market order {order.uuid} cannot rest")
    return order.request.price


def _reached_first(order: Order) -> tuple[Side, Decimal]:
    price = _own_price(order)
    return order.request.side, -price if order.request.side is Side.BID else price


def _volume_at(order: Order, price: Decimal) -> Decimal:
    rest = order.remaining_volume
    return affordable(funds=order.total, price=price) if rest is None else rest


def _settled(
    before: Order, after: Order, *, cash: Wallet, coins: Wallet
) -> tuple[Wallet, Wallet]:
    """Return the two wallets once *after* replaces *before*."""
    still = after.locked if after.state is State.WAIT else ZERO
    freed = EXACT.subtract(before.locked, still)
    funds = EXACT.subtract(after.executed_funds, before.executed_funds)
    volume = EXACT.subtract(after.executed_volume, before.executed_volume)
    fee = EXACT.subtract(after.paid_fee, before.paid_fee)
    if after.request.side is Side.ASK:
        cash = _moved(cash, free=EXACT.subtract(funds, fee))
        return cash, _moved(
            coins, free=EXACT.subtract(freed, volume), locked=EXACT.minus(freed)
        )
    average = _average(coins, volume=volume, funds=funds)
    cost = EXACT.add(funds, fee)
    cash = _moved(cash, free=EXACT.subtract(freed, cost), locked=EXACT.minus(freed))
    return cash, replace(_moved(coins, free=volume), avg_buy_price=average)


def _moved(wallet: Wallet, *, free: Decimal, locked: Decimal = ZERO) -> Wallet:
    return replace(
        wallet,
        balance=EXACT.add(wallet.balance, free),
        locked=EXACT.add(wallet.locked, locked),
    )


def _average(coins: Wallet, *, volume: Decimal, funds: Decimal) -> Decimal:
    """Return the average buy price, KRW without fees; informative, so cut."""
    if volume == ZERO:
        return coins.avg_buy_price
    held = EXACT.add(coins.balance, coins.locked)
    worth = EXACT.add(EXACT.multiply(held, coins.avg_buy_price), funds)
    return CUT.quantize(CUT.divide(worth, EXACT.add(held, volume)), _AVERAGE_STEP)
