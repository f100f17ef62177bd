"""What a bot can lose, as its owner reads it before consenting to real money."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from django.core.cache import cache

from common.money import plain
from user_project.bots import services
from user_project.bots.models import Bot
from user_project.bots.options import options_of
from user_project.bots.problems import BotProblem

KEPT: Final = timedelta(seconds=10)
"""Reading a page again must not use up what the exchange answers in a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LossEstimate:
    """The loss when all stages were bought and sold at the last one, in won."""

    worst_case: Decimal
    drop: Decimal
    """Ratio of the fall to the last stage, 0.12 for 12 %."""
    price_at: datetime
    """When the price held that the plan starts from."""


def loss_estimate(*, bot: Bot, now: datetime) -> LossEstimate | None:
    """Plan *bot* as it would start now; None where no plan can be made.

    A bot whose options have changed is planned anew, otherwise the last answer stands
    for ``KEPT``.
    """
    options = repr(options_of(bot)).encode()
    key = f"loss:{bot.pk}:{hashlib.sha256(options).hexdigest()}"
    known: dict[str, str] | None = cache.get(key)
    if known is None:
        known = _planned(bot, now=now)
        cache.set(key, known, KEPT.total_seconds())
    return _read(known) if known else None


def _planned(bot: Bot, /, *, now: datetime) -> dict[str, str]:
    """Return the estimate as the cache keeps it; empty without a plan."""
    owner: Any = bot.owner
    try:
        preview = services.preview_bot(owner=owner, options=options_of(bot), now=now)
    except BotProblem:
        return {}
    return {
        "worst_case": plain(preview.plan.worst_case),
        "drop": plain(preview.plan.drop),
        "price_at": preview.price_at.isoformat(),
    }


def _read(known: dict[str, str], /) -> LossEstimate:
    return LossEstimate(
        worst_case=Decimal(known["worst_case"]),
        drop=Decimal(known["drop"]),
        price_at=datetime.fromisoformat(known["price_at"]),
    )
