"""Very many waiting bots for benchmarks, and the prices at which they wake one by one.

Bots are dealt out over the coins; the n-th waits for a price of HIGHEST - n, so a price
of HIGHEST - n wakes exactly those of its coin up to the n-th.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from typing import Any, Final

COINS: Final = 250
HIGHEST: Final = 1_000_000
NAIVE: Final = "bench.naive"
"""The task of one bot, where each has its own."""
DISARM: Final = "DANTARO_BENCH_DISARM"
"""Set in a worker's environment whose bots wait for nothing any more once started."""
_TEMPLATE: Final = {"budget": 1_000_000, "state": "running", "name": "bot"}
_MANY: Final = """
INSERT INTO bots_bot SELECT (jsonb_populate_record(one, jsonb_build_object(
    'id', gen_random_uuid(), 'market', 'KRW-' || number %% %(coins)s,
    'wake_below', %(highest)s - number
))).* FROM bots_bot AS one, generate_series(0, %(bots)s - 1) AS number
RETURNING id, wake_below
"""


def market(number: int) -> str:
    """Return the coin of a bot's number."""
    return f"KRW-{number % COINS}"


def price(number: int) -> Decimal:
    """Return the price that wakes the bot of this number and those before it."""
    return Decimal(HIGHEST - number)


def create(count: int) -> list[uuid.UUID]:
    """Fill the empty table; return the bots' ids by number."""
    bots: Any = import_module("user_project.bots.models").Bot.objects
    users: Any = import_module("django.contrib.auth").get_user_model().objects
    accounts: Any = import_module("user_project.accounts.models").ExchangeAccount
    owner = users.get_or_create(username="owner")[0]
    account, _ = accounts.objects.get_or_create(
        owner=owner, name="bench", defaults={"base_url": "http://127.0.0.1:9"}
    )
    bots.all().delete()
    later = datetime.now(UTC) + timedelta(days=1)
    template = bots.create(
        owner=owner, account=account, market="KRW-0", next_tick_at=later, **_TEMPLATE
    )
    connection = import_module("django.db").connection
    with connection.cursor() as cursor:
        asked = {"coins": COINS, "highest": HIGHEST, "bots": count}
        cursor.execute(_MANY, asked)
        made = {int(HIGHEST - wake): bot_id for bot_id, wake in cursor.fetchall()}
        cursor.execute("DELETE FROM bots_bot WHERE id = %s", [template.pk])
        cursor.execute("VACUUM ANALYZE bots_bot")
    return [made[number] for number in range(count)]


def disarm(bots: Sequence[uuid.UUID]) -> None:
    """Do what the work of these bots would: they wait for something else now."""
    rows: Any = import_module("user_project.bots.models").Bot.objects
    later = datetime.now(UTC) + timedelta(days=1)
    rows.filter(pk__in=bots).update(wake_below=None, next_tick_at=later)
