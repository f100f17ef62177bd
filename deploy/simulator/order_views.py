"""Upbit's JSON of orders, accounts and order chances: amounts are strings."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from common.money import MarketRules, plain
from user_project.trading.matching_orders import Execution, Order, OrderType, Wallet

Json = dict[str, Any]
SEOUL = ZoneInfo("Asia/Seoul")


def kst(at: datetime, /, *, fraction: bool = False) -> str:
    """Return an instant as Upbit writes it: Korean time with its offset."""
    return at.astimezone(SEOUL).isoformat(
        timespec="microseconds" if fraction else "seconds"
    )


def order_view(order: Order, *, with_trades: bool = False) -> Json:
    """Return an order; what does not apply to its type is absent, not null."""
    request = order.request
    view: Json = {
        "uuid": order.uuid,
        "market": request.market,
        "side": str(request.side),
        "ord_type": str(request.ord_type),
        "state": str(order.state),
        "created_at": kst(order.created_at),
        "executed_volume": plain(order.executed_volume),
        "reserved_fee": plain(order.reserved_fee),
        "remaining_fee": plain(order.remaining_fee),
        "paid_fee": plain(order.paid_fee),
        "locked": plain(order.locked),
        "trades_count": len(order.trades),
        "smp_type": request.smp_type or "none",
        "prevented_volume": "0",
        "prevented_locked": "0",
    }
    optional: dict[str, Decimal | str | None] = {
        "price": request.price,
        "volume": request.volume,
        "remaining_volume": order.remaining_volume,
        "identifier": request.identifier,
    }
    for name, value in optional.items():
        if value is not None:
            view[name] = plain(value) if isinstance(value, Decimal) else value
    if with_trades:
        view["trades"] = [_trade_view(order, trade) for trade in order.trades]
    return view


def _trade_view(order: Order, trade: Execution) -> Json:
    return {
        "market": order.request.market,
        "uuid": trade.uuid,
        "price": plain(trade.price),
        "volume": plain(trade.volume),
        "funds": plain(trade.funds),
        "trend": "up" if order.request.ord_type is not OrderType.MARKET else "down",
        "created_at": kst(trade.at, fraction=True),
        "side": str(order.request.side),
    }


def account_view(*, currency: str, wallet: Wallet) -> Json:
    """Return one currency of an account; ``balance`` excludes what is locked."""
    return {
        "currency": currency,
        "balance": plain(wallet.balance),
        "locked": plain(wallet.locked),
        "avg_buy_price": plain(wallet.avg_buy_price),
        "avg_buy_price_modified": False,
        "unit_currency": "KRW",
    }


def chance_view(*, rules: MarketRules, cash: Wallet, coins: Wallet) -> Json:
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
            "bid_types": ["limit", "price"],
            "ask_types": ["limit", "market"],
            "bid": {"currency": quote, "min_total": minimum},
            "ask": {"currency": base, "min_total": minimum},
            "max_total": plain(rules.max_total),
            "state": "active",
        },
        "bid_account": account_view(currency=quote, wallet=cash),
        "ask_account": account_view(currency=base, wallet=coins),
    }
