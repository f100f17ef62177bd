"""A worker that takes nothing any more ends itself; one that is only busy does not."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from kombu.exceptions import OperationalError

from tests.user.factories import make_bot, make_user
from user_project.bots import canary, tasks
from user_project.bots.canary import EVERY_SECONDS, SILENT_SECONDS, Watchdog
from user_project.bots.models import QueueHeartbeat


class Kennel:
    """A watchdog at a hand clock, over a worker whose state a test invents."""

    def __init__(self, *queues: str) -> None:
        self.now = 0.0
        self.sent: list[str] = []
        self.ages: dict[str, float] = {}
        self.redis_answers = True
        self.is_idle = True
        self.dog = Watchdog(
            queues=queues or ("bots.0",),
            send=self.sent.append,
            redis_answers=lambda: self.redis_answers,
            ages=lambda: self.ages,
            is_idle=lambda: self.is_idle,
            clock=lambda: self.now,
        )

    def look(self, *, seconds: float) -> str | None:
        """Look as often as the thread would; return the first verdict."""
        end = self.now + seconds
        while self.now < end:
            self.now += EVERY_SECONDS
            if forgotten := self.dog.look():
                return forgotten
        return None


@pytest.fixture
def kennel() -> Kennel:
    return Kennel()


class TestTheWatchdog:
    def test_a_silent_queue_ends_the_worker(self, kennel: Kennel) -> None:
        kennel.ages = {"bots.0": SILENT_SECONDS + 15}

        assert kennel.look(seconds=SILENT_SECONDS - 10) is None
        assert kennel.look(seconds=20) == "bots.0"

    def test_a_queue_nobody_ever_answered_for_does_too(self, kennel: Kennel) -> None:
        assert kennel.look(seconds=60) == "bots.0"

    def test_a_worker_that_takes_messages_lives(self, kennel: Kennel) -> None:
        for _ in range(10):
            assert kennel.look(seconds=30) is None
            kennel.dog.took("bots.0")

    def test_without_redis_nothing_is_concluded(self, kennel: Kennel) -> None:
        kennel.redis_answers = False
        assert kennel.look(seconds=600) is None
        assert kennel.sent == []

        kennel.redis_answers = True

        assert kennel.look(seconds=SILENT_SECONDS) is None
        assert kennel.look(seconds=30) == "bots.0"

    def test_another_worker_of_the_queue_may_have_taken_the_canaries(
        self, kennel: Kennel
    ) -> None:
        kennel.ages = {"bots.0": 3}

        assert kennel.look(seconds=600) is None

    def test_a_busy_worker_may_leave_one_of_its_queues_alone(self) -> None:
        kennel = Kennel("pull", "housekeeping")
        kennel.is_idle = False
        for _ in range(10):
            assert kennel.look(seconds=30) is None
            kennel.dog.took("pull")

        kennel.is_idle = True

        assert kennel.look(seconds=10) == "housekeeping"

    def test_a_task_that_never_ends_is_no_excuse(self, kennel: Kennel) -> None:
        kennel.is_idle = False

        assert kennel.look(seconds=60) == "bots.0"

    def test_a_canary_goes_into_each_queue_every_ten_seconds(self) -> None:
        kennel = Kennel("pull", "housekeeping")

        kennel.look(seconds=20)

        assert kennel.sent == ["pull", "housekeeping"] * 2


class TestTheThread:
    def test_a_lost_broker_does_not_end_it(self, monkeypatch: Any) -> None:
        looks: list[int] = []
        stopping = threading.Event()

        def send(queue: str) -> None:
            looks.append(1)
            if len(looks) == 2:
                stopping.set()
            raise OperationalError("broker away")

        dog = Watchdog(queues=("bots.0",), send=send, redis_answers=lambda: True)
        monkeypatch.setattr(canary, "EVERY_SECONDS", 0.01)

        canary.watch(dog, stopping)

        assert len(looks) == 2


@pytest.mark.django_db
class TestTheSign:
    def test_a_canary_writes_down_its_queue(self) -> None:
        for _ in range(2):
            tasks.canary(queue="bots.0")

        (sign,) = QueueHeartbeat.objects.all()
        assert sign.queue == "bots.0"
        assert abs(timezone.now() - sign.seen_at) < timedelta(minutes=1)
        assert abs(canary.ages()["bots.0"]) < 60

    def test_a_new_worker_takes_up_what_its_predecessor_died_with(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(canary.connections, "close_all", lambda: None)
        until = timezone.now() + timedelta(seconds=40)
        held = {"lease_until": until, "next_tick_at": until, "state": "running"}
        ours = make_bot(make_user("alice"), lease_owner="bots0@here", **held)
        other = make_bot(make_user("bob"), lease_owner="bots1@here", **held)

        canary.free_leases(worker="bots0@here")

        ours.refresh_from_db()
        other.refresh_from_db()
        assert ours.lease_until is None
        assert ours.next_tick_at is not None
        assert ours.next_tick_at < until
        assert other.lease_until == until
