"""Whether the exchange's books add up, worked out a second time from their first causes.

What an account must own follows from its deposits and trades alone, what must be locked
from its open orders; where that differs from its balances, something is broken.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal

from common.money import plain
from user_project.trading.matching import MatchingEngine
from user_project.trading.matching_orders import EXACT, ZERO, Order, State, Wallet
from user_project.trading.orders import Side

Sums = dict[str, Decimal]


def violations(*, engine: MatchingEngine, account: str) -> Iterator[str]:
    """Yield what does not add up in an account; nothing when all is well."""
    orders = list(engine.orders(account=account))
    for text in _broken(engine, account, orders):
        yield f"{account}: {text}"


def _broken(
    engine: MatchingEngine, account: str, orders: Sequence[Order]
) -> Iterator[str]:
    wallets = engine.wallets(account=account)
    owned, bound = _owned(engine, account, orders), _bound(orders)
    for currency in sorted({*wallets, *owned, *bound}):
        wallet = wallets.get(currency, Wallet())
        yield from _money(currency, wallet, owned=owned, bound=bound)
    yield from _identifiers(engine, account, orders)
    for order in orders:
        for text in _trades(order):
            yield f"order {order.uuid} {text}"


def _owned(engine: MatchingEngine, account: str, orders: Sequence[Order]) -> Sums:
    owned: Sums = {}
    for deposit in engine.deposits(account=account):
        _add(owned, deposit.currency, deposit.amount)
    for order in orders:
        bought = order.request.side is Side.BID
        for trade in order.trades:
            volume, funds = trade.volume, EXACT.minus(trade.funds)
            if not bought:
                volume, funds = EXACT.minus(volume), trade.funds
            _add(owned, order.base, volume)
            _add(owned, "KRW", EXACT.subtract(funds, trade.fee))
    return owned


def _bound(orders: Sequence[Order]) -> Sums:
    bound: Sums = {}
    for order in orders:
        if order.state is State.WAIT:
            _add(bound, order.lock_currency, order.locked)
    return bound


def _add(sums: Sums, currency: str, amount: Decimal) -> None:
    sums[currency] = EXACT.add(sums.get(currency, ZERO), amount)


def _money(currency: str, wallet: Wallet, *, owned: Sums, bound: Sums) -> Iterator[str]:
    said = EXACT.add(wallet.balance, wallet.locked)
    true = owned.get(currency, ZERO)
    if said != true:
        yield f"deposits and trades make {currency} {plain(true)}, not {plain(said)}"
    open_ones = bound.get(currency, ZERO)
    if wallet.locked != open_ones:
        yield (
            f"open orders bind {currency} {plain(open_ones)},"
            f" not {plain(wallet.locked)}"
        )
    if wallet.balance < ZERO or wallet.locked < ZERO:
        yield f"{currency} is below zero"


def _identifiers(
    engine: MatchingEngine, account: str, orders: Sequence[Order]
) -> Iterator[str]:
    used = Counter(engine.burned(account=account))
    used.update(one.request.identifier for one in orders if one.request.identifier)
    for identifier, count in used.items():
        if count > 1:
            yield f"identifier {identifier} was used {count} times"


def _trades(order: Order) -> Iterator[str]:
    """Yield where an order differs from the sum of its trades, or they from its terms."""
    sums: Sums = {"volume": ZERO, "funds": ZERO, "fee": ZERO}
    for trade in order.trades:
        _add(sums, "volume", trade.volume)
        _add(sums, "funds", trade.funds)
        _add(sums, "fee", trade.fee)
        if trade.fee != EXACT.multiply(trade.funds, order.fee_rate):
            yield f"paid a wrong fee in trade {trade.uuid}"
        if not _within_limit(order, trade.price):
            yield f"traded beyond its limit in trade {trade.uuid}"
    said = (order.executed_volume, order.executed_funds, order.paid_fee)
    if tuple(sums.values()) != said:
        yield "says other sums than its trades make"
    if order.remaining_volume is not None and order.remaining_volume < ZERO:
        yield "traded more than it asked for"


def _within_limit(order: Order, price: Decimal) -> bool:
    limit = order.request.limit
    if limit is None:
        return True
    return price <= limit if order.request.side is Side.BID else price >= limit
