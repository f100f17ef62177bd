"""What the exchange tells of our orders, until the bots concerned have been woken."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Final

from user_project.bots.models import Bot, Order
from user_project.exchanges.order_feed import Notices
from user_project.trading.lifecycle import OrderState

IN_DOUBT: Final = (
    OrderState.POSTING,
    OrderState.UNKNOWN,
    OrderState.ABANDONED_WATCH,
)


class OrderNews:
    """Makes the bots due to whose orders something happened; forgets nothing on failure.

    A bot that a worker holds may have read its orders just before: it becomes due when
    the worker lets go.
    """

    def __init__(self, *, reconcile_account: Callable[[uuid.UUID], object]) -> None:
        self._reconcile_account = reconcile_account
        self._told: set[str] = set()
        self._accepted: set[str] = set()
        self._moved: set[uuid.UUID] = set()
        self._opened: set[uuid.UUID] = set()

    def mind(self, notices: Notices[uuid.UUID], *, now: datetime) -> None:
        """Take in what was told and make due what can be made due now."""
        self._told |= notices.identifiers
        self._accepted |= notices.accepted
        self._opened |= notices.opened
        for account_id in tuple(self._opened):
            self._reconcile_account(account_id)
            self._opened.discard(account_id)
        if self._told:
            told = Order.objects.filter(identifier__in=self._told)
            self._moved.update(told.values_list("bot_id", flat=True))
            self._told.clear()
        if self._accepted:
            self._judge_accepted(now)
        if self._moved:
            self._make_due(now)

    def _judge_accepted(self, now: datetime) -> None:
        """An order was put on the book: news only where its answer got lost.

        While a worker holds the bot, it may just be reading that answer.
        """
        orders = Order.objects.filter(identifier__in=self._accepted)
        held = orders.filter(bot__lease_until__gte=now)
        waiting = set(held.values_list("identifier", flat=True))
        lost = orders.filter(state__in=IN_DOUBT).exclude(identifier__in=waiting)
        self._moved.update(lost.values_list("bot_id", flat=True))
        self._accepted = waiting

    def _make_due(self, now: datetime) -> None:
        moved = Bot.objects.filter(pk__in=self._moved)
        free = set(moved.free(now=now).values_list("pk", flat=True))
        Bot.objects.filter(pk__in=free).update(next_tick_at=now)
        self._moved -= free
