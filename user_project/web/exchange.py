"""What the top of every page says of the connection to the exchange."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest
from django.utils import timezone

from user_project.bots import exchange_line as lines


def exchange_line(
    request: HttpRequest,
) -> dict[str, Callable[[], lines.ExchangeLine]]:
    """Give templates the question: the login page, which shows no state, asks nothing."""
    return {"exchange_line": lambda: lines.exchange_line(now=timezone.now())}
