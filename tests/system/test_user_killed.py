"""The user server's parts killed in the middle of their work: nothing doubled or lost.

One world serves all tests; they run in this order. Each waits for what must become true.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any
from urllib.request import urlopen

import psycopg2
import pytest
import redis
from celery import Celery

from deploy.user_world import UserWorld, user_world

PATIENCE_SECONDS = 60.0
MARKETS = ("KRW-BTC", "KRW-ETH", "KRW-XRP")
BOT = {"account": 0, "budget": 1_000_000, "stages": 6, "level": "aggressive"}
HASTY = {
    "user_project.celery": "tests.system.hasty_worker",
    "pull,housekeeping": "housekeeping",
    "pull@%h": "hasty@%h",
}
_AUDIT = """
import django; django.setup()
from django.utils import timezone
from user_project.accounts.models import ExchangeAccount
from user_project.bots.audit import audit
accounts = ExchangeAccount.objects.all()
for finding in audit(accounts=accounts, now=timezone.now(), ask_exchange=True):
    print(finding)
"""


class Town:
    """A world whose bots are looked at from outside, by its tables and its exchange."""

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
            " ORDER BY created_at"
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


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    options = ("--markets", "3", "--seed", "3", "--rate-factor", "20")
    extra = {"DANTARO_RATE_FACTOR": "20", "LOG_LEVEL": "INFO"}
    with user_world(accounts=1, market=options, extra=extra) as world:
        world.start("bots0", "reconcile")
        world.supervisor.start(world.processes.loops[0])
        yield Town(world)


@pytest.fixture(scope="module")
def bots(town: Town) -> dict[str, str]:
    """Bots by market, as tests start them."""
    return {}


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


def test_a_worker_killed_while_its_order_is_under_way(
    town: Town, bots: dict[str, str]
) -> None:
    town.arm("accept_then_hang")
    bot = bots["KRW-BTC"] = town.start_bot("KRW-BTC")
    until(town, town.posts_under_way, what="an order on its way")

    town.world.supervisor.kill("user-bots0")

    settled = lambda: town.is_settled(bot, bought=1)  # noqa: E731
    until(town, settled, what="the first stage, booked by the next worker")
    assert town.held("KRW-BTC") == town.volume(bot)
    assert town.world.supervisor.restarts("user-bots0") == 1


def test_two_workers_on_one_bot(town: Town, bots: dict[str, str]) -> None:
    first = town.world.processes.workers["bots0"]
    command = tuple("twin@%h" if word == "bots0@%h" else word for word in first.command)
    town.world.supervisor.start(replace(first, name="twin", command=command))
    town.world.wait_for_workers("bots0", "twin")
    town.arm("delay", seconds=2)
    bot = bots["KRW-ETH"] = town.start_bot("KRW-ETH")
    until(town, town.posts_under_way, what="an order on its way")

    town.world.python(
        "-c",
        "import django; django.setup()\n"
        "from user_project.bots.tasks import wake\n"
        f"for _ in range(6): wake(0, ['{bot}'])",
    )

    settled = lambda: town.is_settled(bot, bought=1)  # noqa: E731
    until(town, settled, what="one order per stage")
    ran = [town.world.supervisor.tail(name, 500) for name in ("user-bots0", "twin")]
    assert all(any("run_bots" in line for line in lines) for lines in ran)
    assert town.held("KRW-ETH") == town.volume(bot)
    assert town.sent_twice() == {}
    town.world.supervisor.stop("twin")


def test_a_watcher_killed_while_a_stage_fills(town: Town, bots: dict[str, str]) -> None:
    town.world.supervisor.kill("user-watch")
    town.fall_to(bots["KRW-BTC"], stage=2)

    settled = lambda: town.is_settled(bots["KRW-BTC"], bought=2)  # noqa: E731
    until(town, settled, what="the fill, noticed by the next watcher")


def test_a_redis_killed_and_back_empty(town: Town, bots: dict[str, str]) -> None:
    town.world.supervisor.kill("valkey")
    town.fall_to(bots["KRW-BTC"], stage=3)

    settled = lambda: town.is_settled(bots["KRW-BTC"], bought=3)  # noqa: E731
    until(town, settled, what="the fill, once Redis is back")


def test_a_redis_emptied_under_way(town: Town, bots: dict[str, str]) -> None:
    with redis.Redis.from_url(town.world.env["REDIS_URL"]) as client:
        client.flushall()
    town.fall_to(bots["KRW-ETH"], stage=2)

    settled = lambda: town.is_settled(bots["KRW-ETH"], bought=2)  # noqa: E731
    until(town, settled, what="the fill, after everything in Redis was lost")


def test_a_database_restarted_while_an_order_is_under_way(
    town: Town, bots: dict[str, str]
) -> None:
    town.arm("delay", seconds=2)
    bot = bots["KRW-XRP"] = town.start_bot("KRW-XRP")
    until(town, town.posts_under_way, what="an order on its way")

    town.world.supervisor.kill("postgres")

    settled = lambda: town.is_settled(bot, bought=1)  # noqa: E731
    until(town, settled, what="the first stage, after the database is back")
    assert town.held("KRW-XRP") == town.volume(bot)


def test_a_worker_that_consumes_nothing_any_more_starts_again(town: Town) -> None:
    worker = town.world.processes.workers["pull"]
    command = tuple(HASTY.get(word, word) for word in worker.command)
    town.world.supervisor.start(replace(worker, name="hasty", command=command))
    beats = "SELECT seen_at FROM bots_queueheartbeat WHERE queue = 'housekeeping'"
    until(town, lambda: town.rows(beats), what="a sign of life")
    first = town.world.supervisor.pid("hasty")

    # Alive and connected, yet deaf, as after a bad reconnection.
    app = Celery(broker=town.world.env["REDIS_URL"], set_as_current=False)
    app.conf.broker_transport_options = {"global_keyprefix": "du:"}
    until(
        town,
        lambda: app.control.cancel_consumer("housekeeping", reply=True),
        what="a worker that was told",
    )

    started = lambda: town.world.supervisor.restarts("hasty")  # noqa: E731
    until(town, started, what="the end of the deaf worker")
    (last,) = town.rows(beats)
    until(town, lambda: town.rows(beats) > [last], what="a new sign of life")
    assert town.world.supervisor.pid("hasty") != first
    town.world.supervisor.stop("hasty")


def test_in_the_end_all_books_agree(town: Town, bots: dict[str, str]) -> None:
    assert town.world.python("-c", _AUDIT) == ""
    for market, bot in bots.items():
        assert town.held(market) == town.volume(bot)
    assert town.rows("SELECT DISTINCT state, tick_failures FROM bots_bot") == [
        ("running", 0)
    ]
    assert town.world.simulator("GET", "ledger")["invariants"]["hold"]
