"""The rounds of a bot: facts for decisions, start, close, abort."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.utils.translation import gettext as _

from common.money import MarketRules
from user_project.bots import (
    events,
    frozen_plan,
    limits,
    planning,
    rounds,
    switches,
    wording,
)
from user_project.bots.booking import move_cycle
from user_project.bots.models import Bot, Brake, Cycle, Order
from user_project.bots.order_protocol import Desk
from user_project.central_api.services import freshness, latest_snapshot
from user_project.exchanges.adapter import ExchangeAdapter, ExchangeError
from user_project.trading.backoff import FIRST_BACKOFF
from user_project.trading.facts import (
    BotFacts,
    CycleFacts,
    ExitReason,
    OrderFacts,
    PlannedStage,
    Why,
)
from user_project.trading.lifecycle import (
    TERMINAL_CYCLES,
    BotState,
    CycleState,
    CycleTrigger,
    OrderState,
)
from user_project.trading.orders import Side
from user_project.trading.plan import make_seed, start_delay_seconds

log = logging.getLogger(__name__)

REPLAN_AFTER: Final = timedelta(seconds=5)
"""A plan that the price ran away from is made anew this soon."""
CLOCK_LIMIT: Final = timedelta(seconds=30)
"""Beyond it ages and rests are guesses: no new round. A running one goes on."""
SEED_BUCKET_SECONDS: Final = 300


def bot_facts(*, bot: Bot, now: datetime, in_round: bool = False) -> BotFacts:
    """Collect what the decision needs to know about the bot and its account.

    In a running round nobody asks when the next one may begin.
    """
    hours = bot.max_hold_hours
    return BotFacts(
        state=BotState(bot.state),
        stage_cooldown=timedelta(seconds=bot.stage_cooldown_seconds),
        next_cycle_at=None if in_round else _next_cycle_at(bot),
        blocked=switches.blocked(bot=bot, now=now),
        resting_stages=bot.resting_stages,
        trailing=bot.trailing,
        stop_below_last=bot.stop_below_last,
        break_even_after=bot.break_even_after,
        max_hold=None if hours is None else timedelta(hours=hours),
        cycles_left=None if in_round else _cycles_left(bot),
        braked=bot.crash_brake and _is_braked(bot.account.base_url, now=now),
    )


def _cycles_left(bot: Bot) -> int | None:
    if bot.max_cycles is None:
        return None
    done = bot.cycles.filter(state=CycleState.CLOSED).count()
    return max(bot.max_cycles - done, 0)


def _is_braked(host: str, *, now: datetime) -> bool:
    return Brake.objects.filter(host=host, until__gt=now).exists()


def _next_cycle_at(bot: Bot) -> datetime | None:
    last = bot.cycles.filter(state__in=TERMINAL_CYCLES).order_by("-seq").first()
    if last is None or last.closed_at is None:
        return None
    if last.state == CycleState.CLOSED:
        return last.closed_at + rounds.rest_after(bot=bot, cycle=last)
    if last.plan.get("aborted") in (Why.STOPPED, Why.EXITING):
        return None
    if last.plan.get("aborted") == Why.PRICE_MOVED:
        return last.closed_at + REPLAN_AFTER
    return last.closed_at + FIRST_BACKOFF


def cycle_facts(*, cycle: Cycle, now: datetime) -> CycleFacts:
    """Translate a cycle row, with what its owner changed since it was planned."""
    changes = cycle.owner_changes
    reason = cycle.exit_reason
    return CycleFacts(
        state=CycleState(cycle.state),
        stages=frozen_plan.planned_stages(cycle.plan),
        take_profit=Decimal(changes.get("take_profit", cycle.plan["take_profit"])),
        volume=cycle.volume,
        cost=cycle.cost,
        received=cycle.received,
        last_buy_at=cycle.last_buy_at,
        opened_at=cycle.opened_at,
        start_at=cycle.start_at,
        peak=cycle.peak_price,
        exit_reason=ExitReason(reason) if reason else None,
        deficit=cycle.deficit or Decimal(0),
        skipped=frozenset(changes.get("skipped", ())),
        manual_buys=_manual_buys(changes.get("manual_buys", ()), now=now),
        held_alerts=cycle.held_alerts,
    )


def _manual_buys(asked: Sequence[Any], *, now: datetime) -> tuple[PlannedStage, ...]:
    """A wish that could not be carried out soon is not carried out much later."""
    return tuple(
        PlannedStage(
            stage=buy["stage"],
            price=Decimal(buy["price"]),
            amount=Decimal(buy["amount"]),
        )
        for buy in asked
        if datetime.fromisoformat(buy["until"]) > now
    )


def order_facts(*, order: Order) -> OrderFacts:
    """Translate an order row."""
    return OrderFacts(
        id=str(order.pk),
        stage=order.stage,
        side=Side(order.side),
        state=OrderState(order.state),
        attempt=order.attempt,
        price=order.price,
        requested_volume=order.requested_volume,
        executed_volume=order.executed_volume,
        executed_funds=order.executed_funds,
        closed_at=order.closed_at,
        verdict=order.verdict,
        thrown_out=_thrown_out(order),
    )


def _thrown_out(order: Order) -> bool:
    """Tell whether an accepted order ended unfilled although we never asked for it."""
    return (
        order.state == OrderState.CANCELLED
        and order.exchange_uuid is not None
        and order.cancel_asked_at is None
        and order.executed_volume == 0
    )


def rules_for(*, adapter: ExchangeAdapter, cycle: Cycle) -> MarketRules:
    """Return the market's rules as the exchange states them, else the plan's.

    A delisted market has no rules any more, yet its orders must be withdrawn.
    """
    try:
        return adapter.get_rules(market=cycle.market)
    except ExchangeError as error:
        log.warning("rules of %s as planned: %s", cycle.market, error)
        return frozen_plan.frozen_rules(cycle.plan)


def markets_in_use(*, account_id: UUID, except_bot: UUID | None = None) -> set[str]:
    """Markets that the account's other bots hold or are set to."""
    bots = Bot.objects.filter(account_id=account_id)
    if except_bot is not None:
        bots = bots.exclude(pk=except_bot)
    running = Cycle.objects.filter(bot__in=bots).exclude(state__in=TERMINAL_CYCLES)
    chosen = bots.filter(auto_select=False)
    return {
        *running.values_list("market", flat=True),
        *chosen.values_list("market", flat=True),
    }


