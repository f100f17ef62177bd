"""Send an order exactly once, follow it, cancel it.

The row is committed before anything is sent. One POST, no retries below us. Whatever is
not a definite answer becomes UNKNOWN and is looked up; see order_lookup.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal, localcontext
from typing import Any, Final

from django.db import transaction
from django.db.models import F
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as _noop

from common.money import MarketRules, plain
from user_project.accounts.models import ExchangeAccount
from user_project.bots import booking, events, switches
from user_project.bots.booking import LostRace, move_cycle, move_order
from user_project.bots.identifiers import order_identifier
from user_project.bots.lease import Lease, LeaseLost
from user_project.bots.models import Bot, Cycle, Order
from user_project.bots.quarantine import set_apart
from user_project.exchanges.adapter import (
    ExchangeAdapter,
    ExchangeError,
    KeyRefused,
    Refused,
)
from user_project.trading.amounts import PRECISE
from user_project.trading.facts import FIRST_MANUAL_STAGE, Place
from user_project.trading.lifecycle import CycleState, CycleTrigger, OrderState
from user_project.trading.lifecycle import OrderTrigger as Trigger
from user_project.trading.orders import OrderKind, OrderRequest, OrderView, Side

log = logging.getLogger(__name__)

CANCEL_AGAIN_AFTER: Final = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Desk:
    """What it takes to act for one bot: its lease, its exchange, a clock."""

    bot: Bot
    lease: Lease
    adapter: ExchangeAdapter
    clock: Callable[[], datetime]


def intend(
    *,
    desk: Desk,
    cycle: Cycle,
    place: Place,
    rules: MarketRules,
    decision_price: Decimal | None,
    decided_on: dict[str, Any] | None = None,
) -> Order:
    """Commit the intent and reserve its money; nothing is sent yet.

    Raises LostRace when the bot changed, or something forbade new orders, meanwhile.
    """
    reserved = _reservation(place, rules)
    with transaction.atomic():
        bot = desk.lease.guard()
        if bot.state != desk.bot.state:
            raise LostRace(f"bot {bot.pk} became {bot.state} meanwhile")
        locked = Cycle.objects.select_for_update().get(pk=cycle.pk)
        why = switches.blocked(bot=bot, now=desk.clock())
        if not switches.may_send(why=why, place=place, exit_reason=locked.exit_reason):
            raise LostRace(f"bot {bot.pk}: {why} forbids new orders by now")
        if locked.state == CycleState.PLANNED:
            move_cycle(cycle=locked, trigger=CycleTrigger.SEND)
        with localcontext(PRECISE):
            locked.reserved += reserved
            if place.stage >= FIRST_MANUAL_STAGE:
                # Money beside the plan: the owner asked for this buy.
                locked.budget = (locked.budget + reserved).to_integral_value(
                    ROUND_CEILING
                )
        locked.save()
        return Order.objects.create(
            bot=bot,
            cycle=locked,
            stage=place.stage,
            side=place.side,
            attempt=place.attempt,
            identifier=order_identifier(
                bot_id=bot.pk,
                cycle=locked.seq,
                stage=place.stage,
                side=place.side,
                attempt=place.attempt,
            ),
            market=locked.market,
            kind=place.kind,
            price=place.price,
            requested_volume=place.volume,
            funds=place.funds,
            reserved=reserved,
            decision_price=decision_price,
            body_sha256=_fingerprint(locked.market, place),
            decided_on=decided_on,
            fence=desk.lease.fence,
        )


def send(*, desk: Desk, order: Order) -> bool:
    """POST once and record the answer; False when the answer was not definite."""
    with transaction.atomic():
        desk.lease.guard()
        move_order(
            order=order,
            trigger=Trigger.POST,
            posted_at=desk.clock(),
            post_count=F("post_count") + 1,
            not_found_count=0,
        )
    order.refresh_from_db()
    if not desk.lease.may_send():
        raise LeaseLost(f"bot {desk.bot.pk}: too little of the lease left to send")
    try:
        view = _post(desk.adapter, order)
    except (Refused, KeyRefused) as error:
        return _refused(desk=desk, order=order, error=error)
    except Exception as error:
        # Anything else, known or not, leaves the question open.
        doubt(desk=desk, order=order, error=error)
        return False
    adopt(desk=desk, order=order, view=view)
    return True


def follow(*, desk: Desk, order: Order) -> None:
    """Read an order that exists, with its trades; repeat a cancel that got lost."""
    view = desk.adapter.get_order(uuid=order.exchange_uuid)
    order = adopt(desk=desk, order=order, view=view)
    if order.state != OrderState.CANCELLING:
        return
    asked_at = order.cancel_asked_at
    if asked_at is None or desk.clock() - asked_at > CANCEL_AGAIN_AFTER:
        _ask_to_cancel(desk=desk, order=order)


def cancel(*, desk: Desk, order: Order) -> None:
    """Commit CANCELLING, then ask; the end is only known from a later read."""
    if order.state == OrderState.INTENT:
        drop_intent(desk=desk, order=order)
        return
    with transaction.atomic():
        desk.lease.guard()
        move_order(order=order, trigger=Trigger.CANCEL)
    _ask_to_cancel(desk=desk, order=order)


def adopt(*, desk: Desk, order: Order, view: OrderView) -> Order:
    """Book what the exchange says; quarantine the account if it is not our order."""
    try:
        with transaction.atomic():
            desk.lease.guard()
            return booking.apply_view(
                order=order,
                view=view,
                now=desk.clock(),
                clock_offset=desk.adapter.clock_offset,
            )
    except booking.Mismatch as error:
        _quarantine(desk=desk, order=order, reason=str(error))
        raise


def drop_intent(*, desk: Desk, order: Order) -> None:
    """Close an intent that was never sent; the decision is made anew."""
    with transaction.atomic():
        desk.lease.guard()
        close(order=order, trigger=Trigger.CLOSE, verdict="never sent", desk=desk)


def _post(adapter: ExchangeAdapter, order: Order) -> OrderView:
    request = OrderRequest(
        identifier=order.identifier,
        market=order.market,
        side=Side(order.side),
        kind=OrderKind(order.kind),
        price=order.price,
        volume=order.requested_volume,
        funds=order.funds,
    )
    if request.kind is OrderKind.MARKET:
        return adapter.place_market_order(request=request)
    return adapter.place_limit_order(request=request)


def _refused(*, desk: Desk, order: Order, error: ExchangeError) -> bool:
    if order.post_count > 1:
        # An earlier POST may have arrived: then a refusal says nothing about it.
        doubt(desk=desk, order=order, error=error)
        return False
    with transaction.atomic():
        desk.lease.guard()
        verdict = f"{error.name}: {error}"
        close(order=order, trigger=Trigger.REFUSE, verdict=verdict, desk=desk)
        events.record(
            bot=desk.bot,
            order=order,
            kind="order.refused",
            message=lambda: (
                _("%(stage_name)s 주문을 거래소가 거부했습니다: %(error)s")
                % {"stage_name": order.stage_name, "error": error}
            ),
            name=error.name,
        )
        if isinstance(error, KeyRefused):
            ExchangeAccount.objects.filter(pk=desk.bot.account_id).update(
                key_problem=str(error)[:200]
            )
    return True


def doubt(*, desk: Desk, order: Order, error: Exception | None) -> None:
    name = error.name if isinstance(error, ExchangeError) else ""
    verdict = f"{name}: {error}" if error else "sender died"
    if not isinstance(error, ExchangeError | None):
        log.error("sending %s failed oddly", order.identifier, exc_info=error)
    with transaction.atomic():
        desk.lease.guard()
        move_order(order=order, trigger=Trigger.DOUBT, verdict=verdict[:200])
        events.record(
            bot=desk.bot,
            order=order,
            kind="order.unknown",
            message=lambda: (
                _("%(stage_name)s 주문의 응답이 확실하지 않아 조회합니다.")
                % {"stage_name": order.stage_name}
            ),
            verdict=verdict[:200],
        )


def close(*, order: Order, trigger: Trigger, verdict: str, desk: Desk) -> None:
    cycle = Cycle.objects.select_for_update().get(pk=order.cycle_id)
    booking.release_reservation(order=order, cycle=cycle)
    cycle.save(update_fields=("reserved",))
    move_order(
        order=order,
        trigger=trigger,
        reserved=order.reserved,
        verdict=verdict[:200],
        closed_at=desk.clock(),
    )


def _ask_to_cancel(*, desk: Desk, order: Order) -> None:
    asked_at = desk.clock()
    Order.objects.filter(pk=order.pk).update(cancel_asked_at=asked_at)
    try:
        desk.adapter.cancel_order(uuid=order.exchange_uuid or "")
    except ExchangeError as error:
        # Finished meanwhile, or not heard: the next read tells.
        log.info("cancel of %s answered: %s", order.identifier, error)


def _quarantine(*, desk: Desk, order: Order, reason: str) -> None:
    with transaction.atomic():
        set_apart(account_id=desk.bot.account_id, reason=reason, now=desk.clock())
        events.record(
            bot=desk.bot,
            order=order,
            kind="order.mismatch",
            message=_noop("거래소의 주문이 우리가 보낸 것과 다릅니다."),
            reason=reason,
        )


def _reservation(place: Place, rules: MarketRules) -> Decimal:
    if place.side is Side.ASK:
        return Decimal(0)
    if place.funds is not None:
        total = place.funds
    else:
        total = PRECISE.multiply(place.price or Decimal(0), place.volume or Decimal(0))
    return PRECISE.multiply(total, 1 + rules.bid_fee)


def _fingerprint(market: str, place: Place) -> str:
    body = {
        "market": market,
        "side": place.side,
        "kind": place.kind,
        **{
            name: plain(value)
            for name, value in (
                ("price", place.price),
                ("volume", place.volume),
                ("funds", place.funds),
            )
            if value is not None
        },
    }
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
