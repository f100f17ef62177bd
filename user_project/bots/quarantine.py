"""An account is set apart, every owner of its bots told; a person ends it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from user_project.accounts.models import ExchangeAccount
from user_project.bots.events import Say, written
from user_project.bots.models import Bot, BotEvent
from user_project.bots.problems import BotProblem

KEPT: Final = 500


def set_apart(
    *, account_id: UUID, reason: str, now: datetime, orders: Sequence[str] = ()
) -> None:
    """Let an account send nothing until a person has looked; twice changes nothing.

    *orders* are identifiers the person accepts by ending the quarantine.
    """
    free = ExchangeAccount.objects.filter(pk=account_id, quarantined_at__isnull=True)
    with transaction.atomic():
        if free.update(
            quarantined_at=now,
            quarantine_reason=reason[:300],
            strange_orders=list(orders),
        ):
            _tell(
                account_id,
                kind="account.quarantined",
                message=lambda: (
                    _("계정을 격리했습니다. %(reason)s") % {"reason": reason}
                ),
            )


def lift_quarantine(
    *, account: ExchangeAccount, note: str, by: Any, now: datetime
) -> None:
    """Let an account trade again, after the next reconciliation.

    *note* says what was found; it is kept in the diary of every bot of the account.
    """
    note = note.strip()
    if not note:
        raise BotProblem(
            "NOTE_MISSING",
            _("무엇을 확인했는지 적으세요. 기록에 남습니다."),
            field="note",
        )
    with transaction.atomic():
        locked = ExchangeAccount.objects.select_for_update().get(pk=account.pk)
        if locked.quarantined_at is None:
            raise BotProblem("NOT_QUARANTINED", _("격리된 계정이 아닙니다."))
        locked.quarantined_at, locked.quarantine_reason = None, ""
        accepted = [*locked.accepted_orders, *locked.strange_orders]
        locked.accepted_orders, locked.strange_orders = accepted[-KEPT:], []
        # Old looks count no more: the exchange is compared before anything is sent.
        locked.reconciled_at = None
        locked.save(
            update_fields=(
                *("quarantined_at", "quarantine_reason", "reconciled_at"),
                *("accepted_orders", "strange_orders"),
            )
        )
    _tell(
        account.pk,
        kind="account.released",
        message=lambda: _("계정 격리를 풀었습니다. %(note)s") % {"note": note},
        by=str(by),
    )
    Bot.objects.filter(account=account).active().update(next_tick_at=now)


def _tell(account_id: UUID, *, kind: str, message: Say, **data: Any) -> None:
    """Write it into the diary of every bot of the account."""
    columns = written(message)
    BotEvent.objects.bulk_create(
        BotEvent(bot=bot, kind=kind, data=data, **columns)
        for bot in Bot.objects.filter(account_id=account_id)
    )
