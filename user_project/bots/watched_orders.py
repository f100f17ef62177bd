"""The end of watching an order that was given up; a person says that it never was."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.utils.translation import gettext as _

from user_project.bots import booking, events
from user_project.bots.models import Bot, Cycle, Order
from user_project.bots.problems import BotProblem
from user_project.trading.lifecycle import OrderState, OrderTrigger

WATCH_AT_LEAST: Final = timedelta(hours=24)
"""So long a request may still arrive, as far as anybody knows."""


def close_watched_order(*, order: Order, now: datetime) -> None:
    """Say for a person that an order given up a day ago never was; its money is freed.

    Should it appear on the exchange after all, the reconciliation quarantines the account.
    """
    with transaction.atomic():
        bot = Bot.objects.select_for_update().get(pk=order.bot_id)
        cycle = Cycle.objects.select_for_update().get(pk=order.cycle_id)
        order = Order.objects.select_for_update().get(pk=order.pk)
        _check_watched(order, now=now)
        booking.release_reservation(order=order, cycle=cycle)
        cycle.save(update_fields=("reserved",))
        booking.move_order(
            order=order,
            trigger=OrderTrigger.CLOSE,
            reserved=order.reserved,
            verdict="closed by a person",
            closed_at=now,
        )
        bot.next_tick_at = now
        bot.save(update_fields=("next_tick_at",))
        events.record(
            bot=bot,
            order=order,
            cycle=cycle,
            kind="order.closed_by_person",
            message=lambda: (
                _(
                    "%(stage_name)s 주문이 거래소에 없음을 사람이 확인하고 감시를 끝냈습니다."
                )
                % {"stage_name": order.stage_name}
            ),
        )


def _check_watched(order: Order, *, now: datetime) -> None:
    if order.state != OrderState.ABANDONED_WATCH:
        raise BotProblem(
            "NOT_WATCHED",
            _("'감시 중'인 주문만 닫을 수 있습니다. 새로 고쳐 확인하세요."),
        )
    if now - (order.posted_at or order.created_at) < WATCH_AT_LEAST:
        raise BotProblem(
            "WATCHED_TOO_SHORT",
            _(
                "보낸 지 24시간이 지나야 닫을 수 있습니다. 그 전에는 늦게 접수될 수 있습니다."
            ),
        )
