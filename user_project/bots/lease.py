"""Who may act for a bot right now: a lease on its row with a rising fence number."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from django.db import connection

from user_project.bots.models import Bot

LEASE: Final = timedelta(seconds=45)
SEND_MARGIN_SECONDS: Final = 15.0
"""An order is only sent while this much of the lease is left."""

# One statement: what it returns is the fence that it has just written.
CLAIM: Final = f"""
UPDATE {Bot._meta.db_table} SET fence = fence + 1, lease_owner = %(worker)s,
       lease_until = statement_timestamp() + make_interval(secs => %(seconds)s)
 WHERE id = %(bot)s AND (lease_until IS NULL OR lease_until < statement_timestamp()
       OR lease_owner = %(worker)s)
RETURNING fence
"""  # noqa: S608  # the table's own name


class LeaseLost(Exception):
    """Another worker acts for this bot now; nothing more may be written or sent."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to act for one bot until ``deadline`` (monotonic seconds)."""

    bot_id: uuid.UUID
    fence: int
    deadline: float

    def guard(self) -> Bot:
        """Lock the bot's row inside the caller's transaction and return it."""
        try:
            return Bot.objects.select_for_update().get(pk=self.bot_id, fence=self.fence)
        except Bot.DoesNotExist:
            raise LeaseLost(f"bot {self.bot_id}: fence {self.fence} is gone") from None

    def may_send(self) -> bool:
        """Tell whether enough of the lease is left to send an order.

        A process that was paused and wakes up late must not send.
        """
        return time.monotonic() < self.deadline - SEND_MARGIN_SECONDS


def claim(*, bot_id: uuid.UUID, worker: str) -> Lease | None:
    """Take the lease by the database's clock; None when another worker holds it."""
    seconds = LEASE.total_seconds()
    deadline = time.monotonic() + seconds
    asked: dict[str, Any] = {"bot": bot_id, "worker": worker, "seconds": seconds}
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, asked)
        row = cursor.fetchone()
    return None if row is None else Lease(bot_id, fence=row[0], deadline=deadline)


def release(*, lease: Lease, decided_in: str | None = None, **changes: object) -> None:
    """Give the lease back and write what was decided; silent if it was lost.

    What was decided in another state (*decided_in*) than the bot now has is dropped:
    the owner's change is newer, and so is the wake-up that came with it.
    """
    ours = Bot.objects.filter(pk=lease.bot_id, fence=lease.fence)
    valid = ours if decided_in is None else ours.filter(state=decided_in)
    if not valid.update(lease_owner="", lease_until=None, **changes):
        ours.update(lease_owner="", lease_until=None)
