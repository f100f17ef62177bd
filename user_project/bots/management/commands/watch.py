"""``manage_user.py watch``: the supervised process that wakes bots."""

from __future__ import annotations

import signal
import threading
import uuid
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils import timezone

from user_project.accounts.startup import say_unreadable_keys
from user_project.bots.tasks import reconcile_accounts, reconcile_one, waiting, wake
from user_project.bots.watch import Watcher
from user_project.exchanges.adapter import ExchangeAdapter
from user_project.exchanges.order_feed import OrderFeed
from user_project.exchanges.price_feed import PriceFeed
from user_project.exchanges.registry import build_adapter

RECONCILE_EXPIRES_SECONDS = 30


class Command(BaseCommand):
    """Translate signals, run the watcher."""

    help = "Watch prices and orders and wake the bots that have something to do."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGTERM or Ctrl-C."""
        stop_signals: list[int] = []
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda received, _: stop_signals.append(received))
        rang = threading.Event()
        live_prices = PriceFeed(adapter=_public_adapter(), rang=rang)
        live_orders: OrderFeed[uuid.UUID] = OrderFeed(rang=rang)
        watcher = Watcher(
            live_prices=live_prices,
            live_orders=live_orders,
            wake=wake,
            waiting=waiting,
            reconcile=lambda: reconcile_accounts.apply_async(
                expires=RECONCILE_EXPIRES_SECONDS
            ),
            reconcile_account=_reconcile_account,
            clock=timezone.now,
        )
        say_unreadable_keys()
        live_prices.start()
        self.stdout.write(f"watching {settings.UPBIT_BASE_URL}")
        try:
            watcher.run(stopping=lambda: bool(stop_signals), rang=rang)
        finally:
            live_prices.stop()
            live_orders.stop()


def _public_adapter() -> ExchangeAdapter:
    return build_adapter(
        exchange="upbit",
        base_url=settings.UPBIT_BASE_URL,
        access_key="",
        secret_key="",
        rate_factor=settings.RATE_FACTOR,
        redis_url=settings.REDIS_URL,
        pocket="quotation",
    )


def _reconcile_account(account_id: uuid.UUID) -> None:
    reconcile_one.apply_async(
        kwargs={"account_id": str(account_id)}, expires=RECONCILE_EXPIRES_SECONDS
    )
