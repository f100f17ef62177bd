"""Prepares bots that send one order each as soon as their price is reached.

Usage: python -m deploy.bench_user_post_run make N < {"accounts": [[access, secret], …],
"markets": [one for each account]} | orders, with a user server's environment. `make`
prints [[bot, market, price], …], `orders` {identifier: bot}.
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from importlib import import_module
from typing import Any, Final

import django

from deploy import user_bots

FIRST_DROP: Final = Decimal("0.03")
DROP: Final = Decimal("0.004")
"""Each bot waits for a price so much lower than the one before it."""
SETUP_SECONDS: Final = 30.0
_COPIES: Final = """
INSERT INTO {table} SELECT (jsonb_populate_record(one, jsonb_build_object({changes}))).*
  FROM {table} AS one, unnest(
       %(bots)s::uuid[], %(cycles)s::uuid[], %(orders)s::uuid[], %(prices)s::numeric[]
       ) AS new (bot, cycle, number, price)
 WHERE one.id = %(pattern)s
"""
_BOT: Final = """'id', new.bot, 'wake_below', new.price, 'wake_above', null,
 'next_tick_at', now() + interval '1 day'"""
_CYCLE: Final = "'id', new.cycle, 'bot_id', new.bot"
_ORDER: Final = """'id', new.number, 'bot_id', new.bot, 'cycle_id', new.cycle,
 'identifier', new.number, 'exchange_uuid', new.number"""


def main(what: str, *arguments: str) -> int:
    """Do one of both."""
    django.setup()
    if what == "make":
        print(json.dumps(_make(int(*arguments), json.load(sys.stdin))))
    else:
        orders: Any = import_module("user_project.bots.models").Order.objects
        rows = orders.filter(side="ask").values_list("identifier", "bot_id")
        print(json.dumps({name: str(bot_id) for name, bot_id in rows}))
    return 0


def _make(each: int, wanted: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    markets: Sequence[str] = wanted["markets"]
    prices = _prices(markets)
    told = user_bots.write(
        {
            "accounts": wanted["accounts"],
            "levels": {market: str(price) for market, price in prices.items()},
            "bots": [
                {
                    "account": number,
                    "market": market,
                    "budget": 20_000,
                    "stages": 1,
                    "jitter": 0,
                }
                for number, market in enumerate(markets)
            ],
        }
    )
    import_module("user_project.bots.reconcile").reconcile_all(
        clock=lambda: datetime.now(UTC)
    )
    return [
        row
        for bot_id, market in zip(told["bots"], markets, strict=True)
        for row in _copies(_held(bot_id), each, prices[market])
    ]


def _prices(markets: Sequence[str]) -> dict[str, Decimal]:
    build: Any = import_module("user_project.exchanges.registry").build_adapter
    settings = import_module("django.conf").settings
    adapter = build(
        exchange="upbit",
        base_url=settings.UPBIT_BASE_URL,
        access_key="",
        secret_key="",
        rate_factor=settings.RATE_FACTOR,
        redis_url=settings.REDIS_URL,
        pocket="quotation",
    )
    quotes = adapter.get_prices(markets=markets)
    return {market: quotes[market].price for market in markets}


def _held(bot_id: str) -> Any:
    """Let a bot buy for real; return its bought stage."""
    models: Any = import_module("user_project.bots.models")
    run_bot: Any = import_module("user_project.bots.runner").run_bot
    deadline = time.monotonic() + SETUP_SECONDS
    sells = models.Order.objects.filter(bot_id=bot_id, side="ask", state="open")
    while not sells.exists():
        if time.monotonic() > deadline:
            bot = models.Bot.objects.get(pk=bot_id)
            raise RuntimeError(f"no sell of {bot.market}: {bot.state}, {bot.reason}")
        run_bot(
            bot_id=uuid.UUID(bot_id), worker="bench", clock=lambda: datetime.now(UTC)
        )
        time.sleep(0.2)
    return models.Order.objects.select_related("bot", "cycle").get(
        bot_id=bot_id, side="bid"
    )


def _copies(order: Any, each: int, price: Decimal) -> list[tuple[str, str, str]]:
    """Copy a bot that holds coins, without its sell, waiting for lower prices."""
    floor: Any = import_module("common.money").KRW_TICKS.floor
    drops = [FIRST_DROP + DROP * number for number in range(each)]
    bots, cycles, orders = ([str(uuid.uuid4()) for _ in drops] for _ in range(3))
    asked = {
        "bots": bots,
        "cycles": cycles,
        "orders": orders,
        "prices": [floor(price=price * (1 - drop)) for drop in drops],
    }
    with import_module("django.db").connection.cursor() as cursor:
        for row, changes in (
            (order.bot, _BOT),
            (order.cycle, _CYCLE),
            (order, _ORDER),
        ):
            query = _COPIES.format(table=row._meta.db_table, changes=changes)
            cursor.execute(query, {**asked, "pattern": row.pk})
    return [
        (bot_id, order.market, str(at))
        for bot_id, at in zip(bots, asked["prices"], strict=True)
    ]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
