"""Act for one bot: claim, settle what is open, decide, act, give back the lease."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from celery.exceptions import SoftTimeLimitExceeded
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Least
from django.utils.translation import gettext_noop as _noop

from user_project.accounts.services import (
    KEYS_UNREADABLE,
    WRONG_HOST,
    AccountProblem,
    adapter_for,
)
from user_project.bots import cycles, events, prices, turns, wording
from user_project.bots.booking import LostRace, moved
from user_project.bots.lease import Lease, LeaseLost, claim, release
from user_project.bots.models import Bot, Cycle, Order
from user_project.bots.order_lookup import settle
from user_project.bots.order_protocol import Desk, cancel, follow, intend, send
from user_project.bots.planning import NoProposal
from user_project.exchanges.adapter import ExchangeError, KeyRefused, NotFound
from user_project.trading import record
from user_project.trading.decide import BUSY_TICK, IDLE_TICK, decide
from user_project.trading.facts import (
    AbortCycle,
    Action,
    Cancel,
    CloseCycle,
    Decision,
    FinishBot,
    Place,
    StartCycle,
    Why,
)
from user_project.trading.lifecycle import (
    BOT_TRANSITIONS,
    TERMINAL_CYCLES,
    BotState,
    BotTrigger,
    OrderState,
    next_state,
)
from user_project.trading.orders import OrderKind, PriceQuote

log = logging.getLogger(__name__)

ROUNDS: Final = 4
"""Decisions in one run; what is left then waits for the next wake-up."""
MOST_FAILURES: Final = 3
ALL_DONE: Final = _noop("정한 회차를 모두 마치고 정지했습니다.")
THIS_DONE: Final = _noop("이번 회차를 마치고 정지했습니다.")
UNFIT: Final = (KEYS_UNREADABLE, WRONG_HOST)
"""What is wrong with an account until somebody changes it; each is a reason to wait."""
SETTLING: Final = (
    OrderState.INTENT,
    OrderState.POSTING,
    OrderState.UNKNOWN,
    OrderState.ABANDONED_WATCH,
)


@dataclass(frozen=True, slots=True)
class RunResult:
    """Whether the bot was ours to run, and whether an order is left in doubt."""

    claimed: bool
    ambiguous: bool = False


def run_bot(
    *, bot_id: uuid.UUID, worker: str, clock: Callable[[], datetime]
) -> RunResult:
    """Do everything that is due for one bot; safe to call at any time, any number."""
    lease = claim(bot_id=bot_id, worker=worker)
    if lease is None:
        return RunResult(claimed=False)
    try:
        return _run_claimed(lease=lease, clock=clock)
    except (LeaseLost, LostRace) as error:
        log.info("bot %s: %s", bot_id, error)
        # Still ours when the owner changed the bot, or when too little of it was left.
        release(lease=lease)
        return RunResult(claimed=False)
    except SoftTimeLimitExceeded:
        # The exchange was slow, not the bot wrong; the lease must not outlive the task.
        release(lease=lease, next_tick_at=clock() + 5 * BUSY_TICK)
        raise
    except Exception as error:
        _failed(lease=lease, error=error, now=clock())
        return RunResult(claimed=True)


def _run_claimed(*, lease: Lease, clock: Callable[[], datetime]) -> RunResult:
    bot = Bot.objects.select_related("account", "owner").get(pk=lease.bot_id)
    desk = Desk(
        bot=bot, lease=lease, adapter=adapter_for(account=bot.account), clock=clock
    )
    decision, ambiguous = Decision(next_tick_at=clock() + IDLE_TICK), False
    for number in range(ROUNDS):
        decided_in = bot.state
        cycle = open_cycle(bot)
        if cycle is not None and _catch_up(desk=desk, cycle=cycle, again=number > 0):
            cycle = open_cycle(bot)
        facts = _facts(desk=desk, cycle=cycle)
        decision = decide(**facts)
        try:
            ambiguous = not _perform(
                desk=desk, cycle=cycle, decision=decision, facts=facts
            )
        except NoProposal as problem:
            retry_at = clock() + IDLE_TICK
            decision = Decision(reason=problem.why, next_tick_at=retry_at)
        bot.refresh_from_db()
        if ambiguous or not decision.actions or FinishBot() in decision.actions:
            break
    _release(desk=desk, decision=decision, decided_in=decided_in, now=clock())
    return RunResult(claimed=True, ambiguous=ambiguous)


def open_cycle(bot: Bot) -> Cycle | None:
    """Return the bot's cycle that is not over, if any."""
    return bot.cycles.exclude(state__in=TERMINAL_CYCLES).first()


