"""At which prices a bot must be woken: something has probably filled, or is due."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from common.money import MarketRules
from user_project.trading.buys import missing_stages
from user_project.trading.facts import BotFacts, CycleFacts, OrderFacts
from user_project.trading.lifecycle import BotState
from user_project.trading.orders import Side
from user_project.trading.own_orders import live_of
from user_project.trading.sells import (
    armed_from,
    protected_price,
    stop_price,
    trailing_price,
)


def wake_prices(
    *,
    bot: BotFacts,
    cycle: CycleFacts,
    orders: Sequence[OrderFacts],
    rules: MarketRules,
) -> tuple[Decimal | None, Decimal | None]:
    """Return the prices (KRW) at or below, and at or above which to look again."""
    live = live_of(orders)
    below = _prices(live, Side.BID) + _next_stage(bot, cycle, orders, rules)
    above = _prices(live, Side.ASK)
    if cycle.volume > 0:
        below += [
            price
            for price in (
                stop_price(bot=bot, cycle=cycle),
                trailing_price(bot=bot, cycle=cycle, rules=rules),
                protected_price(bot=bot, cycle=cycle, rules=rules),
            )
            if price is not None
        ]
        above += _next_peak(bot, cycle, rules)
    return max(below, default=None), min(above, default=None)


def _prices(live: Sequence[OrderFacts], side: Side) -> list[Decimal]:
    return [o.price for o in live if o.side is side and o.price is not None]


def _next_stage(
    bot: BotFacts, cycle: CycleFacts, orders: Sequence[OrderFacts], rules: MarketRules
) -> list[Decimal]:
    """The next stage, where none rests on the exchange before its price is reached."""
    buying = bot.state in (BotState.RUNNING, BotState.FINISHING) and not bot.blocked
    if bot.resting_stages or bot.braked or not buying or cycle.volume == 0:
        return []
    missing = missing_stages(cycle=cycle, orders=orders, rules=rules)
    return [one.stage.price for one in missing[:1]]


def _next_peak(bot: BotFacts, cycle: CycleFacts, rules: MarketRules) -> list[Decimal]:
    mark = armed_from(bot=bot, cycle=cycle, rules=rules)
    if mark is None:
        return []
    if cycle.peak is None:
        return [mark]
    return [max(mark, cycle.peak + rules.tick_size(cycle.peak))]
