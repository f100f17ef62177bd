"""What every page says while the operator's switch stops the trading of all owners."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.http import HttpRequest

from user_project.bots import switches


def server_stop(request: HttpRequest) -> dict[str, Callable[[], datetime | None]]:
    """Give templates the question, not the answer: who shows no banner asks nothing.

    Since when is all an owner is told: who turned the switch is the operators' business.
    """
    return {"server_stopped_at": switches.server_stopped_at}
