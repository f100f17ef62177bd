"""The bots' diary: one appended row per thing that happened, and why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.utils import translation
from django.utils.translation import gettext

from user_project.bots.models import Bot, BotEvent, Cycle, Order

Say = str | Callable[[], str]
"""A sentence that has no numbers in it, or a function that writes one in the language
that is active then."""
LONGEST: Final = 300


def record(
    *,
    bot: Bot,
    kind: str,
    message: Say,
    cycle: Cycle | None = None,
    order: Order | None = None,
    **data: Any,
) -> None:
    """Append one event; *message* is a sentence for the trader, *data* for programs."""
    if order is not None and cycle is None:
        cycle = order.cycle
    BotEvent.objects.create(
        bot=bot, cycle=cycle, order=order, kind=kind, data=data, **written(message)
    )


def written(message: Say, /) -> dict[str, str]:
    """Return the columns that keep *message*: a reader's language is not known yet."""
    return {
        "message": _in("ko", message)[:LONGEST],
        "message_en": _in("en", message)[:LONGEST],
    }


def _in(language: str, message: Say, /) -> str:
    with translation.override(language):
        return message() if callable(message) else gettext(message)
