"""The bots' diary: one appended row per thing that happened, and why."""

from __future__ import annotations

from typing import Any

from user_project.bots.models import Bot, BotEvent, Cycle, Order


def record(
    *,
    bot: Bot,
    kind: str,
    message: str,
    cycle: Cycle | None = None,
    order: Order | None = None,
    **data: Any,
) -> None:
    """Append one event; *message* is a sentence for the trader, *data* for programs."""
    if order is not None and cycle is None:
        cycle = order.cycle
    BotEvent.objects.create(
        bot=bot, cycle=cycle, order=order, kind=kind, message=message[:300], data=data
    )
