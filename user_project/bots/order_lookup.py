"""Find out what became of an order whose POST had no definite answer.

Look it up; when the exchange keeps denying it, send the same identifier and body again,
which can never make a second order. A new identifier needs proof that the old one is
dead: a refusal, or "used before" while no list knows it (burned).
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _

from user_project.bots import booking, events, switches
from user_project.bots.booking import move_order
from user_project.bots.models import Order
from user_project.bots.order_protocol import (
    Desk,
    adopt,
    close,
    doubt,
    drop_intent,
    send,
)
from user_project.exchanges.adapter import ExchangeError, NotFound
from user_project.trading.facts import Why
from user_project.trading.lifecycle import BotState, OrderState
from user_project.trading.lifecycle import OrderTrigger as Trigger
from user_project.trading.orders import OrderKind, Side

log = logging.getLogger(__name__)

LOOK_UP_AFTER: Final = tuple(
    timedelta(seconds=seconds) for seconds in (0.3, 1, 2, 4, 8, 15, 30)
)
LOOK_UP_EVERY: Final = timedelta(seconds=60)
REPOST_AFTER: Final = timedelta(seconds=3)
REPOST_LOOK_UPS: Final = 2
MOST_POSTS: Final = 6
REPOST_PRICE_GUARD: Final = Decimal("0.005")
BURN_AFTER: Final = timedelta(seconds=60)
GIVE_UP_AFTER: Final = timedelta(minutes=10)
BUYING_BOTS: Final = frozenset({BotState.RUNNING, BotState.FINISHING})
SELLING_BOTS: Final = BUYING_BOTS | {BotState.PAUSED}
LOOK_BACK: Final = timedelta(days=1)
DUPLICATE: Final = "duplicated_identifier"


def settle(*, desk: Desk, order: Order) -> None:
    """Find out what became of an order that is POSTING, UNKNOWN or watched."""
    if order.state == OrderState.INTENT:
        drop_intent(desk=desk, order=order)
        return
    if order.state == OrderState.POSTING:
        # Its sender died or was fenced off before it could write the answer.
        doubt(desk=desk, order=order, error=None)
    if not _look_up_due(order, now=desk.clock()):
        return
    try:
        view = desk.adapter.get_order(identifier=order.identifier)
    except NotFound:
        _not_found(desk=desk, order=order)
    except ExchangeError as error:
        # A failed look-up is no information; it never counts as "not found".
        log.warning("look-up of %s failed: %s", order.identifier, error)
    else:
        adopt(desk=desk, order=order, view=view)


def _look_up_due(order: Order, *, now: datetime) -> bool:
    if order.state == OrderState.ABANDONED_WATCH:
        return order.looked_up_at is None or now - order.looked_up_at >= LOOK_UP_EVERY
    if order.posted_at is None:
        return True
    if order.not_found_count < len(LOOK_UP_AFTER):
        return now - order.posted_at >= LOOK_UP_AFTER[order.not_found_count]
    return order.looked_up_at is None or now - order.looked_up_at >= LOOK_UP_EVERY


def _not_found(*, desk: Desk, order: Order) -> None:
    Order.objects.filter(pk=order.pk).update(
        not_found_count=F("not_found_count") + 1, looked_up_at=desk.clock()
    )
    order.refresh_from_db()
    if order.state == OrderState.ABANDONED_WATCH:
        return
    now = desk.clock()
    waited = now - (order.posted_at or order.created_at)
    if order.not_found_count < REPOST_LOOK_UPS or waited < _repost_pause(order):
        return
    if order.verdict.startswith(DUPLICATE):
        # "Used before", yet unknown: it exists somewhere, or it is burned.
        if waited >= BURN_AFTER and not _listed(desk=desk, order=order):
            _burn(desk=desk, order=order)
        return
    if _may_repost(desk=desk, order=order):
        send(desk=desk, order=order)
    elif now - order.created_at >= GIVE_UP_AFTER:
        _abandon(desk=desk, order=order)


def _may_repost(*, desk: Desk, order: Order) -> bool:
    if order.post_count >= MOST_POSTS or not _still_wanted(desk=desk, order=order):
        return False
    if order.kind == OrderKind.LIMIT or order.decision_price is None:
        return True
    try:
        quote = desk.adapter.get_prices(markets=[order.market]).get(order.market)
    except ExchangeError:
        return False
    if quote is None:
        return False
    moved = abs(quote.price - order.decision_price)
    return moved <= order.decision_price * REPOST_PRICE_GUARD


def _still_wanted(*, desk: Desk, order: Order) -> bool:
    """Tell whether the bot would send this order now: not stopped, nothing forbids it.

    An order that never arrived would begin to exist by being sent again.
    """
    states = SELLING_BOTS if order.side == Side.ASK else BUYING_BOTS
    if desk.bot.state not in states:
        return False
    why = switches.blocked(bot=desk.bot, now=desk.clock())
    return why in (Why.NOTHING, Why.RECONCILE_DUE)


def _listed(*, desk: Desk, order: Order) -> bool:
    """Look for the identifier in the open and closed lists as a second witness."""
    # A day at least: the intent's time may come from a clock that was put right since.
    since = min(order.created_at - booking.CLOCK_TOLERANCE, desk.clock() - LOOK_BACK)
    try:
        views = desk.adapter.list_orders(market=order.market)
        views += desk.adapter.list_orders(
            market=order.market, open_only=False, since=since
        )
    except ExchangeError:
        return True  # no information: keep watching
    return any(view.identifier == order.identifier for view in views)


def _burn(*, desk: Desk, order: Order) -> None:
    with transaction.atomic():
        desk.lease.guard()
        close(order=order, trigger=Trigger.BURN, verdict=order.verdict, desk=desk)
        events.record(
            bot=desk.bot,
            order=order,
            kind="order.burned",
            message=lambda: (
                _("%(stage_name)s 주문은 접수되지 않은 것으로 확인했습니다.")
                % {"stage_name": order.stage_name}
            ),
        )


def _abandon(*, desk: Desk, order: Order) -> None:
    """Stop trying, keep the money reserved and keep watching the identifier."""
    with transaction.atomic():
        desk.lease.guard()
        move_order(order=order, trigger=Trigger.ABANDON)
        events.record(
            bot=desk.bot,
            order=order,
            kind="order.abandoned",
            message=lambda: (
                _(
                    "%(stage_name)s 주문의 결과를 알 수 없어 감시합니다. 거래소의 주문 내역을 확인하세요."
                )
                % {"stage_name": order.stage_name}
            ),
        )


def _repost_pause(order: Order) -> timedelta:
    """3 seconds, doubling with every POST, at most a minute."""
    doublings: int = 2 ** max(order.post_count - 1, 0)
    return min(REPOST_AFTER * doublings, LOOK_UP_EVERY)
