"""Words for stories about whole rounds on the real matching engine."""

from __future__ import annotations

from typing import Any

from tests.user.floor import Floor
from user_project.bots.models import (
    Bot,
    BotEvent,
    Cycle,
    Order,
)
from user_project.trading.orders import Side


def bought(floor: Floor, **options: Any) -> Cycle:
    """Let the bot buy its first stage; *options* are the bot's."""
    Bot.objects.update(**options)
    floor.run_often(4)
    cycle: Cycle = floor.bot.cycles.get()
    assert cycle.volume > 0
    return cycle


def fall(floor: Floor, price: int, *, runs: int = 5, seconds: float = 3) -> None:
    floor.exchange.trade_at(str(price))
    floor.run_often(runs, seconds=seconds)


def now_of(cycle: Cycle) -> Cycle:
    cycle.refresh_from_db()
    return cycle


def kinds() -> list[str]:
    return list(BotEvent.objects.order_by("id").values_list("kind", flat=True))


def resting(side: Side) -> int:
    return Order.objects.live().filter(side=side).count()