def _catch_up(*, desk: Desk, cycle: Cycle, again: bool) -> bool:
    """Settle orders in doubt first, then read those whose fills we may have missed.

    *again* within one run: only those that move by themselves in a moment. Return
    whether anything may have changed.
    """
    orders = list(cycle.orders.live().select_related("cycle"))
    # Told apart first: settling moves an order on, also to where nothing is to follow.
    doubtful = [order for order in orders if order.state in SETTLING]
    known = [
        order
        for order in orders
        if order.state not in SETTLING and not (again and _rests(order))
    ]
    for order in doubtful:
        settle(desk=desk, order=order)
    if not known:
        return bool(doubtful)
    views = {
        view.uuid: view
        for view in desk.adapter.list_orders(
            identifiers=[order.identifier for order in known]
        )
    }
    news = [
        order
        for order in known
        for view in (views.get(order.exchange_uuid or ""),)
        if view is None or order.state == OrderState.CANCELLING or moved(order, view)
    ]
    for order in news:
        _follow(desk=desk, order=order)
    return bool(doubtful or news)


def _rests(order: Order) -> bool:
    return order.kind == OrderKind.LIMIT and order.state == OrderState.OPEN


def _follow(*, desk: Desk, order: Order) -> None:
    try:
        follow(desk=desk, order=order)
    except NotFound as error:
        # It was accepted, so it exists; the bot's other orders must not wait for it.
        log.error("order %s is not to be read: %s", order.identifier, error)


def _facts(*, desk: Desk, cycle: Cycle | None) -> record.Facts:
    """Collect what the next decision rests on."""
    bot, now = desk.bot, desk.clock()
    orders = list(cycle.orders.order_by("fence", "created_at")) if cycle else []
    return record.Facts(
        bot=cycles.bot_facts(bot=bot, now=now, in_round=cycle is not None),
        cycle=cycles.cycle_facts(cycle=cycle, now=now) if cycle else None,
        orders=tuple(cycles.order_facts(order=order) for order in orders),
        price=_price(desk=desk, market=cycle.market) if cycle else None,
        rules=cycles.rules_for(adapter=desk.adapter, cycle=cycle) if cycle else None,
        now=now,
    )


def _price(*, desk: Desk, market: str) -> PriceQuote | None:
    host = desk.bot.account.base_url
    return prices.latest(
        adapter=desk.adapter, host=host, market=market, now=desk.clock()
    )


def _perform(
    *, desk: Desk, cycle: Cycle | None, decision: Decision, facts: record.Facts
) -> bool:
    """Carry the actions out in order; False as soon as an order is left in doubt."""
    for action in decision.actions:
        match action:
            case StartCycle():
                cycles.start(desk=desk)
            case FinishBot():
                _finish(desk=desk, reason=decision.reason)
            case Place() if cycle is not None:
                if not _place(desk=desk, cycle=cycle, place=action, facts=facts):
                    return False
            case _ if cycle is not None:
                _act_on_cycle(desk=desk, cycle=cycle, action=action)
    return True


def _act_on_cycle(*, desk: Desk, cycle: Cycle, action: Action) -> None:
    match action:
        case Cancel(order_id=order_id):
            cancel(desk=desk, order=Order.objects.get(pk=order_id))
        case CloseCycle():
            cycles.close(desk=desk, cycle=cycle)
        case AbortCycle(reason=reason):
            cycles.abort(desk=desk, cycle=cycle, reason=reason)
        case _:
            turns.carry_out(desk=desk, cycle=cycle, action=action)


