"""Questions about a round's orders that several decisions ask."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Final

from user_project.trading.facts import Action, Cancel, OrderFacts, Why
from user_project.trading.lifecycle import LIVE_ORDERS, UNSETTLED_ORDERS, OrderState

IDLE_TICK: Final = timedelta(seconds=30)
BUSY_TICK: Final = timedelta(seconds=1)


def live_of(orders: Sequence[OrderFacts], /) -> list[OrderFacts]:
    """Return those that exist or may exist on the exchange, or are about to."""
    return [order for order in orders if order.state in LIVE_ORDERS]


def of_stage(orders: Sequence[OrderFacts], stage: int, /) -> list[OrderFacts]:
    """Return one stage's orders in their given order."""
    return [order for order in orders if order.stage == stage]


def next_attempt(orders: Sequence[OrderFacts], /) -> int:
    """Return the number of the next attempt; every attempt has its own identifier."""
    return max((order.attempt for order in orders), default=0) + 1


def cancels(orders: Sequence[OrderFacts], /) -> tuple[Action, ...]:
    """Cancel what rests or was never sent; what is unsettled settles first."""
    return tuple(
        Cancel(order_id=order.id)
        for order in orders
        if order.state in (OrderState.OPEN, OrderState.INTENT)
    )


def is_pending(order: OrderFacts, /) -> bool:
    """In doubt, or a market order whose fill is a matter of a moment."""
    at_market = order.price is None and order.state is OrderState.OPEN
    return at_market or order.state in UNSETTLED_ORDERS


def is_crossed(order: OrderFacts, price: Decimal, /) -> bool:
    """Tell whether a live limit buy must have filled at the last *price* already."""
    live = order.state in LIVE_ORDERS
    return live and order.price is not None and order.price > price


def pause_for(live: Sequence[OrderFacts], /) -> timedelta:
    """Look again soon, unless all that is left is looked up once a minute anyway."""
    watched = all(order.state is OrderState.ABANDONED_WATCH for order in live)
    return IDLE_TICK if watched else BUSY_TICK


def refusal(order: OrderFacts, /) -> Why:
    """Translate the exchange's verdict into the bot's reason."""
    if order.verdict.startswith("insufficient_funds"):
        return Why.WAIT_FUNDS
    if order.verdict.startswith("market_offline"):
        return Why.MARKET_OFFLINE
    return Why.ORDER_REFUSED
