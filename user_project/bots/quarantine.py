"""The end of an account's quarantine: a person has found out what happened."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction

from user_project.accounts.models import ExchangeAccount
from user_project.bots.models import Bot, BotEvent
from user_project.bots.problems import BotProblem


def lift_quarantine(
    *, account: ExchangeAccount, note: str, by: Any, now: datetime
) -> None:
    """Let an account trade again, after the next reconciliation.

    *note* says what was found; it is kept in the diary of every bot of the account.
    """
    note = note.strip()
    if not note:
        raise BotProblem(
            "NOTE_MISSING", "무엇을 확인했는지 적으세요. 기록에 남습니다.", field="note"
        )
    with transaction.atomic():
        locked = ExchangeAccount.objects.select_for_update().get(pk=account.pk)
        if locked.quarantined_at is None:
            raise BotProblem("NOT_QUARANTINED", "격리된 계정이 아닙니다.")
        locked.quarantined_at, locked.quarantine_reason = None, ""
        # Old looks count no more: the exchange is compared before anything is sent.
        locked.reconciled_at = None
        changed = ("quarantined_at", "quarantine_reason", "reconciled_at")
        locked.save(update_fields=changed)
    _tell(account, note=note, by=by, now=now)


def _tell(account: ExchangeAccount, *, note: str, by: Any, now: datetime) -> None:
    bots = Bot.objects.filter(account=account)
    message = f"계정 격리를 풀었습니다. {note}"[:300]
    BotEvent.objects.bulk_create(
        BotEvent(
            bot=bot, kind="account.released", message=message, data={"by": str(by)}
        )
        for bot in bots
    )
    bots.active().update(next_tick_at=now)