def plan_seed(*, bot_id: str, cycle: int, run_id: str, now: datetime) -> bytes:
    """Return the seed of a plan: bot, cycle, five-minute bucket and analysis run."""
    return make_seed(
        secret=settings.KEYS_KEK,
        bot_id=bot_id,
        cycle=cycle,
        time_bucket=int(now.timestamp()) // SEED_BUCKET_SECONDS,
        run_id=run_id,
    )


def start(*, desk: Desk) -> Cycle:
    """Plan the next round; raise NoProposal with the reason when there is none."""
    bot, now = desk.bot, desk.clock()
    seq = (bot.cycles.aggregate(last=Max("seq"))["last"] or 0) + 1
    proposal = _propose(desk=desk, seq=seq, now=now)
    with transaction.atomic():
        locked = desk.lease.guard()
        _check_caps(bot=locked, proposal=proposal, now=now)
        cycle = Cycle.objects.create(
            bot=locked,
            seq=seq,
            market=proposal.state.market,
            plan=proposal.frozen(),
            budget=proposal.options.budget,
            start_at=_start_at(proposal, now=now),
        )
        locked.market = proposal.state.market
        locked.save(update_fields=("market",))
        events.record(
            bot=locked,
            cycle=cycle,
            kind="cycle.planned",
            message=lambda: _plan_sentence(seq, proposal),
            run_id=proposal.bundle.run_id,
        )
    return cycle


def _check_caps(*, bot: Bot, proposal: planning.Proposal, now: datetime) -> None:
    """Raise NoProposal where the account's caps leave no room for this round."""
    why = limits.exceeded(
        account_id=bot.account_id,
        market=proposal.state.market,
        amount=proposal.options.budget,
        now=now,
    )
    if why:
        raise planning.NoProposal(why)


