"""From one round to the next: its budget, where it may begin again, which coins rest."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from django.db.models import Q, Sum

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
LOOKS_BACK: Final = (Reentry.LAST_SELL, Reentry.LAST_BUY)
ROUND: Final = ("pk", "bot", "market")
TRADED: Final = (Sum("executed_funds"), Sum("executed_volume"))


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
        last=_last_rounds([bot]).get(bot.pk),
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


def next_reentry_prices(
    *, bots: Iterable[Bot], bundle: BundleAnswer | None
) -> dict[UUID, Decimal]:
    """Return what the next round of each bot with a fixed coin waits for.

    A bot that waits for nothing has no entry; two queries for any number of bots.
    """
    waiting = [
        bot for bot in bots if not bot.auto_select and bot.reentry != Reentry.RESET
    ]
    last = _last_rounds(waiting)
    prices = {
        bot.pk: reentry_price(
            reentry=Reentry(bot.reentry),
            last=last.get(bot.pk),
            market=bot.market,
            bundle=bundle,
        )
        for bot in waiting
    }
    return {pk: price for pk, price in prices.items() if price is not None}


@dataclass(frozen=True, slots=True, kw_only=True)
class LastRound:
    """What a bot's last closed round was traded at, in KRW; None where it was not."""

    market: str
    first_buy: Decimal | None
    sell: Decimal | None


def _last_rounds(bots: Iterable[Bot], /) -> dict[UUID, LastRound]:
    """Return the last closed round of those bots that look back at it."""
    looking = [bot.pk for bot in bots if bot.reentry in LOOKS_BACK]
    if not looking:
        return {}
    closed = Cycle.objects.filter(bot__in=looking, state=CycleState.CLOSED)
    newest = closed.order_by("bot", "-seq").distinct("bot")
    markets = {pk: (bot, market) for pk, bot, market in newest.values_list(*ROUND)}
    prices = _average_prices(markets)
    return {
        bot: LastRound(
            market=market,
            first_buy=prices.get((cycle, Side.BID)),
            sell=prices.get((cycle, Side.ASK)),
        )
        for cycle, (bot, market) in markets.items()
    }


def _average_prices(cycles: Iterable[UUID], /) -> dict[tuple[UUID, str], Decimal]:
    """Return the average of each round's first stage and of its sales."""
    wanted = Q(side=Side.ASK) | Q(side=Side.BID, stage=1)
    orders = Order.objects.filter(wanted, cycle__in=list(cycles), executed_volume__gt=0)
    sums = orders.order_by().values_list("cycle", "side").annotate(*TRADED)
    return {
        (cycle, side): (funds / volume).quantize(Decimal("1E-8"))
        for cycle, side, funds, volume in sums
    }


def reentry_price(
    *,
    reentry: Reentry,
    last: LastRound | None,
    market: str,
    bundle: BundleAnswer | None,
) -> Decimal | None:
    """Return the highest price (KRW) a next round may begin at, None for any.

    The first round of a coin knows no last one; only the support counts then.
    """
    if reentry is Reentry.SUPPORT:
        return _near_support(market, bundle)
    if last is None or last.market != market:
        return None
    if reentry is Reentry.LAST_SELL:
        return last.sell
    return last.first_buy if reentry is Reentry.LAST_BUY else None


def _near_support(market: str, bundle: BundleAnswer | None) -> Decimal | None:
    levels = bundle.support_levels.get(market) if bundle else None
    nearest = levels.levels.get(Level.AGGRESSIVE) if levels else None
    if nearest is None or nearest.price is None:
        return None
    return nearest.price * NEAR_SUPPORT
