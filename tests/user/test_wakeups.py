"""Whom the watcher's query finds, and that it reads no more of the table than that."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from tests.user.factories import NOW, make_bot, make_user
from user_project.bots import wakeups
from user_project.bots.models import Bot

BOTS = 10_000
COINS = 250
PRICE = Decimal(1000)
LATER = NOW + timedelta(hours=1)
_MANY = """
INSERT INTO bots_bot SELECT (jsonb_populate_record(sample, jsonb_build_object(
    'id', gen_random_uuid(), 'market', 'KRW-' || number %% %(coins)s,
    'wake_below', 999 - number / %(coins)s, 'wake_above', 1001 + number / %(coins)s,
    'next_tick_at', %(later)s::timestamptz + number * interval '1 second'
))).* FROM bots_bot AS sample, generate_series(1, %(bots)s - 1) AS number
"""


@pytest.fixture
def many(db: None) -> Bot:
    """Return one of very many running bots, none of them due."""
    bot = make_bot(
        make_user("alice"), state="running", next_tick_at=LATER, market="KRW-0"
    )
    with connection.cursor() as cursor:
        cursor.execute(_MANY, {"coins": COINS, "bots": BOTS, "later": LATER})
        cursor.execute("ANALYZE bots_bot")
    return bot


def prices(price: Decimal = PRICE) -> dict[str, Decimal]:
    return {f"KRW-{number}": price for number in range(COINS)}


def plan_nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from plan_nodes(child)


def bot_scans(crossing: Decimal) -> list[dict[str, Any]]:
    """Return how the query reads the bots when every price is *crossing*."""
    asked = wakeups.parameters(prices=prices(crossing), now=NOW)
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + wakeups.FIND, asked)
        (answer,) = cursor.fetchone() or ()
    told = answer if isinstance(answer, list) else json.loads(answer)
    nodes = plan_nodes(told[0]["Plan"])
    return [node for node in nodes if node.get("Relation Name") == "bots_bot"]


class TestCost:
    def test_the_table_is_entered_through_its_indexes_alone(self, many: Bot) -> None:
        for crossed in (0, 3):
            scans = bot_scans(PRICE - crossed)

            kinds = {node["Node Type"] for node in scans}
            read = sum(node["Actual Rows"] * node["Actual Loops"] for node in scans)
            assert kinds <= {"Index Scan", "Bitmap Heap Scan"}
            assert read == COINS * crossed