def _place(*, desk: Desk, cycle: Cycle, place: Place, facts: record.Facts) -> bool:
    price, rules = facts["price"], facts["rules"]
    if rules is None:
        raise ValueError("an order needs the market's rules")
    order = intend(
        desk=desk,
        cycle=cycle,
        place=place,
        rules=rules,
        decision_price=price.price if price else None,
        decided_on=record.dump(**facts),
    )
    return send(desk=desk, order=order)


def _finish(*, desk: Desk, reason: Why) -> None:
    with transaction.atomic():
        bot = desk.lease.guard()
        bot.state = next_state(
            BOT_TRANSITIONS, BotState(bot.state), BotTrigger.CYCLE_DONE
        )
        bot.reason, bot.reason_at = reason or Why.STOPPED, desk.clock()
        bot.next_tick_at = bot.wake_below = bot.wake_above = None
        bot.save(
            update_fields=(
                *("state", "reason", "reason_at"),
                *("next_tick_at", "wake_below", "wake_above"),
            )
        )
        done = reason is Why.MAX_CYCLES
        events.record(
            bot=bot,
            kind="bot.stopped",
            message=ALL_DONE if done else THIS_DONE,
        )


def _release(*, desk: Desk, decision: Decision, decided_in: str, now: datetime) -> None:
    changes: dict[str, Any] = {
        "next_tick_at": decision.next_tick_at,
        "wake_below": decision.wake_below,
        "wake_above": decision.wake_above,
        "tick_failures": 0,
    }
    if decision.reason != desk.bot.reason:
        changes |= {"reason": decision.reason.value, "reason_at": now}
    release(lease=desk.lease, decided_in=decided_in, **changes)


def _failed(*, lease: Lease, error: Exception, now: datetime) -> None:
    """Push the bot forward in time; a person must look after several in a row."""
    why = _why_it_waits(error)
    expected = isinstance(error, ExchangeError) or why is not Why.NOTHING
    if not expected:
        log.error("bot %s failed", lease.bot_id, exc_info=error)
    # Bounded: a bot that cannot be halted any further may fail for weeks.
    failures: object = 0 if expected else Least(F("tick_failures") + 1, MOST_FAILURES)
    changes: dict[str, Any] = {"tick_failures": failures}
    if why is not Why.NOTHING:
        changes |= {"reason": why.value, "reason_at": now}
    soon = isinstance(error, ExchangeError)
    release(
        lease=lease,
        next_tick_at=now + (5 * BUSY_TICK if soon else timedelta(seconds=15)),
        **changes,
    )
    bot = Bot.objects.get(pk=lease.bot_id)
    if bot.tick_failures >= MOST_FAILURES:
        _halt(bot=bot, error=error, now=now)


def _why_it_waits(error: Exception, /) -> Why:
    """Return what somebody has to put right before the bot can go on by itself."""
    if isinstance(error, KeyRefused):
        return Why.KEY_REFUSED
    if isinstance(error, AccountProblem) and error.code in UNFIT:
        return Why(error.code)
    return Why.NOTHING


def _halt(*, bot: Bot, error: Exception, now: datetime) -> None:
    with transaction.atomic():
        locked = Bot.objects.select_for_update().get(pk=bot.pk)
        if (BotState(locked.state), BotTrigger.HALT) not in BOT_TRANSITIONS:
            return
        locked.state = BotState.HALTED
        locked.tick_failures = 0
        locked.reason, locked.reason_at = Why.HALTED.value, now
        locked.save(update_fields=("state", "tick_failures", "reason", "reason_at"))
        events.record(
            bot=locked,
            kind="bot.halted",
            message=wording.REASONS[Why.HALTED],
            error=f"{type(error).__name__}: {error}"[:300],
        )