def _start_at(proposal: planning.Proposal, *, now: datetime) -> datetime | None:
    """Return when the first buy is due: bots of one analysis do not herd."""
    if not proposal.options.jitter:
        return None
    return now + timedelta(seconds=start_delay_seconds(seed=proposal.seed))


def _propose(*, desk: Desk, seq: int, now: datetime) -> planning.Proposal:
    bot = desk.bot
    snapshot = latest_snapshot()
    if snapshot is None:
        raise planning.NoProposal(Why.STALE_DATA)
    fresh = freshness(snapshot=snapshot, now=now)
    if not fresh.new_cycles_allowed:
        raise planning.NoProposal(Why.STALE_DATA, fresh.reason)
    bundle = snapshot.bundle
    seed = plan_seed(bot_id=str(bot.pk), cycle=seq, run_id=bundle.run_id, now=now)
    options = rounds.round_options(bot=bot)
    if bot.auto_select:
        proposal = planning.propose_best(
            adapter=desk.adapter,
            options=options,
            bundle=bundle,
            seed=seed,
            held=markets_in_use(account_id=bot.account_id, except_bot=bot.pk)
            | rounds.lately_stopped(owner_id=bot.owner_id, now=now),
        )
    else:
        proposal = planning.propose(
            adapter=desk.adapter,
            options=options,
            market=bot.market,
            bundle=bundle,
            seed=seed,
        )
    # After the exchange was asked: it says its time with every answer.
    if abs(desk.adapter.clock_offset) > CLOCK_LIMIT:
        raise planning.NoProposal(Why.CLOCK_OFF)
    rounds.check_reentry(bot=bot, proposal=proposal)
    return proposal


def _plan_sentence(seq: int, proposal: planning.Proposal) -> str:
    stages = proposal.plan.stages
    return _(
        "%(seq)s회차 계획: %(korean_name)s %(stages)s차, %(price)s부터 %(price2)s까지"
    ) % {
        "seq": seq,
        "korean_name": proposal.state.korean_name,
        "stages": len(stages),
        "price": wording.price_text(stages[0].price),
        "price2": wording.price_text(stages[-1].price),
    }


def close(*, desk: Desk, cycle: Cycle) -> None:
    """End a round whose coins are sold."""
    with transaction.atomic():
        bot = desk.lease.guard()
        cycle = Cycle.objects.select_for_update().get(pk=cycle.pk)
        move_cycle(cycle=cycle, trigger=CycleTrigger.SOLD)
        cycle.closed_at = desk.clock()
        cycle.exit_reason = cycle.exit_reason or ExitReason.TAKE_PROFIT.value
        cycle.save()
        _free_market(bot)
        events.record(
            bot=bot,
            cycle=cycle,
            kind="cycle.closed",
            message=lambda: (
                _("%(seq)s회차 %(name)s: %(word)s %(won)s (%(percent)s)")
                % {
                    "seq": cycle.seq,
                    "name": cycle.get_exit_reason_display(),
                    "word": _("순이익") if cycle.profit >= 0 else _("손실"),
                    "won": wording.won(abs(cycle.profit)),
                    "percent": wording.percent(cycle.profit / cycle.spent),
                }
            ),
            profit=str(cycle.profit),
            exit_reason=cycle.exit_reason,
        )


def abort(*, desk: Desk, cycle: Cycle, reason: Why) -> None:
    """End a round in which nothing was bought."""
    with transaction.atomic():
        bot = desk.lease.guard()
        cycle = Cycle.objects.select_for_update().get(pk=cycle.pk)
        move_cycle(cycle=cycle, trigger=CycleTrigger.ABORT)
        cycle.closed_at = desk.clock()
        cycle.plan["aborted"] = reason.value
        cycle.save()
        _free_market(bot)
        events.record(
            bot=bot,
            cycle=cycle,
            kind="cycle.aborted",
            message=lambda: (
                _("%(seq)s회차를 사지 않고 끝냅니다. %(n)s")
                % {"seq": cycle.seq, "n": wording.reason_text(reason)}
            ),
            reason=reason.value,
        )


def _free_market(bot: Bot) -> None:
    """An auto-selecting bot chooses its coin anew for every round."""
    if bot.auto_select:
        bot.market = ""
        bot.save(update_fields=("market",))
