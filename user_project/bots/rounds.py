"""From one round to the next: its budget, where it may begin again, which coins rest."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db.models import Sum

from common.money import floor_won
from common.wire import BundleAnswer, Level
from user_project.bots import wording
from user_project.bots.models import Bot, Cycle, Order
from user_project.bots.options import Reentry, read_table
from user_project.bots.planning import NoProposal, Proposal, RoundOptions
from user_project.trading.facts import ExitReason, Why
from user_project.trading.lifecycle import TERMINAL_CYCLES, CycleState
from user_project.trading.orders import Side

STOPPED_COIN_RESTS: Final = timedelta(hours=24)
"""So long a coin that was just sold at a stop is left alone."""
NEAR_SUPPORT: Final = Decimal("1.01")
"""At most 1 % above the nearest support level counts as near."""


def round_options(*, bot: Bot) -> RoundOptions:
    """Return what the next round is planned with; profit is put to work as asked."""
    return RoundOptions(
        budget=bot.budget + _reinvested(bot),
        stages=bot.stages,
        multiplier=bot.multiplier,
        shape=bot.shape,
        level=bot.level,
        take_profit=bot.take_profit,
        jitter=bot.jitter,
        max_depth=bot.max_depth,
        stage_table=read_table(bot.stage_table),
    )


def _reinvested(bot: Bot) -> Decimal:
    if not bot.reinvest:
        return Decimal(0)
    closed = bot.cycles.filter(state=CycleState.CLOSED)
    earned = closed.aggregate(total=Sum("profit"))["total"] or Decimal(0)
    return floor_won(max(earned, Decimal(0)) * bot.reinvest)


def rest_after(*, bot: Bot, cycle: Cycle) -> timedelta:
    """Return the cool-down after a closed round.

    After a stop a bot with a fixed coin rests a day; auto-select takes another coin.
    """
    rest = timedelta(seconds=bot.cycle_cooldown_seconds)
    if cycle.exit_reason == ExitReason.STOP_LOSS and not bot.auto_select:
        return max(rest, STOPPED_COIN_RESTS)
    return rest


def lately_stopped(*, owner_id: Any, now: datetime) -> set[str]:
    """Return the markets that this owner's bots sold at a stop within a day."""
    stopped = Cycle.objects.filter(
        bot__owner_id=owner_id,
        exit_reason=ExitReason.STOP_LOSS,
        closed_at__gt=now - STOPPED_COIN_RESTS,
    )
    return set(stopped.values_list("market", flat=True))


def check_reentry(*, bot: Bot, proposal: Proposal) -> None:
    """Raise NoProposal while the price is above where the owner wants to begin again."""
    gate = reentry_price(
        reentry=Reentry(bot.reentry),
        last=_last_closed(bot),
        market=proposal.state.market,
        bundle=proposal.bundle,
    )
    if gate is not None and proposal.quote.price > gate:
        raise NoProposal(
            Why.WAIT_REENTRY,
            f"재진입 가격 {wording.price_text(gate)} 이하로 내려오기를 기다립니다.",
        )


def open_rounds(*, bots: Iterable[Bot]) -> dict[UUID, Cycle]:
    """Return the round of each bot that is not over, by the bot's id; one query."""
    cycles = Cycle.objects.filter(bot__in=bots).exclude(state__in=TERMINAL_CYCLES)
    return {cycle.bot_id: cycle for cycle in cycles}


def next_reentry_price(*, bot: Bot, bundle: BundleAnswer | None) -> Decimal | None:
    """Return what the next round of a bot with a fixed coin waits for, None for nothing."""
    if bot.auto_select or bot.reentry == Reentry.RESET:
        return None
    return reentry_price(
        reentry=Reentry(bot.reentry),
        last=_last_closed(bot),
        market=bot.market,
        bundle=bundle,
    )


def _last_closed(bot: Bot) -> Cycle | None:
    return bot.cycles.filter(state=CycleState.CLOSED).order_by("-seq").first()


def reentry_price(
    *, reentry: Reentry, last: Cycle | None, market: str, bundle: BundleAnswer | None
) -> Decimal | None:
    """Return the highest price (KRW) a next round may begin at, None for any.

    The first round of a coin knows no last one; only the support counts then.
    """
    if reentry is Reentry.SUPPORT:
        return _near_support(market, bundle)
    if last is None or last.market != market:
        return None
    if reentry is Reentry.LAST_SELL:
        return _average(last.orders.filter(side=Side.ASK))
    if reentry is Reentry.LAST_BUY:
        return _average(last.orders.filter(side=Side.BID, stage=1))
    return None


def _near_support(market: str, bundle: BundleAnswer | None) -> Decimal | None:
    levels = bundle.support_levels.get(market) if bundle else None
    nearest = levels.levels.get(Level.AGGRESSIVE) if levels else None
    if nearest is None or nearest.price is None:
        return None
    return nearest.price * NEAR_SUPPORT


def _average(orders: Any) -> Decimal | None:
    sums = Order.objects.filter(pk__in=orders).aggregate(
        funds=Sum("executed_funds"), volume=Sum("executed_volume")
    )
    if not sums["volume"]:
        return None
    return Decimal(sums["funds"] / sums["volume"]).quantize(Decimal("1E-8"))
