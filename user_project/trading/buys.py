"""What a round buys next: the first buy, the stages, what the owner asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, NamedTuple

from common.money import MarketRules, truncate_volume
from user_project.trading.backoff import FIRST_BACKOFF, backoff_until
from user_project.trading.facts import (
    AbortCycle,
    Action,
    BotFacts,
    CycleFacts,
    OrderFacts,
    Place,
    PlannedStage,
    Why,
)
from user_project.trading.lifecycle import (
    LIVE_ORDERS,
    UNSETTLED_ORDERS,
    BotState,
    OrderState,
)
from user_project.trading.orders import OrderKind, PriceQuote, Side
from user_project.trading.own_orders import (
    BUSY_TICK,
    cancels,
    is_crossed,
    live_of,
    next_attempt,
    of_stage,
    refusal,
)

PRICE_MAX_AGE: Final = timedelta(seconds=5)
PLAN_DRIFT: Final = Decimal("0.01")
"""A plan whose start price is further away than this is made anew."""


class Buys(NamedTuple):
    """Orders to send or withdraw, why nothing else is bought, when to look again."""

    actions: tuple[Action, ...] = ()
    reason: Why = Why.NOTHING
    retry_at: datetime | None = None


class Missing(NamedTuple):
    """A stage that still lacks coins."""

    stage: PlannedStage
    volume: Decimal


def is_fresh(price: PriceQuote | None, /, *, now: datetime) -> bool:
    """Tell whether a price is young enough to send an order on."""
    return price is not None and now - price.received_at <= PRICE_MAX_AGE


def decide_buys(
    *,
    bot: BotFacts,
    cycle: CycleFacts,
    orders: Sequence[OrderFacts],
    price: PriceQuote | None,
    rules: MarketRules,
    now: datetime,
) -> Buys:
    """Return what to buy. The reasons rank: pause, block, doubt, price, then the plan."""
    bids = [order for order in orders if order.side is Side.BID]
    if bot.state is BotState.PAUSED:
        return Buys(cancels(live_of(bids)), Why.PAUSED)
    if bot.blocked:
        return Buys((), bot.blocked, now + 5 * BUSY_TICK)
    if any(order.state in UNSETTLED_ORDERS for order in bids):
        return Buys((), Why.ORDER_PENDING)
    if price is None or not is_fresh(price, now=now):
        return Buys((), Why.STALE_PRICE, now + BUSY_TICK)
    if cycle.volume == 0 and cycle.received == 0:
        return _first_buy(
            bot=bot, cycle=cycle, bids=bids, price=price.price, rules=rules, now=now
        )
    manual = _manual_buys(
        cycle=cycle, bids=bids, price=price.price, rules=rules, now=now
    )
    staged = _stage_buys(
        bot=bot, cycle=cycle, bids=bids, price=price.price, rules=rules, now=now
    )
    return staged._replace(actions=manual + staged.actions)


def missing_stages(
    *, cycle: CycleFacts, orders: Sequence[OrderFacts], rules: MarketRules
) -> list[Missing]:
    """Return the later stages that still lack coins, highest price first."""
    bids = [order for order in orders if order.side is Side.BID]
    # The grid may have changed since the plan was frozen; a new order keeps to it.
    return [
        Missing(stage, volume)
        for planned in cycle.stages[1:]
        if planned.stage not in cycle.skipped
        for stage in (replace(planned, price=rules.floor_tick(planned.price)),)
        if (volume := _missing_volume(stage, bids, rules)) is not None
    ]


def _first_buy(
    *,
    bot: BotFacts,
    cycle: CycleFacts,
    bids: Sequence[OrderFacts],
    price: Decimal,
    rules: MarketRules,
    now: datetime,
) -> Buys:
    if live_of(bids):
        return Buys((), Why.ORDER_PENDING)
    refused = next((o for o in bids if o.state is OrderState.REFUSED), None)
    if refused is not None:
        reason = refusal(refused)
        return Buys((AbortCycle(reason=reason),), reason, now + FIRST_BACKOFF)
    first = cycle.stages[0]
    if rules.is_too_small(first.amount):
        return Buys(
            (AbortCycle(reason=Why.MIN_ORDER),), Why.MIN_ORDER, now + FIRST_BACKOFF
        )
    if abs(price - first.price) > first.price * PLAN_DRIFT:
        return Buys(
            (AbortCycle(reason=Why.PRICE_MOVED),), Why.PRICE_MOVED, now + BUSY_TICK
        )
    if cycle.start_at is not None and now < cycle.start_at:
        return Buys((), Why.START_DELAY, cycle.start_at)
    if bot.braked:
        return Buys((), Why.BRAKE)
    wait_until = backoff_until(bids)
    if wait_until is not None and now < wait_until:
        return Buys((), Why.ORDER_REFUSED, wait_until)
    return Buys((_market_buy(first, bids),), Why.ORDER_PENDING)


def _manual_buys(
    *,
    cycle: CycleFacts,
    bids: Sequence[OrderFacts],
    price: Decimal,
    rules: MarketRules,
    now: datetime,
) -> tuple[Action, ...]:
    """Buy at the market what the owner asked for, near the price it was asked at."""
    wanted = []
    for asked in cycle.manual_buys:
        own = of_stage(bids, asked.stage)
        done = any(o.state in LIVE_ORDERS or o.executed_volume for o in own)
        wait_until = backoff_until(own)
        waits = wait_until is not None and now < wait_until
        moved = abs(price - asked.price) > asked.price * PLAN_DRIFT
        if not (done or waits or moved or rules.is_too_small(asked.amount)):
            wanted.append(_market_buy(asked, own))
    return tuple(wanted)


def _stage_buys(
    *,
    bot: BotFacts,
    cycle: CycleFacts,
    bids: Sequence[OrderFacts],
    price: Decimal,
    rules: MarketRules,
    now: datetime,
) -> Buys:
    """Keep the next stages resting at their own prices."""
    dropped = _unwanted(cycle, bids)
    missing = missing_stages(cycle=cycle, orders=bids, rules=rules)
    if bot.braked:
        return Buys(dropped, Why.BRAKE if missing else Why.ALL_STAGES)
    actions: list[Action] = [*dropped]
    reason, retry_at = (Why.WAIT_PRICE if missing else Why.ALL_STAGES), None
    crossed_allowed = _cooled_down(bot=bot, cycle=cycle, now=now)
    if any(is_crossed(order, price) for order in bids):
        crossed_allowed = False  # the last such buy is only not booked yet
    for stage, volume in _in_window(missing, bot=bot, price=price):
        own = of_stage(bids, stage.stage)
        if live_of(own):
            continue
        wait_until = backoff_until(own)
        if wait_until is not None and now < wait_until:
            reason, retry_at = refusal(own[-1]), wait_until
            continue
        if price <= stage.price:
            # The price jumped below this stage: one such buy per cool-down.
            if not crossed_allowed:
                reason, retry_at = Why.STAGE_COOLDOWN, _cool_again(bot, cycle, now)
                continue
            crossed_allowed = False
        actions.append(_limit_buy(stage, volume=volume, attempt=next_attempt(own)))
    return Buys(tuple(actions), reason, retry_at)


def _in_window(
    missing: Sequence[Missing], *, bot: BotFacts, price: Decimal
) -> Iterable[Missing]:
    """The stages that may rest; with none to rest, the next one once it is reached."""
    if bot.resting_stages:
        return missing[: bot.resting_stages]
    return [one for one in missing[:1] if price <= one.stage.price]


def _unwanted(cycle: CycleFacts, bids: Sequence[OrderFacts]) -> tuple[Action, ...]:
    """Withdraw what rests of stages that the owner skipped."""
    return cancels([order for order in bids if order.stage in cycle.skipped])


def _missing_volume(
    stage: PlannedStage, bids: Sequence[OrderFacts], rules: MarketRules
) -> Decimal | None:
    """Return the volume this stage still lacks, None when it needs no order."""
    own = of_stage(bids, stage.stage)
    if any(order.state is OrderState.FILLED for order in own):
        return None
    spent = sum((order.executed_funds for order in own), Decimal(0))
    volume = truncate_volume((stage.amount - spent) / stage.price)
    return None if rules.is_too_small(volume * stage.price) else volume


def _limit_buy(stage: PlannedStage, *, volume: Decimal, attempt: int) -> Place:
    return Place(
        stage=stage.stage,
        side=Side.BID,
        kind=OrderKind.LIMIT,
        attempt=attempt,
        price=stage.price,
        volume=volume,
    )


def _market_buy(stage: PlannedStage, own: Sequence[OrderFacts]) -> Place:
    return Place(
        stage=stage.stage,
        side=Side.BID,
        kind=OrderKind.MARKET,
        attempt=next_attempt(of_stage(own, stage.stage)),
        funds=stage.amount,
    )


def _cooled_down(*, bot: BotFacts, cycle: CycleFacts, now: datetime) -> bool:
    if cycle.last_buy_at is None:
        return True
    return now - cycle.last_buy_at >= bot.stage_cooldown


def _cool_again(bot: BotFacts, cycle: CycleFacts, now: datetime) -> datetime | None:
    if cycle.last_buy_at is None or _cooled_down(bot=bot, cycle=cycle, now=now):
        return None
    return cycle.last_buy_at + bot.stage_cooldown
