"""Coins that leave a round without a trade, in double entry."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from user_project.bots import booking, events, wording
from user_project.bots.models import Adjustment, Bot, Cycle, LedgerEntry
from user_project.trading import ledger
from user_project.trading.facts import ExitReason
from user_project.trading.lifecycle import CycleTrigger


def release(
    *,
    bot: Bot,
    cycle: Cycle,
    kind: Adjustment.Kind,
    by: Any,
    note: str,
    now: datetime,
) -> Cycle:
    """Book the whole position out of the round and close it; the caller holds the locks.

    Handed over at cost nothing is earned or lost; what is gone loses its cost.
    """
    position = ledger.Position(volume=cycle.volume, cost=cycle.cost)
    adjustment = Adjustment.objects.create(
        cycle=cycle,
        kind=kind,
        volume=cycle.volume,
        cost=cycle.cost,
        note=note[:200],
        by=by,
    )
    booked = ledger.book_release(
        position=position, market=cycle.market, lost=kind == Adjustment.Kind.LOST
    )
    LedgerEntry.objects.bulk_create(
        LedgerEntry(
            adjustment=adjustment,
            cycle=cycle,
            account=leg.account,
            currency=leg.currency,
            amount=leg.amount,
        )
        for leg in booked.legs
    )
    cycle.volume, cycle.cost = booked.position.volume, booked.position.cost
    cycle.profit += booked.profit
    cycle.deficit = None
    booking.move_cycle(cycle=cycle, trigger=CycleTrigger.RELEASE)
    cycle.exit_reason, cycle.closed_at = ExitReason.RELEASED.value, now
    cycle.save()
    if bot.auto_select:
        Bot.objects.filter(pk=bot.pk).update(market="")
    events.record(
        bot=bot,
        cycle=cycle,
        kind="cycle.released",
        message=f"{cycle.seq}회차를 팔지 않고 끝냈습니다. 원가"
        f" {wording.won(position.cost)}의 코인은 소유자의 것입니다.",
        by=str(by or ""),
    )
    return cycle
