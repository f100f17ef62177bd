"""Upbit's JSON of orders, accounts and order chances: amounts are strings."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

from common.money import MarketRules, plain
from deploy.simulator.exchange.assumptions import Assumptions
from user_project.trading.matching_orders import Execution, Order, Wallet
from user_project.trading.orders import Side

Json = dict[str, Any]
SEOUL: Final = ZoneInfo("Asia/Seoul")
PADDED_DECIMALS: Final = 8
_ANY_SIDE: Final = ("limit", "limit_fok", "limit_ioc", "best_fok", "best_ioc")


def kst(at: datetime, /, *, fraction: bool = False) -> str:
    """Return an instant as Upbit writes it: Korean time with its offset."""
    return at.astimezone(SEOUL).isoformat(
        timespec="microseconds" if fraction else "seconds"
    )


def amount(value: Decimal, /, *, assumptions: Assumptions) -> str:
    """Return an amount without exponent, as short as it can be or with 8 decimals."""
    text = plain(value)
    if assumptions.numbers == "short":
        return text
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.ljust(PADDED_DECIMALS, '0')}"


def order_view(
    order: Order,
    /,
    *,
    assumptions: Assumptions,
    with_trades: bool = False,
    is_new: bool = False,
) -> Json:
    """Return an order; what does not apply to its type is absent or null.

    *is_new*: it answers the call that made it.
    """
    request = order.request
    text = partial(amount, assumptions=assumptions)
    view: Json = {
        "market": request.market,
        "uuid": order.uuid,
        "side": str(request.side),
        "ord_type": str(request.ord_type),
        "price": request.price,
        "state": str(order.state),
        "created_at": kst(
            order.created_at,
            fraction=is_new and assumptions.created_at == "microseconds",
        ),
        "volume": request.volume,
        "remaining_volume": order.remaining_volume,
        "executed_volume": text(order.executed_volume),
        "reserved_fee": text(order.reserved_fee),
        "remaining_fee": text(order.remaining_fee),
        "paid_fee": text(order.paid_fee),
        "locked": text(order.locked),
        "trades_count": len(order.trades),
        "prevented_volume": text(order.prevented_volume),
        "prevented_locked": text(order.prevented_locked),
        "smp_type": str(request.smp_type),
    }
    for name in ("price", "volume", "remaining_volume"):
        if view[name] is not None:
            view[name] = text(view[name])
        elif assumptions.absent_amounts == "absent":
            del view[name]
    if assumptions.executed_funds == "present":
        view["executed_funds"] = text(order.executed_funds)
    if request.time_in_force is not None:
        view["time_in_force"] = str(request.time_in_force)
    if request.identifier is not None:
        view["identifier"] = request.identifier
    if with_trades:
        view["trades"] = [
            _trade_view(order, trade, assumptions) for trade in order.trades
        ]
    return view


def _trade_view(order: Order, trade: Execution, assumptions: Assumptions) -> Json:
    # The trend is the incoming order's: up when it bought.
    bought = (order.request.side is Side.BID) is not trade.is_maker
    return {
        "market": order.request.market,
        "uuid": trade.uuid,
        "price": amount(trade.price, assumptions=assumptions),
        "volume": amount(trade.volume, assumptions=assumptions),
        "funds": amount(trade.funds, assumptions=assumptions),
        "trend": "up" if bought else "down",
        "created_at": kst(trade.at, fraction=True),
        "side": str(order.request.side),
    }


def name_view(order: Order, /) -> Json:
    """Return what the answer to a bulk cancellation says of one order."""
    view = {"uuid": order.uuid, "market": order.request.market}
    if order.request.identifier is not None:
        view["identifier"] = order.request.identifier
    return view


def account_view(currency: str, wallet: Wallet, /, *, assumptions: Assumptions) -> Json:
    """Return one currency of an account; ``balance`` excludes what is locked."""
    return {
        "currency": currency,
        "balance": amount(wallet.balance, assumptions=assumptions),
        "locked": amount(wallet.locked, assumptions=assumptions),
        "avg_buy_price": amount(wallet.avg_buy_price, assumptions=assumptions),
        "avg_buy_price_modified": False,
        "unit_currency": "KRW",
    }


def chance_view(
    *,
    rules: MarketRules,
    is_online: bool,
    wallets: dict[str, Wallet],
    assumptions: Assumptions,
) -> Json:
    """Return what may be ordered in one market, and with which means."""
    quote, base = rules.market.split("-", 1)
    minimum = plain(rules.min_total)
    return {
        "bid_fee": plain(rules.bid_fee),
        "ask_fee": plain(rules.ask_fee),
        "maker_bid_fee": plain(rules.bid_fee),
        "maker_ask_fee": plain(rules.ask_fee),
        "market": {
            "id": rules.market,
            "name": f"{base}/{quote}",
            "order_types": ["limit"],
            "order_sides": ["ask", "bid"],
            "bid_types": [*_ANY_SIDE, "price"],
            "ask_types": [*_ANY_SIDE, "market"],
            "bid": {"currency": quote, "min_total": minimum},
            "ask": {"currency": base, "min_total": minimum},
            "max_total": plain(rules.max_total),
            "state": "active" if is_online else "offline",
        },
        "bid_account": account_view(
            quote, wallets.get(quote, Wallet()), assumptions=assumptions
        ),
        "ask_account": account_view(
            base, wallets.get(base, Wallet()), assumptions=assumptions
        ),
    }
