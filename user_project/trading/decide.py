"""What a bot does next: one pure function of facts and ``now``.

Live, paper and backtest run this same code; it knows nothing of databases or networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from common.money import MarketRules
from user_project.trading.buys import (
    PRICE_MAX_AGE,
    decide_buys,
    is_fresh,
)
from user_project.trading.facts import (
    ORDERED_EXITS,
    AbortCycle,
    Action,
    AlertHeld,
    BotFacts,
    CloseCycle,
    CycleFacts,
    Decision,
    Exit,
    FinishBot,
    Freeze,
    OrderFacts,
    StartCycle,
    Thaw,
    Why,
)
from user_project.trading.lifecycle import LIVE_ORDERS, BotState, CycleState
from user_project.trading.orders import PriceQuote, Side
from user_project.trading.own_orders import (
    BUSY_TICK,
    IDLE_TICK,
    cancels,
    is_pending,
    live_of,
    pause_for,
)
from user_project.trading.sells import (
    due_exit,
    follow_peak,
    rest_take_profit,
    sell_at_market,
)
from user_project.trading.wakes import wake_prices

__all__ = ["BUSY_TICK", "IDLE_TICK", "PRICE_MAX_AGE", "decide"]

HELD_ALERT_DAYS: Final = (14, 30, 60)
"""A round held so long is told of; nothing is sold for it."""


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
        return _settle_flat(cycle=cycle, orders=orders, now=now)
    if cycle.deficit > 0 or cycle.state is CycleState.FROZEN:
        return _frozen(bot=bot, cycle=cycle, orders=orders, now=now)
    if cycle.exit_reason is not None:
        return _leave(
            bot=bot, cycle=cycle, orders=orders, price=price, rules=rules, now=now
        )
    return _run_cycle(
        bot=bot, cycle=cycle, orders=orders, price=price, rules=rules, now=now
    )


def _without_cycle(*, bot: BotFacts, now: datetime) -> Decision:
    if bot.state is BotState.FINISHING:
        return Decision(actions=(FinishBot(),), next_tick_at=None)
    if bot.state is BotState.STOPPED and bot.cycles_left == 0:
        return Decision(reason=Why.MAX_CYCLES, next_tick_at=None)
    if bot.state is not BotState.RUNNING:
        return Decision(reason=Why(bot.state.name), next_tick_at=None)
    if bot.cycles_left == 0:
        return Decision(
            actions=(FinishBot(),), reason=Why.MAX_CYCLES, next_tick_at=None
        )
    if bot.blocked:
        return Decision(reason=bot.blocked, next_tick_at=now + 5 * BUSY_TICK)
    if bot.next_cycle_at is not None and now < bot.next_cycle_at:
        return Decision(reason=Why.COOLDOWN, next_tick_at=bot.next_cycle_at)
    if bot.braked:
        return Decision(reason=Why.BRAKE, next_tick_at=now + IDLE_TICK)
    return Decision(actions=(StartCycle(),), next_tick_at=now + BUSY_TICK)


def _wind_down(
    *,
    cycle: CycleFacts,
    orders: Sequence[OrderFacts],
    reason: Why,
    now: datetime,
) -> Decision:
    """Cancel what rests; coins that were bought stay with the cycle."""
    live = live_of(orders)
    if live:
        return Decision(
            actions=cancels(live), reason=reason, next_tick_at=now + pause_for(live)
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
    *, cycle: CycleFacts, orders: Sequence[OrderFacts], now: datetime
) -> Decision:
    """After the sale: withdraw the resting buys, then close."""
    live = live_of(orders)
    if live:
        return Decision(
            actions=cancels(live),
            reason=Why.ORDER_PENDING,
            next_tick_at=now + pause_for(live),
        )
    thaw: tuple[Action, ...] = (Thaw(),) if cycle.state is CycleState.FROZEN else ()
    return Decision(actions=(*thaw, CloseCycle()), next_tick_at=now + BUSY_TICK)


def _frozen(
    *, bot: BotFacts, cycle: CycleFacts, orders: Sequence[OrderFacts], now: datetime
) -> Decision:
    """The account lacks coins of this round: no new order until they are back."""
    may_freeze = cycle.state in (CycleState.OPEN, CycleState.CLOSING)
    action = _unwanted_buys(bot=bot, cycle=cycle, orders=orders)
    if cycle.deficit > 0 and may_freeze:
        action = (Freeze(), *action)
    if cycle.deficit == 0 and cycle.state is CycleState.FROZEN:
        action = (Thaw(), *action)
    pause = BUSY_TICK if action else IDLE_TICK
    return Decision(actions=action, reason=Why.FROZEN, next_tick_at=now + pause)


def _unwanted_buys(
    *, bot: BotFacts, cycle: CycleFacts, orders: Sequence[OrderFacts]
) -> tuple[Action, ...]:
    """Withdraw the buys that a person wants gone; no block forbids that."""
    if bot.state is not BotState.PAUSED and cycle.exit_reason not in ORDERED_EXITS:
        return ()
    return cancels([order for order in live_of(orders) if order.side is Side.BID])


def _leave(
    *,
    bot: BotFacts,
    cycle: CycleFacts,
    orders: Sequence[OrderFacts],
    price: PriceQuote | None,
    rules: MarketRules,
    now: datetime,
) -> Decision:
    """Sell everything at the market, whatever the price does meanwhile."""
    if cycle.volume == 0 and cycle.received == 0:
        return _wind_down(cycle=cycle, orders=orders, reason=Why.EXITING, now=now)
    ordered = cycle.exit_reason in ORDERED_EXITS and bot.blocked is Why.KILL_SWITCH
    if bot.blocked and not ordered:
        return Decision(
            actions=_unwanted_buys(bot=bot, cycle=cycle, orders=orders),
            reason=bot.blocked,
            next_tick_at=now + 5 * BUSY_TICK,
        )
    if cycle.state is CycleState.OPEN and cycle.exit_reason is not None:
        return Decision(
            actions=(Exit(reason=cycle.exit_reason),),
            reason=Why.EXITING,
            next_tick_at=now + BUSY_TICK,
        )
    actions, dust, retry_at = sell_at_market(
        cycle=cycle,
        orders=orders,
        price=price if is_fresh(price, now=now) else None,
        rules=rules,
        now=now,
    )
    if dust and cycle.received > 0 and not live_of(orders):
        return Decision(actions=(CloseCycle(),), next_tick_at=now + BUSY_TICK)
    if dust:
        return Decision(reason=Why.DUST, next_tick_at=now + 10 * IDLE_TICK)
    next_tick_at = retry_at or now + pause_for(live_of(orders) or ())
    if actions:
        next_tick_at = now + BUSY_TICK
    return Decision(actions=actions, reason=Why.EXITING, next_tick_at=next_tick_at)


def _run_cycle(
    *,
    bot: BotFacts,
    cycle: CycleFacts,
    orders: Sequence[OrderFacts],
    price: PriceQuote | None,
    rules: MarketRules,
    now: datetime,
) -> Decision:
    held = cycle.volume > 0 and cycle.state is CycleState.OPEN
    peak: tuple[Action, ...] = ()
    if held and price is not None and is_fresh(price, now=now) and not bot.blocked:
        why = due_exit(bot=bot, cycle=cycle, price=price.price, rules=rules, now=now)
        if why is not None:
            return Decision(
                actions=(Exit(reason=why),),
                reason=Why.EXITING,
                next_tick_at=now + BUSY_TICK,
            )
        peak = follow_peak(bot=bot, cycle=cycle, price=price.price, rules=rules)
    sells = rest_take_profit(bot=bot, cycle=cycle, orders=orders, rules=rules, now=now)
    buys = decide_buys(
        bot=bot, cycle=cycle, orders=orders, price=price, rules=rules, now=now
    )
    actions = (*_alerts(cycle, now), *peak, *sells, *buys.actions)
    below, above = wake_prices(bot=bot, cycle=cycle, orders=orders, rules=rules)
    return Decision(
        actions=actions,
        reason=buys.reason,
        next_tick_at=_next_tick(
            bot, cycle, orders, retry_at=buys.retry_at, busy=bool(actions), now=now
        ),
        wake_below=below,
        wake_above=above,
    )


def _next_tick(
    bot: BotFacts,
    cycle: CycleFacts,
    orders: Sequence[OrderFacts],
    *,
    retry_at: datetime | None,
    busy: bool,
    now: datetime,
) -> datetime:
    pending = busy or any(is_pending(order) for order in orders)
    times = [now + (BUSY_TICK if pending else IDLE_TICK), retry_at]
    if bot.max_hold is not None and cycle.opened_at is not None:
        times.append(cycle.opened_at + bot.max_hold)
    return min(max(at, now + BUSY_TICK) for at in times if at is not None)


def _alerts(cycle: CycleFacts, now: datetime) -> tuple[Action, ...]:
    """Tell once of each age that a round has reached with coins in it."""
    if cycle.opened_at is None or cycle.volume == 0:
        return ()
    held = now - cycle.opened_at
    reached = [days for days in HELD_ALERT_DAYS if held >= timedelta(days=days)]
    if len(reached) <= cycle.held_alerts:
        return ()
    return (AlertHeld(days=reached[-1], count=len(reached)),)


def _if_live(orders: Sequence[OrderFacts], now: datetime) -> datetime | None:
    return now + IDLE_TICK if live_of(orders) else None
