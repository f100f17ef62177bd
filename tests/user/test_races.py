"""Two at once: bots that share an account's caps, workers that want the same bot."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from tests.user.floor import Floor
from user_project.accounts.models import ExchangeAccount
from user_project.bots import cycles, limits, runner, services
from user_project.bots.models import Bot, Cycle, Order
from user_project.bots.runner import RunResult, run_bot

pytestmark = pytest.mark.django_db(transaction=True)

PATIENCE = 0.3
"""Seconds one waits for the other at the critical place; it must not come there."""


def at_once(*jobs: Callable[[], RunResult]) -> list[RunResult]:
    """Run the jobs in a thread each; errors are the test's."""
    results: list[RunResult] = []
    errors: list[BaseException] = []

    def work(job: Callable[[], RunResult]) -> None:
        try:
            results.append(job())
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=work, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)
    assert errors == []
    return results


def meeting_after(original: Callable[..., Any]) -> Callable[..., Any]:
    """Return *original*, after which two callers wait for one another for a moment."""
    barrier = threading.Barrier(2)

    def call(*args: Any, **arguments: Any) -> Any:
        answer = original(*args, **arguments)
        try:
            barrier.wait(timeout=PATIENCE)
        except threading.BrokenBarrierError:
            pass
        return answer

    return call


def worker(floor: Floor, bot: Bot, name: str) -> Callable[[], RunResult]:
    return lambda: run_bot(bot_id=bot.pk, worker=name, clock=floor.clock)


@pytest.mark.parametrize(
    ("cap", "value", "reason"),
    [
        ("cap_budget", 1_999_999, "CAP_ACCOUNT"),
        ("cap_coin", 1_999_999, "CAP_COIN"),
        ("cap_cycles", 1, "CAP_CYCLES"),
    ],
)
def test_two_bots_that_start_at_once_do_not_pass_a_cap(
    floor: Floor, monkeypatch: pytest.MonkeyPatch, cap: str, value: int, reason: str
) -> None:
    ExchangeAccount.objects.update(**{cap: value})
    other = services.clone_bot(bot=floor.bot, name="둘째", now=floor.clock())
    services.start_bot(bot=other, now=floor.clock())
    monkeypatch.setattr(limits, "exceeded", meeting_after(limits.exceeded))

    results = at_once(
        worker(floor, floor.bot, "worker-a"), worker(floor, other, "worker-b")
    )

    assert [result.claimed for result in results] == [True, True]
    assert Cycle.objects.count() == 1
    refused = Bot.objects.get(cycles__isnull=True)
    assert refused.reason == reason


def test_two_workers_on_one_bot_send_each_order_once(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second comes when the first has claimed the bot and decides."""
    monkeypatch.setattr(cycles, "bot_facts", meeting_after(cycles.bot_facts))

    results = at_once(
        worker(floor, floor.bot, "worker-a"), worker(floor, floor.bot, "worker-b")
    )

    assert sorted(result.claimed for result in results) == [False, True]
    fence = floor.bot.fence
    floor.bot.refresh_from_db()
    assert floor.bot.fence == fence + 1  # the second did not even disturb the first
    assert Cycle.objects.count() == 1
    sent = [request.identifier for request in floor.exchange.posts]
    assert len(sent) == len(set(sent)) == Order.objects.count() > 0


def test_a_worker_whose_lease_ran_out_sends_nothing_any_more(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It slept between its decision and its order; another has done the work."""
    original, asleep = runner.intend, []

    def late(**arguments: Any) -> Order:
        if not asleep:
            asleep.append(True)
            Bot.objects.update(lease_until=None, lease_owner="")
            run_bot(bot_id=floor.bot.pk, worker="worker-b", clock=floor.clock)
        return original(**arguments)

    monkeypatch.setattr(runner, "intend", late)
    first = floor.run(worker="worker-a")

    assert first.claimed is False
    buys = Order.objects.filter(stage=1, side="bid")
    assert buys.count() == 1
    assert len(floor.exchange.posts) == Order.objects.count()
