"""At which prices and when a running round would be sold, for pages and programs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from user_project.bots import cycles
from user_project.bots.frozen_plan import frozen_rules
from user_project.bots.models import Bot, Cycle
from user_project.trading import sells
from user_project.trading.facts import BotFacts
from user_project.trading.lifecycle import BotState


@dataclass(frozen=True, slots=True, kw_only=True)
class Exits:
    """KRW per coin; None where the bot's options or the round have no such exit."""

    take_profit: Decimal | None = None
    trailing: Decimal | None = None
    protected: Decimal | None = None
    """Break-even, once the price was far enough above it."""
    stop: Decimal | None = None
    sold_at: datetime | None = None
    """Then everything is sold whatever the price."""


def exits_of(*, bot: Bot, cycle: Cycle, now: datetime) -> Exits:
    """Return the exits as the next decision would compute them."""
    facts = cycles.cycle_facts(cycle=cycle, now=now)
    if not facts.volume:
        return Exits()
    wanted, rules = _wanted(bot), frozen_rules(cycle.plan)
    hours = bot.max_hold_hours
    return Exits(
        take_profit=sells.take_profit_price(cycle=facts, rules=rules),
        trailing=sells.trailing_price(bot=wanted, cycle=facts, rules=rules),
        protected=sells.protected_price(bot=wanted, cycle=facts, rules=rules),
        stop=sells.stop_price(bot=wanted, cycle=facts),
        sold_at=None if hours is None else cycle.opened_at + timedelta(hours=hours),
    )


def _wanted(bot: Bot) -> BotFacts:
    """The options alone: a page does not ask what forbids orders."""
    return BotFacts(
        state=BotState(bot.state),
        stage_cooldown=timedelta(seconds=bot.stage_cooldown_seconds),
        trailing=bot.trailing,
        stop_below_last=bot.stop_below_last,
        break_even_after=bot.break_even_after,
    )
