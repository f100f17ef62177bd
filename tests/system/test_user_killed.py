"""The user server's parts killed in the middle of their work: nothing doubled or lost.

One world serves all tests; they run in this order. Each waits for what must become true.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import redis
from celery import Celery

from deploy.user_world import user_world
from tests.system.town import AUDIT, Town, until

MARKETS = ("KRW-BTC", "KRW-ETH", "KRW-XRP")
HASTY = {
    "user_project.celery": "tests.system.hasty_worker",
    "pull,housekeeping": "housekeeping",
    "pull@%h": "hasty@%h",
}


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
    assert town.world.python("-c", AUDIT) == ""
    for market, bot in bots.items():
        assert town.held(market) == town.volume(bot)
    assert town.rows("SELECT DISTINCT state, tick_failures FROM bots_bot") == [
        ("running", 0)
    ]
    assert town.world.simulator("GET", "ledger")["invariants"]["hold"]
