"""Who works on which window."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import structlog
from django.db import connection
from django.db.models.functions import Now

from central_project.market.models import AnalysisRun, RunState
from central_project.market.services import runs
from tests.central.market_world import NOW

pytestmark = pytest.mark.django_db
WINDOW = NOW.replace(minute=10, second=0)


def let_die(lease: runs.RunLease) -> None:
    """Make the worker silent for longer than a worker may be."""
    AnalysisRun.objects.filter(pk=lease.run_id).update(
        heartbeat_at=Now() - timedelta(seconds=91)
    )


def test_the_newest_due_window_is_started_and_missed_ones_are_skipped() -> None:
    runs.claim_due(now=NOW - timedelta(hours=2))
    AnalysisRun.objects.update(state=RunState.PUBLISHED)

    runs.claim_due(now=NOW)

    starts = set(AnalysisRun.objects.values_list("window_start", flat=True))
    assert starts == {WINDOW, WINDOW - timedelta(hours=2)}


def test_two_beats_start_one_run() -> None:
    first = runs.claim_due(now=NOW)

    second = runs.claim_due(now=NOW + timedelta(seconds=1))

    assert first is not None
    assert second is None
    assert AnalysisRun.objects.count() == 1


def test_nothing_starts_while_a_worker_is_busy_with_an_older_window() -> None:
    runs.claim_due(now=NOW)

    later = runs.claim_due(now=NOW + timedelta(minutes=5))

    assert later is None


def test_a_published_window_is_left_alone() -> None:
    runs.claim_due(now=NOW)
    AnalysisRun.objects.update(
        state=RunState.PUBLISHED, heartbeat_at=Now() - timedelta(seconds=91)
    )

    assert runs.claim_due(now=NOW) is None


def test_a_silent_run_is_taken_over_and_its_old_worker_can_write_nothing() -> None:
    dead = runs.claim_due(now=NOW)
    assert dead is not None
    let_die(dead)

    heir = runs.claim_due(now=NOW)

    assert heir is not None
    assert (heir.run_id, heir.attempt) == (dead.run_id, 2)
    with pytest.raises(runs.RunLost):
        dead.write(error="still here")
    with pytest.raises(runs.RunLost):
        runs.fail(lease=dead, code="CRASHED", error="late")
    heir.write(error="")
    assert AnalysisRun.objects.get().state == RunState.RUNNING


def test_a_run_is_retried_at_most_twice() -> None:
    leases = []
    for _ in range(4):
        lease = runs.claim_due(now=NOW)
        leases.append(lease)
        AnalysisRun.objects.update(
            state=RunState.FAILED, heartbeat_at=Now() - timedelta(seconds=91)
        )

    assert [lease and lease.attempt for lease in leases] == [1, 2, 3, None]


def test_a_failed_run_is_not_retried_at_once() -> None:
    lease = runs.claim_due(now=NOW)
    assert lease is not None
    runs.fail(lease=lease, code="EXCHANGE_UNAVAILABLE", error="down")

    assert runs.claim_due(now=NOW + timedelta(seconds=30)) is None


def test_a_dead_run_of_an_older_window_is_given_up() -> None:
    dead = runs.claim_due(now=NOW)
    assert dead is not None
    let_die(dead)

    lease = runs.claim_due(now=NOW + timedelta(minutes=5))

    assert lease is not None
    assert lease.run_id != dead.run_id
    old = AnalysisRun.objects.get(pk=dead.run_id)
    assert (old.state, old.error_code) == (RunState.FAILED, "WORKER_LOST")


def test_a_repeated_message_enters_a_run_once() -> None:
    lease = runs.claim_due(now=NOW)
    assert lease is not None
    lease.begin()

    with pytest.raises(runs.RunLost):
        runs.RunLease(lease.run_id, lease.attempt).begin()


def test_a_person_may_repeat_a_published_window_under_a_new_name() -> None:
    first = runs.claim_now(now=NOW)
    name = AnalysisRun.objects.get().run_id
    AnalysisRun.objects.update(state=RunState.PUBLISHED)

    second = runs.claim_now(now=NOW)

    assert (second.run_id, second.attempt) == (first.run_id, 2)
    assert AnalysisRun.objects.get().run_id != name


def test_a_person_is_told_that_a_worker_is_busy() -> None:
    runs.claim_due(now=NOW)

    with pytest.raises(runs.RunBusy, match="20261123T091000Z-1"):
        runs.claim_now(now=NOW)


def test_a_step_records_its_time_its_counts_and_its_error() -> None:
    lease = runs.claim_now(now=NOW)

    with lease.step("collect") as counts:
        counts["coins"] = 3
    with pytest.raises(ValueError, match="no"), lease.step("analyse"):
        raise ValueError("no")

    steps = AnalysisRun.objects.get().steps
    assert steps["collect"]["counts"] == {"coins": 3}
    assert steps["analyse"]["error"] == "ValueError: no"
    assert steps["analyse"]["seconds"] >= 0


@pytest.mark.django_db(transaction=True)
def test_beats_that_ask_at_the_same_moment_start_one_run() -> None:
    start = threading.Barrier(6)

    def ask(_: int) -> runs.RunLease | None:
        start.wait()
        try:
            return runs.claim_due(now=NOW)
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        leases = list(pool.map(ask, range(6)))

    assert [lease is not None for lease in leases].count(True) == 1
    assert AnalysisRun.objects.get().attempt == 1


def test_what_a_run_logs_carries_its_name() -> None:
    lease = runs.claim_due(now=NOW)
    assert lease is not None

    lease.begin()

    run = AnalysisRun.objects.get()
    assert structlog.contextvars.get_contextvars()["run_id"] == run.run_id
    structlog.contextvars.clear_contextvars()
