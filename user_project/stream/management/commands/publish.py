"""``manage_user.py publish``: the supervised process that tells open pages."""

from __future__ import annotations

import signal
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from user_project.bots.redis_client import shared_client
from user_project.stream.publisher import Publisher


class Command(BaseCommand):
    """Translate signals, run the publisher."""

    help = "Tell open pages what happens to their bots, until stopped."

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGTERM or Ctrl-C."""
        stop_signals: list[int] = []
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda received, _: stop_signals.append(received))
        publisher = Publisher(client=shared_client(), clock=timezone.now)
        self.stdout.write("telling open pages")
        publisher.run(stopping=lambda: bool(stop_signals))
