"""``manage_user.py watch``: the supervised process that wakes bots."""

from __future__ import annotations

import signal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand
from django.utils import timezone

from user_project.bots.tasks import reconcile_accounts, wake
from user_project.bots.watch import Watcher
from user_project.exchanges.registry import build_adapter


class Command(BaseCommand):
    """Translate signals, run the watcher."""

    help = "Watch prices and the clock and wake the bots that have something to do."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGTERM or Ctrl-C."""
        stop_signals: list[int] = []
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda received, _: stop_signals.append(received))
        quotes = build_adapter(
            exchange="upbit",
            base_url=settings.UPBIT_BASE_URL,
            access_key="",
            secret_key="",
            rate_factor=settings.RATE_FACTOR,
            redis_url=settings.REDIS_URL,
            pocket="quotation",
        )
        self.stdout.write(f"watching {settings.UPBIT_BASE_URL}")
        watcher = Watcher(
            quotes=quotes,
            wake=wake,
            reconcile=lambda: reconcile_accounts.apply_async(expires=30),
            clock=timezone.now,
        )
        watcher.run(stopping=lambda: bool(stop_signals))
