"""What an account's own stream tells: each change of its orders and of its wallets.

There is no snapshot and no replay: who was not connected has to read the REST side.
Amounts are JSON numbers with exactly the digits of the exchange's books.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal
from typing import Final
from uuid import NAMESPACE_OID, uuid5

from common.money import VOLUME_STEP
from deploy.simulator.exchange.venue import milliseconds
from deploy.simulator.exchange.venue_events import VenueEvent
from deploy.simulator.rest.order_views import Json
from user_project.trading.matching_events import (
    Ended,
    Placed,
    Prevented,
    Traded,
)
from user_project.trading.matching_orders import ZERO, Execution, Order, Wallet

_AVERAGE: Final = Context(prec=60, rounding=ROUND_HALF_UP)
_SECOND_MS: Final = 1000

Holdings = dict[str, tuple[Decimal, Decimal]]
"""Free and locked amount by currency."""


def my_order(*, event: VenueEvent, order: Order, now_ms: int) -> Json | None:
    """Return the message on an event, or None when nothing is told about it.

    *order* = the order right after the event.
    """
    match event:
        case Placed():
            return _message(order, "wait", None, now_ms)
        case Traded():
            return _message(order, "trade", event.trade, now_ms)
        case Prevented():
            return _message(order, "prevented", None, now_ms)
        case Ended():
            return _message(order, str(event.state), None, now_ms)
        case _:
            return None


def _message(order: Order, state: str, trade: Execution | None, now_ms: int) -> Json:
    request = order.request
    names_won = request.volume is None
    return {
        "type": "myOrder",
        "code": request.market,
        "uuid": order.uuid,
        "ask_bid": request.side.upper(),
        "order_type": str(request.ord_type),
        "state": state,
        "trade_uuid": trade and trade.uuid,
        "price": trade.price if trade else request.price,
        "avg_price": _average(order),
        "volume": trade.volume if trade else request.volume,
        "remaining_volume": order.remaining_volume,
        # The exchange leaves the coins of an order that names won open at first.
        "executed_volume": None
        if names_won and not order.trades
        else order.executed_volume,
        "trades_count": len(order.trades),
        "reserved_fee": order.reserved_fee,
        "remaining_fee": order.remaining_fee,
        "paid_fee": order.paid_fee,
        "locked": order.locked,
        "executed_funds": order.executed_funds,
        "time_in_force": request.time_in_force and str(request.time_in_force),
        "trade_fee": trade and trade.fee,
        "is_maker": trade and trade.is_maker,
        "identifier": request.identifier,
        "smp_type": str(request.smp_type),
        "prevented_volume": order.prevented_volume,
        "prevented_locked": order.prevented_locked,
        "trade_timestamp": milliseconds(order.trades[-1].at) if order.trades else None,
        "order_timestamp": milliseconds(order.created_at) // _SECOND_MS * _SECOND_MS,
        "timestamp": now_ms,
        "stream_type": "REALTIME",
    }


def _average(order: Order) -> Decimal:
    """Return what a coin cost or brought on average, KRW."""
    if order.executed_volume == ZERO:
        return ZERO
    price = _AVERAGE.divide(order.executed_funds, order.executed_volume)
    return _AVERAGE.quantize(price, VOLUME_STEP)


def holdings(wallets: dict[str, Wallet], /) -> Holdings:
    """Return the part of the wallets that the stream tells of."""
    return {name: (one.balance, one.locked) for name, one in wallets.items()}


def my_asset(
    *, pocket: str, before: Holdings, after: Holdings, now_ms: int
) -> Json | None:
    """Return the message on the currencies that changed, or None when none did."""
    changed = [
        {"currency": currency, "balance": balance, "locked": locked}
        for currency, (balance, locked) in after.items()
        if before.get(currency) != (balance, locked)
    ]
    if not changed:
        return None
    return {
        "type": "myAsset",
        "asset_uuid": str(uuid5(NAMESPACE_OID, pocket)),
        "assets": changed,
        "asset_timestamp": now_ms,
        "timestamp": now_ms,
        "stream_type": "REALTIME",
    }
