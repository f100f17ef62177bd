"""What a round sells: the resting take profit, and the exits at the market."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from common.money import MarketRules
from user_project.trading.backoff import backoff_until
from user_project.trading.facts import (
    Action,
    BotFacts,
    CycleFacts,
    ExitReason,
    OrderFacts,
    Place,
    Track,
)
from user_project.trading.lifecycle import CycleState, OrderState
from user_project.trading.orders import OrderKind, PriceQuote, Side
from user_project.trading.own_orders import cancels, live_of, next_attempt, of_stage
from user_project.trading.profit import calculate_break_even, calculate_take_profit

REPRICE_VOLUME_SHARE: Final = Decimal("0.005")
"""A resting take profit is replaced when its volume is off by more than this."""


def take_profit_price(*, cycle: CycleFacts, rules: MarketRules) -> Decimal:
    """Return the lowest valid price (KRW) that nets the wanted profit."""
    return calculate_take_profit(
        cost=cycle.cost, volume=cycle.volume, take_profit=cycle.take_profit, rules=rules
    )


def break_even_price(*, cycle: CycleFacts, rules: MarketRules) -> Decimal:
    """Return the lowest valid price (KRW) that gives the cost back."""
    return calculate_break_even(cost=cycle.cost, volume=cycle.volume, rules=rules)


def stop_price(*, bot: BotFacts, cycle: CycleFacts) -> Decimal | None:
    """Return the price (KRW) at or below which the stop sells; None without a stop."""
    if bot.stop_below_last is None:
        return None
    wanted = [s.price for s in cycle.stages if s.stage not in cycle.skipped]
    return min(wanted, default=cycle.stages[0].price) * (1 - bot.stop_below_last)


def armed_from(
    *, bot: BotFacts, cycle: CycleFacts, rules: MarketRules
) -> Decimal | None:
    """Return the price from which the peak is followed; None if no option needs it."""
    marks = []
    if bot.trailing is not None:
        marks.append(take_profit_price(cycle=cycle, rules=rules))
    if bot.break_even_after is not None:
        even = break_even_price(cycle=cycle, rules=rules)
        marks.append(even * (1 + bot.break_even_after))
    return min(marks, default=None)


def trailing_price(
    *, bot: BotFacts, cycle: CycleFacts, rules: MarketRules
) -> Decimal | None:
    """Return the price at which a followed peak is sold, never below break-even."""
    if bot.trailing is None or cycle.peak is None:
        return None
    if cycle.peak < take_profit_price(cycle=cycle, rules=rules):
        return None
    even = break_even_price(cycle=cycle, rules=rules)
    return max(cycle.peak * (1 - bot.trailing), even)


def protected_price(
    *, bot: BotFacts, cycle: CycleFacts, rules: MarketRules
) -> Decimal | None:
    """Return the break-even price once the price had risen far enough above it."""
    if bot.break_even_after is None or cycle.peak is None:
        return None
    even = break_even_price(cycle=cycle, rules=rules)
    return even if cycle.peak >= even * (1 + bot.break_even_after) else None


def due_exit(
    *,
    bot: BotFacts,
    cycle: CycleFacts,
    price: Decimal,
    rules: MarketRules,
    now: datetime,
) -> ExitReason | None:
    """Return why the round must be sold at the market now, None while it need not."""
    even = break_even_price(cycle=cycle, rules=rules)
    trailing = trailing_price(bot=bot, cycle=cycle, rules=rules)
    protected = protected_price(bot=bot, cycle=cycle, rules=rules)
    stop = stop_price(bot=bot, cycle=cycle)
    # A gain is taken before a loss is cut, and a clock comes last.
    if trailing is not None and even <= price <= trailing:
        return ExitReason.TRAILING
    if protected is not None and price <= protected:
        return ExitReason.BREAK_EVEN
    if stop is not None and price <= stop:
        return ExitReason.STOP_LOSS
    if bot.max_hold is not None and cycle.opened_at is not None:
        return ExitReason.MAX_HOLD if now - cycle.opened_at >= bot.max_hold else None
    return None


def follow_peak(
    *, bot: BotFacts, cycle: CycleFacts, price: Decimal, rules: MarketRules
) -> tuple[Action, ...]:
    """Remember a new peak where an option needs it."""
    mark = armed_from(bot=bot, cycle=cycle, rules=rules)
    if mark is None or price < mark or price <= (cycle.peak or 0):
        return ()
    return (Track(peak=price),)


def rest_take_profit(
    *,
    bot: BotFacts,
    cycle: CycleFacts,
    orders: Sequence[OrderFacts],
    rules: MarketRules,
    now: datetime,
) -> tuple[Action, ...]:
    """Keep one limit sell of the whole position at the take-profit price.

    A trailing bot keeps none: it would be sold before the peak.
    """
    if cycle.volume == 0 or cycle.state is not CycleState.OPEN:
        return ()
    exits = of_stage(orders, 0)
    resting = next(iter(live_of(exits)), None)
    if bot.trailing is not None:
        return cancels([resting]) if resting is not None and not bot.blocked else ()
    target = take_profit_price(cycle=cycle, rules=rules)
    if resting is not None:
        stale = _is_stale(resting, target=target, volume=cycle.volume, rules=rules)
        # An old exit is better than none while no new one may be sent.
        return cancels([resting]) if stale and not bot.blocked else ()
    wait_until = backoff_until(exits)
    if bot.blocked or (wait_until is not None and now < wait_until):
        return ()
    if rules.is_too_small(cycle.volume * target):
        return ()
    return (_sell(exits, cycle=cycle, price=target),)


def sell_at_market(
    *,
    cycle: CycleFacts,
    orders: Sequence[OrderFacts],
    price: PriceQuote | None,
    rules: MarketRules,
    now: datetime,
) -> tuple[tuple[Action, ...], bool, datetime | None]:
    """Withdraw what rests, then sell all; also tell of dust and of a pause.

    Returns the actions, whether the rest is too small to be sold, and when the next
    attempt may be made after a refusal.
    """
    live = [order for order in live_of(orders) if not _is_watched_buy(order)]
    if live:
        others = [o for o in live if not (o.side is Side.ASK and o.price is None)]
        return cancels(others), False, None
    worth = cycle.volume * price.price if price is not None else cycle.cost
    if rules.is_too_small(worth):
        return (), True, None
    exits = of_stage(orders, 0)
    wait_until = backoff_until(exits)
    if wait_until is not None and now < wait_until:
        return (), False, wait_until
    return (_sell(exits, cycle=cycle, price=None),), False, None


def _is_watched_buy(order: OrderFacts) -> bool:
    """A buy that was given up may be watched for a day: no sale waits for that."""
    return order.side is Side.BID and order.state is OrderState.ABANDONED_WATCH


def _sell(
    exits: Sequence[OrderFacts], *, cycle: CycleFacts, price: Decimal | None
) -> Place:
    return Place(
        stage=0,
        side=Side.ASK,
        kind=OrderKind.MARKET if price is None else OrderKind.LIMIT,
        attempt=next_attempt(exits),
        price=price,
        volume=cycle.volume,
    )


def _is_stale(
    order: OrderFacts, *, target: Decimal, volume: Decimal, rules: MarketRules
) -> bool:
    remaining = (order.requested_volume or Decimal(0)) - order.executed_volume
    off = abs(remaining - volume)
    if off > volume * REPRICE_VOLUME_SHARE:
        return True
    # A partly filled exit keeps its price: selling leaves the average unchanged.
    if order.executed_volume or order.price is None or order.price == target:
        return False
    # So does one within a tick, left from a grid that has changed since.
    on_tick = rules.ticks.is_on_tick(price=order.price)
    return on_tick or abs(order.price - target) >= rules.tick_size(target)
