"""Signs of life of each queue, and a watchdog for workers that take nothing any more.

A worker may stay connected and still consume nothing after its broker was away. So every
worker sends a canary into each of its own queues; where none comes out although Redis
answers, the worker ends itself, and whoever supervises it starts it again.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import redis
from celery import bootsteps
from celery.signals import task_received
from celery.worker import state
from django.db import connection, connections
from django.db.models.functions import Now
from django.db.utils import DatabaseError, InterfaceError
from django.utils import timezone
from kombu.exceptions import OperationalError

from user_project.accounts.startup import say_unreadable_keys
from user_project.bots.models import Bot, QueueHeartbeat
from user_project.bots.redis_client import shared_client

log = logging.getLogger(__name__)

TASK: Final = "bots.canary"
EVERY_SECONDS: Final = 10.0
EXPIRES_SECONDS: Final = 20
SILENT_SECONDS: Final = 45.0
"""Above the hard limit of every task: a worker that works takes a message before."""
GRACE_SECONDS: Final = 15.0
"""Between the polite end and the one that needs nobody's help."""
EXIT_STALLED: Final = 75


def note(*, queue: str, worker: str) -> None:
    """Write down that the queue's worker did what it was sent, by the database's clock."""
    QueueHeartbeat.objects.bulk_create(
        [QueueHeartbeat(queue=queue, worker=worker[:120], seen_at=Now())],
        update_conflicts=True,
        unique_fields=["queue"],
        update_fields=["worker", "seen_at"],
    )


def ages() -> dict[str, float]:
    """Return the seconds since each queue's last sign of life."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT queue, extract(epoch FROM now() - seen_at)::float"
            " FROM bots_queueheartbeat"
        )
        return dict(cursor.fetchall())


class Watchdog:
    """Sends canaries and decides whether this worker has stopped consuming.

    A late canary alone proves nothing: the database may have been away, the laptop
    asleep, the queue long. So the worker must also have taken no message itself, for as
    long as Redis has answered without a break.
    """

    def __init__(
        self,
        *,
        queues: Collection[str],
        send: Callable[[str], object],
        redis_answers: Callable[[], bool],
        ages: Callable[[], Mapping[str, float]] = ages,
        is_idle: Callable[[], bool] = lambda: not state.reserved_requests,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """*clock* counts seconds; *is_idle* tells whether no task is at work."""
        self._queues = tuple(queues)
        self._send = send
        self._redis_answers = redis_answers
        self._ages = ages
        self._is_idle = is_idle
        self._clock = clock
        self._taken_at = dict.fromkeys(self._queues, clock())
        self._redis_since = clock()

    def took(self, queue: str, /) -> None:
        """Note that this worker took a message from *queue*."""
        self._taken_at[queue] = self._clock()

    def look(self) -> str | None:
        """Send the canaries; return the queue that this worker forgot, if any."""
        if not self._redis_answers():
            self._redis_since = self._clock() + EVERY_SECONDS
            return None
        for queue in self._queues:
            self._send(queue)
        forgotten = [queue for queue in self._queues if self._is_silent(queue)]
        if not forgotten or self._clock() - self._redis_since < SILENT_SECONDS:
            return None
        late = self._ages()
        return next(
            (q for q in forgotten if late.get(q, SILENT_SECONDS) >= SILENT_SECONDS),
            None,
        )

    def _is_silent(self, queue: str) -> bool:
        limit = self._clock() - SILENT_SECONDS
        if self._taken_at[queue] > limit:
            return False
        # Another of its queues may keep a healthy worker busy, but not for ever.
        return self._is_idle() or max(self._taken_at.values()) <= limit


class WatchdogStep(bootsteps.StartStopStep):
    """Runs the watchdog in a thread of the worker's main process.

    A timer of the worker's own event loop would stand still together with it.
    """

    def __init__(self, worker: Any, **options: Any) -> None:
        super().__init__(worker, **options)
        self._stopping = threading.Event()

    def start(self, worker: Any) -> None:
        """Take back what a predecessor of this name left, begin to watch."""
        say_unreadable_keys()
        free_leases(worker=worker.hostname)
        dog = _watchdog(worker)

        def received(request: Any, **_: Any) -> None:
            dog.took(str((request.delivery_info or {}).get("routing_key")))

        task_received.connect(received, weak=False)
        threading.Thread(
            target=watch, args=(dog, self._stopping), name="watchdog", daemon=True
        ).start()

    def stop(self, worker: Any) -> None:
        """Stop watching; a worker that is told to end may take its time."""
        self._stopping.set()


def watch(dog: Watchdog, stopping: threading.Event) -> None:
    """Look again and again until told to stop; end this process when it is stalled."""
    while not stopping.is_set():
        forgotten = _looked(dog)
        if forgotten:
            end(forgotten)
        stopping.wait(EVERY_SECONDS)


def end(queue: str) -> None:
    """End this process: politely first, then without asking anybody."""
    log.critical("nothing comes out of %s while Redis answers: restarting", queue)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os._exit(EXIT_STALLED)


def free_leases(*, worker: str) -> None:
    """Make the bots due that an earlier worker of this name died with.

    Safe even if it still runs somewhere: the next claim raises the fence.
    """
    try:
        held = Bot.objects.filter(lease_owner=worker, lease_until__isnull=False)
        if freed := held.update(lease_until=None, next_tick_at=timezone.now()):
            log.warning("%s bots were left behind by an earlier %s", freed, worker)
    except (DatabaseError, InterfaceError) as error:
        log.warning("leases of an earlier worker run out by themselves: %s", error)
    finally:
        connections.close_all()  # nothing for the pool's processes to inherit


def _looked(dog: Watchdog) -> str | None:
    try:
        return dog.look()
    except (DatabaseError, InterfaceError, OperationalError) as error:
        log.warning("the watchdog cannot tell now: %s", error)
        return None
    finally:
        connections.close_all()


def _watchdog(worker: Any) -> Watchdog:
    def send(queue: str) -> None:
        worker.app.send_task(
            TASK, kwargs={"queue": queue}, queue=queue, expires=EXPIRES_SECONDS
        )

    def answers() -> bool:
        try:
            return bool(shared_client().ping())
        except redis.RedisError:
            return False

    return Watchdog(
        queues=tuple(worker.app.amqp.queues.consume_from),
        send=send,
        redis_answers=answers,
    )
