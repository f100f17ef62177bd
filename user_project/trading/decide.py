"""What a bot does next: one pure function of facts and ``now``.

Live, paper and backtest run this same code; it knows nothing of databases or networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from common.money import MarketRules, truncate_volume
from user_project.trading.backoff import FIRST_BACKOFF, backoff_until
from user_project.trading.facts import (
    AbortCycle,
    Action,
    BotFacts,
    Cancel,
    CloseCycle,
    CycleFacts,
    Decision,
    FinishBot,
    OrderFacts,
    Place,
    PlannedStage,
    StartCycle,
    Why,
)
from user_project.trading.lifecycle import (
    LIVE_ORDERS,
    UNSETTLED_ORDERS,
    BotState,
    CycleState,
    OrderState,
)
from user_project.trading.orders import OrderKind, PriceQuote, Side
from user_project.trading.plan import calculate_take_profit

RESTING_WINDOW: Final = 2
"""So many stage buys wait on the exchange; the next follow as these fill."""
PRICE_MAX_AGE: Final = timedelta(seconds=5)
REPRICE_VOLUME_SHARE: Final = Decimal("0.005")
"""A resting take profit is replaced when its volume is off by more than this."""
PLAN_DRIFT: Final = Decimal("0.01")
"""A plan whose start price is further away than this is made anew."""
IDLE_TICK: Final = timedelta(seconds=30)
BUSY_TICK: Final = timedelta(seconds=1)


def decide(
    *,
    bot: BotFacts,
    cycle: CycleFacts | None,
    orders: Sequence[OrderFacts],
    price: PriceQuote | None,
    rules: MarketRules | None,
    now: datetime,
) -> Decision:
    """Return what to do next; ``orders`` are all orders of the running cycle."""
    if bot.state is BotState.HALTED:
        return Decision(reason=Why.HALTED, next_tick_at=_if_live(orders, now))
    if cycle is None or rules is None:
        return _without_cycle(bot=bot, now=now)
    if not rules.is_active and not bot.blocked:
        bot = replace(bot, blocked=Why.MARKET_OFFLINE)
    if bot.state is BotState.STOPPED:
        return _wind_down(cycle=cycle, orders=orders, reason=Why.STOPPED, now=now)
    if _is_flat(cycle, orders, rules):
        return _settle_flat(bot=bot, cycle=cycle, orders=orders, now=now)
    if cycle.state is CycleState.FROZEN:
        return Decision(reason=Why.FROZEN, next_tick_at=now + IDLE_TICK)
    return _run_cycle(
        bot=bot, cycle=cycle, orders=orders, price=price, rules=rules, now=now
    )


def _without_cycle(*, bot: BotFacts, now: datetime) -> Decision:
    if bot.state is BotState.FINISHING:
        return Decision(actions=(FinishBot(),), next_tick_at=None)
    if bot.state is not BotState.RUNNING:
        return Decision(reason=Why(bot.state.name), next_tick_at=None)
    if bot.blocked:
        return Decision(reason=bot.blocked, next_tick_at=now + 5 * BUSY_TICK)
    if bot.next_cycle_at is not None and now < bot.next_cycle_at:
        return Decision(reason=Why.COOLDOWN, next_tick_at=bot.next_cycle_at)
    return Decision(actions=(StartCycle(),), next_tick_at=now + BUSY_TICK)


def _wind_down(
    *,
    cycle: CycleFacts,
    orders: Sequence[OrderFacts],
    reason: Why,
    now: datetime,
) -> Decision:
    """Cancel what rests; coins that were bought stay with the cycle."""
    live = [order for order in orders if order.state in LIVE_ORDERS]
    if live:
        return Decision(
            actions=_cancels(live), reason=reason, next_tick_at=now + _pause(live)
        )
    if cycle.volume > 0:
        return Decision(reason=reason, next_tick_at=None)
    end = CloseCycle() if cycle.received > 0 else AbortCycle(reason=reason)
    return Decision(actions=(end,), reason=reason, next_tick_at=None)


def _is_flat(
    cycle: CycleFacts, orders: Sequence[OrderFacts], rules: MarketRules
) -> bool:
    """Sold out; a rest too small to be sold, and not on sale any more, may be left."""
    if cycle.received == 0:
        return False
    on_sale = any(o.side is Side.ASK and o.state in LIVE_ORDERS for o in orders)
    return cycle.volume == 0 or (rules.is_too_small(cycle.cost) and not on_sale)


def _settle_flat(
    *,
    bot: BotFacts,
    cycle: CycleFacts,
    orders: Sequence[OrderFacts],
    now: datetime,
) -> Decision:
    """After the take profit: withdraw the resting buys, then close."""
    live = [order for order in orders if order.state in LIVE_ORDERS]
    if not live:
        return Decision(actions=(CloseCycle(),), next_tick_at=now + BUSY_TICK)
    return Decision(
        actions=_cancels(live),
        reason=Why.ORDER_PENDING,
        next_tick_at=now + _pause(live),
    )


def _run_cycle(
    *,
    bot: BotFacts,
    cycle: CycleFacts,
    orders: Sequence[OrderFacts],
    price: PriceQuote | None,
    rules: MarketRules,
    now: datetime,
) -> Decision:
    sells = _take_profit(bot=bot, cycle=cycle, orders=orders, rules=rules, now=now)
    buys, reason, retry_at = _buys(
        bot=bot, cycle=cycle, orders=orders, price=price, rules=rules, now=now
    )
    actions = sells + buys
    busy = bool(actions) or any(_is_pending(order) for order in orders)
    next_tick_at = now + (BUSY_TICK if busy else IDLE_TICK)
    if retry_at is not None:
        next_tick_at = min(next_tick_at, max(retry_at, now + BUSY_TICK))
    below, above = _triggers(orders)
    return Decision(
        actions=actions,
        reason=reason,
        next_tick_at=next_tick_at,
        wake_below=below,
        wake_above=above,
    )


def _take_profit(
    *,
    bot: BotFacts,
    cycle: CycleFacts,
    orders: Sequence[OrderFacts],
    rules: MarketRules,
    now: datetime,
) -> tuple[Action, ...]:
    """Keep one limit sell of the whole position at the take-profit price."""
    if cycle.volume == 0 or cycle.state is not CycleState.OPEN:
        return ()
    target = calculate_take_profit(
        cost=cycle.cost, volume=cycle.volume, take_profit=cycle.take_profit, rules=rules
    )
    exits = [order for order in orders if order.stage == 0]
    resting = next((order for order in exits if order.state in LIVE_ORDERS), None)
    if resting is not None:
        stale = _is_stale_exit(resting, target=target, volume=cycle.volume, rules=rules)
        # An old exit is better than none while no new one may be sent.
        return _cancels([resting]) if stale and not bot.blocked else ()
    wait_until = backoff_until(exits)
    if bot.blocked or (wait_until is not None and now < wait_until):
        return ()
    if rules.is_too_small(cycle.volume * target):
        return ()
    return (
        Place(
            stage=0,
            side=Side.ASK,
            kind=OrderKind.LIMIT,
            attempt=_next_attempt(exits),
            price=target,
            volume=cycle.volume,
        ),
    )


def _is_stale_exit(
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


def _buys(
    *,
    bot: BotFacts,
    cycle: CycleFacts,
    orders: Sequence[OrderFacts],
    price: PriceQuote | None,
    rules: MarketRules,
    now: datetime,
) -> tuple[tuple[Action, ...], Why, datetime | None]:
    bids = [order for order in orders if order.side is Side.BID]
    if bot.state is BotState.PAUSED:
        resting = [order for order in bids if order.state in LIVE_ORDERS]
        return _cancels(resting), Why.PAUSED, None
    if bot.blocked:
        return (), bot.blocked, now + 5 * BUSY_TICK
    if any(order.state in UNSETTLED_ORDERS for order in bids):
        return (), Why.ORDER_PENDING, None
    if price is None or now - price.received_at > PRICE_MAX_AGE:
        return (), Why.STALE_PRICE, now + BUSY_TICK
    if cycle.volume == 0 and cycle.received == 0:
        return _first_buy(
            cycle=cycle, bids=bids, price=price.price, rules=rules, now=now
        )
    return _stage_buys(
        bot=bot, cycle=cycle, bids=bids, price=price.price, rules=rules, now=now
    )


def _first_buy(
    *,
    cycle: CycleFacts,
    bids: Sequence[OrderFacts],
    price: Decimal,
    rules: MarketRules,
    now: datetime,
) -> tuple[tuple[Action, ...], Why, datetime | None]:
    if any(order.state in LIVE_ORDERS for order in bids):
        return (), Why.ORDER_PENDING, None
    refused = next((o for o in bids if o.state is OrderState.REFUSED), None)
    if refused is not None:
        reason = _refusal(refused)
        return (AbortCycle(reason=reason),), reason, now + FIRST_BACKOFF
    first = cycle.stages[0]
    if rules.is_too_small(first.amount):
        return (AbortCycle(reason=Why.MIN_ORDER),), Why.MIN_ORDER, now + FIRST_BACKOFF
    if abs(price - first.price) > first.price * PLAN_DRIFT:
        return (AbortCycle(reason=Why.STALE_PRICE),), Why.STALE_PRICE, now + BUSY_TICK
    wait_until = backoff_until(bids)
    if wait_until is not None and now < wait_until:
        return (), Why.ORDER_REFUSED, wait_until
    place = Place(
        stage=first.stage,
        side=Side.BID,
        kind=OrderKind.MARKET,
        attempt=_next_attempt(bids),
        funds=first.amount,
    )
    return (place,), Why.ORDER_PENDING, None


def _stage_buys(
    *,
    bot: BotFacts,
    cycle: CycleFacts,
    bids: Sequence[OrderFacts],
    price: Decimal,
    rules: MarketRules,
    now: datetime,
) -> tuple[tuple[Action, ...], Why, datetime | None]:
    """Keep the next stages resting at their own prices."""
    wanted = [
        (stage, volume)
        for planned in cycle.stages[1:]
        # The grid may have changed since the plan was frozen; a new order keeps to it.
        for stage in (replace(planned, price=rules.floor_tick(planned.price)),)
        if (volume := _missing_volume(stage, bids, rules)) is not None
    ][:RESTING_WINDOW]
    actions: list[Action] = []
    reason, retry_at = (Why.WAIT_PRICE if wanted else Why.ALL_STAGES), None
    crossed_allowed = _cooled_down(bot=bot, cycle=cycle, now=now)
    if any(_is_crossed(order, price) for order in bids):
        crossed_allowed = False  # the last such buy is only not booked yet
    for stage, volume in wanted:
        own = [order for order in bids if order.stage == stage.stage]
        if any(order.state in LIVE_ORDERS for order in own):
            continue
        wait_until = backoff_until(own)
        if wait_until is not None and now < wait_until:
            reason, retry_at = _refusal(own[-1]), wait_until
            continue
        if price <= stage.price:
            # The price jumped below this stage: one such buy per cool-down.
            if not crossed_allowed:
                reason = Why.STAGE_COOLDOWN
                continue
            crossed_allowed = False
        actions.append(_limit_buy(stage, volume=volume, attempt=_next_attempt(own)))
    return tuple(actions), reason, retry_at


def _missing_volume(
    stage: PlannedStage, bids: Sequence[OrderFacts], rules: MarketRules
) -> Decimal | None:
    """Return the volume this stage still lacks, None when it needs no order."""
    own = [order for order in bids if order.stage == stage.stage]
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


def _cooled_down(*, bot: BotFacts, cycle: CycleFacts, now: datetime) -> bool:
    if cycle.last_buy_at is None:
        return True
    return now - cycle.last_buy_at >= bot.stage_cooldown


def _refusal(order: OrderFacts) -> Why:
    if order.verdict.startswith("insufficient_funds"):
        return Why.WAIT_FUNDS
    if order.verdict.startswith("market_offline"):
        return Why.MARKET_OFFLINE
    return Why.ORDER_REFUSED


def _next_attempt(orders: Sequence[OrderFacts]) -> int:
    return max((order.attempt for order in orders), default=0) + 1


def _cancels(orders: Sequence[OrderFacts]) -> tuple[Action, ...]:
    """Cancel what rests or was never sent; what is unsettled settles first."""
    return tuple(
        Cancel(order_id=order.id)
        for order in orders
        if order.state in (OrderState.OPEN, OrderState.INTENT)
    )


def _is_pending(order: OrderFacts) -> bool:
    """In doubt, or a market order whose fill is a matter of a moment."""
    at_market = order.price is None and order.state is OrderState.OPEN
    return at_market or order.state in UNSETTLED_ORDERS


def _is_crossed(order: OrderFacts, price: Decimal) -> bool:
    """Tell whether a live limit buy must have filled at the last *price* already."""
    live = order.state in LIVE_ORDERS
    return live and order.price is not None and order.price > price


def _pause(live: Sequence[OrderFacts]) -> timedelta:
    """Look again soon, unless all that is left is looked up once a minute anyway."""
    watched = all(order.state is OrderState.ABANDONED_WATCH for order in live)
    return IDLE_TICK if watched else BUSY_TICK


def _triggers(
    orders: Sequence[OrderFacts],
) -> tuple[Decimal | None, Decimal | None]:
    """Prices at which a resting order has probably filled."""
    live = [o for o in orders if o.state in LIVE_ORDERS and o.price is not None]
    bids = [o.price for o in live if o.side is Side.BID and o.price is not None]
    asks = [o.price for o in live if o.side is Side.ASK and o.price is not None]
    return max(bids, default=None), min(asks, default=None)


def _if_live(orders: Sequence[OrderFacts], now: datetime) -> datetime | None:
    live = any(order.state in LIVE_ORDERS for order in orders)
    return now + IDLE_TICK if live else None
