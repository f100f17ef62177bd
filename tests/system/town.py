"""A world whose bots are looked at from outside, by its tables and its exchange."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from urllib.request import urlopen

import psycopg2
import pytest
import redis

from deploy.user_world import UserWorld

PATIENCE_SECONDS = 60.0
SKEW_FILE = "DANTARO_TEST_SKEW_FILE"
"""Names the file that moves the clock; kept here because loading `skewed` itself would
choose Django's settings for every test of this process."""
BOT = {"account": 0, "budget": 1_000_000, "stages": 6, "level": "aggressive"}
AUDIT = """
import django; django.setup()
from django.utils import timezone
from user_project.accounts.models import ExchangeAccount
from user_project.bots.audit import audit
accounts = ExchangeAccount.objects.all()
for finding in audit(accounts=accounts, now=timezone.now(), ask_exchange=True):
    print(finding)
"""


class Town:
    """One user server with its exchange."""

    def __init__(self, world: UserWorld) -> None:
        self.world = world

    def rows(self, query: str, *arguments: object) -> list[tuple[Any, ...]]:
        """Ask the database over a connection of its own; it may be restarting."""
        connection = psycopg2.connect(self.world.env["DATABASE_URL"], connect_timeout=5)
        try:
            with connection.cursor() as cursor:
                cursor.execute(query, arguments)
                return list(cursor.fetchall())
        finally:
            connection.close()

    def start_bot(self, market: str) -> str:
        """Let a new bot run from now on."""
        with urlopen(f"{self.world.simulator_url}/v1/ticker?markets={market}") as told:
            price = str(json.load(told)[0]["trade_price"])
        keys = [[key.access, key.secret] for key in self.world.keys]
        bot = {**BOT, "market": market, "jitter": 0}
        levels = {market: price}
        told_ids = self.world.seed({"accounts": keys, "levels": levels, "bots": [bot]})
        return str(told_ids["bots"][0])

    def orders(self, bot: str) -> dict[tuple[int, str], str]:
        """Return the state of the last order of each stage and side."""
        query = (
            "SELECT stage, side, state FROM bots_order WHERE bot_id = %s"
            " ORDER BY attempt"
        )
        return {(stage, side): state for stage, side, state in self.rows(query, bot)}

    def is_settled(self, bot: str, *, bought: int) -> bool:
        """Tell whether *bought* stages are booked and everything rests as it should."""
        orders = self.orders(bot)
        resting = [orders.get((stage, "bid")) for stage in (bought + 1, bought + 2)]
        filled = [orders.get((stage, "bid")) for stage in range(1, bought + 1)]
        return (
            filled == ["filled"] * bought
            and resting == ["open", "open"]
            and orders.get((0, "ask")) == "open"
            and self.volume(bot) == self.on_sale(bot)
        )

    def volume(self, bot: str) -> Decimal:
        """Return how much the bot says it holds."""
        query = "SELECT volume FROM bots_cycle WHERE bot_id = %s"
        return Decimal(self.rows(query, bot)[0][0])

    def on_sale(self, bot: str) -> Decimal:
        """Return the volume of the sell that rests."""
        query = (
            "SELECT requested_volume FROM bots_order"
            " WHERE bot_id = %s AND side = 'ask' AND state = 'open'"
        )
        return Decimal(sum(volume for (volume,) in self.rows(query, bot)))

    def fall_to(self, bot: str, *, stage: int) -> None:
        """Let somebody trade at the price of a resting stage."""
        query = (
            "SELECT market, price::text FROM bots_order WHERE bot_id = %s"
            " AND stage = %s AND side = 'bid' AND state = 'open'"
        )
        ((market, price),) = self.rows(query, bot, stage)
        price = str(Decimal(price).normalize().quantize(Decimal(1)))
        body = {"market": market, "price": price, "volume": "1000000"}
        self.world.simulator("POST", "trades", body)

    def arm(self, kind: str, **more: Any) -> None:
        """Let the next order go wrong."""
        body = {"endpoint": "POST /v1/orders", "kind": kind, "times": 1, **more}
        self.world.simulator("POST", "faults", body)

    def posts_under_way(self) -> int:
        """Count the orders whose sender still waits for an answer."""
        calls = self.world.simulator("GET", "requests?endpoint=POST%20/v1/orders")
        return sum(call["status"] is None for call in calls)

    def held(self, market: str) -> Decimal:
        """Return what the exchange says the account owns of a coin."""
        (account,) = self.world.simulator("GET", "ledger")["accounts"].values()
        wallet = account["balances"][market.removeprefix("KRW-")]
        return Decimal(wallet["balance"]) + Decimal(wallet["locked"])

    def sent_twice(self) -> dict[str, int]:
        """Return the identifiers that came in more than once."""
        posts = self.world.simulator("GET", "ledger")["posts"]["by_identifier"]
        return {name: count for name, count in posts.items() if count > 1}


def until(town: Town, condition: Callable[[], object], *, what: str) -> None:
    """Ask again and again until it is true; tell what the processes said if never."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            if condition():
                return
        except (psycopg2.Error, redis.RedisError, IndexError):
            pass  # still starting
        if time.monotonic() > deadline:
            supervisor = town.world.supervisor
            logs = [
                line for name in supervisor.running() for line in supervisor.tail(name)
            ]
            pytest.fail(f"{what} did not happen\n" + "\n".join(logs))
        time.sleep(0.1)
