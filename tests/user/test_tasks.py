"""Batches of bots in a worker: one bot's trouble is not the others', nothing lasts."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
from celery.exceptions import QueueNotFound, SoftTimeLimitExceeded
from django.db.utils import OperationalError

from tests.user.floor import Floor
from user_project.bots import runner, tasks
from user_project.bots.runner import RunResult
from user_project.celery import app

IDS = [str(uuid4()) for _ in range(3)]


class Batch:
    """Runs a batch whose bots do what a test says."""

    def __init__(self) -> None:
        self.ran: list[str] = []
        self.sent: list[list[str]] = []
        self.happens: dict[str, RunResult | Exception] = {}

    def run_bot(self, *, bot_id: UUID, **_: Any) -> RunResult:
        self.ran.append(str(bot_id))
        result = self.happens.get(str(bot_id), RunResult(claimed=True))
        if isinstance(result, Exception):
            raise result
        return result

    def run(self) -> None:
        tasks.run_bots.push_request(delivery_info={"routing_key": "bots.1"})
        try:
            tasks.run_bots.run(bot_ids=IDS)
        finally:
            tasks.run_bots.pop_request()


@pytest.fixture
def batch(monkeypatch: pytest.MonkeyPatch) -> Batch:
    made = Batch()

    def send(bot_ids: list[str], *, queue: str) -> None:
        assert queue == "bots.1"
        made.sent.append(bot_ids)

    monkeypatch.setattr(tasks, "run_bot", made.run_bot)
    monkeypatch.setattr(tasks, "_send", send)
    return made


class TestABatch:
    def test_runs_every_bot(self, batch: Batch) -> None:
        batch.run()

        assert batch.ran == IDS
        assert batch.sent == []

    @pytest.mark.parametrize(
        "what",
        [
            RunResult(claimed=True, ambiguous=True),
            SoftTimeLimitExceeded(),
        ],
        ids=["an order in doubt", "too slow"],
    )
    def test_sends_the_rest_on_when_a_bot_holds_it_up(
        self, batch: Batch, what: RunResult | Exception
    ) -> None:
        batch.happens[IDS[0]] = what

        batch.run()

        assert batch.ran == IDS[:1]
        assert batch.sent == [IDS[1:]]

    def test_ends_without_a_database_because_the_watcher_wakes_again(
        self, batch: Batch
    ) -> None:
        batch.happens[IDS[1]] = OperationalError("the database is restarting")

        batch.run()

        assert batch.ran == IDS[:2]
        assert batch.sent == []

    def test_sends_the_rest_on_when_its_time_is_up(
        self, batch: Batch, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tasks, "BATCH_BUDGET_SECONDS", -1)

        batch.run()

        assert batch.sent == [IDS[1:]]


def test_a_bot_that_took_too_long_keeps_no_lease_and_counts_no_failure(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(**_: Any) -> None:
        raise SoftTimeLimitExceeded

    monkeypatch.setattr(runner, "_run_claimed", slow)

    with pytest.raises(SoftTimeLimitExceeded):
        floor.run()

    floor.bot.refresh_from_db()
    assert floor.bot.lease_until is None
    assert floor.bot.tick_failures == 0
    assert floor.bot.next_tick_at is not None
    assert floor.bot.next_tick_at > floor.clock()


class TestQueues:
    def test_each_shard_and_each_duty_has_one(self) -> None:
        assert set(app.amqp.queues) == {
            "bots.0", "bots.1", "reconcile", "pull", "housekeeping",
        }  # fmt: skip

    def test_another_name_is_an_error_at_once(self) -> None:
        with pytest.raises(QueueNotFound):
            tasks.canary.apply_async(kwargs={"queue": "bots.7"}, queue="bots.7")

    def test_messages_are_only_wake_ups(self) -> None:
        conf = app.conf
        assert conf.result_backend is None
        assert conf.task_acks_late is False
        assert conf.worker_disable_prefetch is True
        assert conf.worker_prefetch_multiplier == 1
        assert conf.accept_content == ["json"]
        assert conf.worker_cancel_long_running_tasks_on_connection_loss is False
        assert conf.broker_transport_options["visibility_timeout"] == 120
        # The watchdog takes a worker that is silent for longer than any task for deaf.
        assert conf.task_time_limit < 45
