"""Which bots have to be woken now: one query, its cost that of the bots it finds."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django.db import connection

from user_project.bots.lease import LEASE
from user_project.bots.models import Bot
from user_project.trading.lifecycle import ACTIVE_BOTS

MOST_DUE: Final = 2_000
"""Looked at in one go, oldest appointments first; after an outage all are due."""

# OFFSET 0 keeps each market a probe of its index: the planner expects a third of all
# bots beyond a price it does not know, and would rather read the whole table.
_FIND: Final = """
WITH seen AS (
  SELECT * FROM unnest(%(markets)s::text[], %(prices)s::numeric[]) AS seen (market, price)
)
(SELECT id, true AS is_due FROM {bot}
 WHERE next_tick_at <= %(now)s AND (lease_until IS NULL OR lease_until < %(now)s)
 ORDER BY next_tick_at LIMIT {most})
UNION
SELECT crossed.id, false FROM seen CROSS JOIN LATERAL (
  SELECT id FROM {bot}
   WHERE market = seen.market AND wake_below >= seen.price AND {may_act} OFFSET 0
) AS crossed
UNION
SELECT crossed.id, false FROM seen CROSS JOIN LATERAL (
  SELECT id FROM {bot}
   WHERE market = seen.market AND wake_above <= seen.price AND {may_act} OFFSET 0
) AS crossed
"""
_MAY_ACT: Final = """
(state = ANY(%(active)s) OR next_tick_at IS NOT NULL)
 AND (lease_until IS NULL OR lease_until < %(now)s)
"""
FIND: Final = _FIND.format(bot=Bot._meta.db_table, may_act=_MAY_ACT, most=MOST_DUE)

CLAIM: Final = (
    f"UPDATE {Bot._meta.db_table} SET next_tick_at = %(until)s"  # noqa: S608  # own name
    " WHERE id = ANY(%(bots)s::uuid[])"
)


@dataclass(frozen=True, slots=True)
class Found:
    """Bots with something to do that no worker holds."""

    due: frozenset[uuid.UUID]
    """Their appointment has come."""
    crossed: frozenset[uuid.UUID]
    """Only their trigger price was reached."""


def find(*, prices: Mapping[str, Decimal], now: datetime) -> Found:
    """Find whom to wake; *prices* maps market to last price."""
    with connection.cursor() as cursor:
        cursor.execute(FIND, parameters(prices=prices, now=now))
        rows = cursor.fetchall()
    due = frozenset(bot_id for bot_id, is_due in rows if is_due)
    return Found(due=due, crossed=frozenset(bot_id for bot_id, _ in rows) - due)


def parameters(*, prices: Mapping[str, Decimal], now: datetime) -> dict[str, Any]:
    """Return what FIND asks for."""
    return {
        "markets": list(prices),
        "prices": list(prices.values()),
        "active": [state.value for state in ACTIVE_BOTS],
        "now": now,
    }


def claim(bots: Collection[uuid.UUID], *, until: datetime) -> None:
    """Let nobody wake these bots before *until*, should their message get lost."""
    if bots:
        with connection.cursor() as cursor:
            cursor.execute(CLAIM, {"bots": list(map(str, bots)), "until": until})


def bring_forward(*, now: datetime) -> None:
    """Let no appointment or lease wait for an hour that the clock has just lost.

    What was rightly far away is decided, and put off, once more.
    """
    Bot.objects.filter(next_tick_at__gt=now).update(next_tick_at=now)
    Bot.objects.filter(lease_until__gt=now + LEASE).update(lease_until=now + LEASE)
