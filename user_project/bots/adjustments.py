"""Coins that leave a round without a trade, in double entry."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.utils.translation import gettext as _

from common.money import plain
from user_project.bots import booking, events
from user_project.bots.models import Adjustment, Bot, Cycle, LedgerEntry
from user_project.trading import ledger
from user_project.trading.facts import ExitReason
from user_project.trading.lifecycle import CycleTrigger


def release(*, bot: Bot, cycle: Cycle, by: Any, now: datetime) -> Cycle:
    """Book the whole position out of the round and close it; the caller holds the locks.

    What the account lacks is lost with its cost; the rest is handed over at cost, which
    earns and loses nothing.
    """
    missing = min(cycle.deficit or Decimal(0), cycle.volume)
    handed_over = cycle.volume - missing
    for kind, volume in (
        (Adjustment.Kind.LOST, missing),
        (Adjustment.Kind.RELEASED, handed_over),
    ):
        if volume > 0:
            _book(cycle=cycle, kind=kind, volume=volume, by=by)
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
        message=lambda: (
            (
                _(
                    "%(seq)s회차를 팔지 않고 끝냈습니다. 코인 %(handed_over)s개는 소유자의 것입니다."
                )
                % {"seq": cycle.seq, "handed_over": plain(handed_over)}
            )
            + (
                (
                    _(" 사라진 %(missing)s개는 손실로 적었습니다.")
                    % {"missing": plain(missing)}
                )
                if missing
                else ""
            )
        ),
        by=str(by or ""),
    )
    return cycle


def _book(*, cycle: Cycle, kind: Adjustment.Kind, volume: Decimal, by: Any) -> None:
    before = ledger.Position(volume=cycle.volume, cost=cycle.cost)
    booked = ledger.book_release(
        position=before,
        market=cycle.market,
        volume=volume,
        lost=kind == Adjustment.Kind.LOST,
    )
    adjustment = Adjustment.objects.create(
        cycle=cycle,
        kind=kind,
        volume=volume,
        cost=before.cost - booked.position.cost,
        by=by,
    )
    LedgerEntry.objects.bulk_create(
        LedgerEntry(
            adjustment=adjustment,
            cycle=cycle,
            owner_id=cycle.bot.owner_id,
            account=leg.account,
            currency=leg.currency,
            amount=leg.amount,
            at=adjustment.at,
        )
        for leg in booked.legs
    )
    cycle.volume, cycle.cost = booked.position.volume, booked.position.cost
    cycle.profit += booked.profit
