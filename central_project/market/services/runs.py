"""Who works on which window: start, take over, heartbeat, steps, end.

All writes are conditional on the attempt (the fence): a worker that was declared dead
can no longer change anything.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from django.conf import settings
from django.db.models import F, Q
from django.db.models.functions import Now
from structlog.contextvars import bind_contextvars

from central_project.market.models import (
    HEARTBEAT_LIMIT,
    AnalysisRun,
    RunState,
    floor_to,
)

BEAT_SECONDS: Final = 5.0
MAX_ATTEMPTS: Final = 3


class RunLost(Exception):
    """Another worker took this run over; this one must stop without a trace."""


class RunBusy(Exception):
    """Another worker is busy with a run."""


@dataclass
class RunLease:
    """One worker's hold on one run."""

    run_id: int
    attempt: int
    _beat_at: float = field(default_factory=time.monotonic)

    def begin(self) -> None:
        """Enter the run once; raise RunLost for a late or repeated message."""
        owned = AnalysisRun.objects.owned(run_id=self.run_id, attempt=self.attempt)
        if not owned.filter(steps={}).update(steps={"collect": {}}, heartbeat_at=Now()):
            raise RunLost(
                f"run {self.run_id}: attempt {self.attempt} is not ours to do"
            )
        self._beat_at = time.monotonic()
        windows = AnalysisRun.objects.values_list("window_start", flat=True)
        begun = AnalysisRun(
            window_start=windows.get(pk=self.run_id), attempt=self.attempt
        )
        # Whatever this worker logs from here on says for which run.
        bind_contextvars(run_id=begun.run_id)

    def beat(self) -> None:
        """Show that we live, at most every 5 s; raise RunLost when we were replaced."""
        if time.monotonic() - self._beat_at >= BEAT_SECONDS:
            self.write(heartbeat_at=Now())

    def write(self, **values: Any) -> None:
        """Change the run while it is ours; raise RunLost otherwise."""
        owned = AnalysisRun.objects.owned(run_id=self.run_id, attempt=self.attempt)
        if not owned.update(**values):
            raise RunLost(f"run {self.run_id}: attempt {self.attempt} was replaced")
        self._beat_at = time.monotonic()

    @contextmanager
    def step(self, name: str, /) -> Iterator[dict[str, Any]]:
        """Record duration, counts and error of one step; yield the counts to fill."""
        record: dict[str, Any] = {"counts": {}}
        started = time.monotonic()
        try:
            yield record["counts"]
        except Exception as error:
            record["error"] = f"{type(error).__name__}: {error}"[:500]
            raise
        finally:
            record["seconds"] = round(time.monotonic() - started, 2)
            self._record(name, record)

    def _record(self, name: str, record: dict[str, Any], /) -> None:
        run = AnalysisRun.objects.filter(pk=self.run_id, attempt=self.attempt).first()
        if run is None:
            return  # replaced meanwhile: the next write says so
        run.steps[name] = record
        AnalysisRun.objects.filter(pk=run.pk, attempt=self.attempt).update(
            steps=run.steps, heartbeat_at=Now()
        )


def window_of(*, now: datetime) -> datetime:
    """Return the start of the window that is due at *now*."""
    return floor_to(moment=now, seconds=settings.WINDOW_SECONDS)


def claim_due(*, now: datetime) -> RunLease | None:
    """Start the newest due window or take over its dead run; None = nothing to do.

    Missed windows are skipped. While a worker is busy with an older window nothing
    starts: two runs at once would only share the exchange's rate.
    """
    window = window_of(now=now)
    if AnalysisRun.objects.alive().exists():
        return None
    _give_up_older(window)
    return _start(window, now) or _take_over(window, now, Q(attempt__lt=MAX_ATTEMPTS))


def claim_now(*, now: datetime) -> RunLease:
    """Claim this window for a person who asks for it, even if it was published."""
    window = window_of(now=now)
    if busy := AnalysisRun.objects.alive().first():
        raise RunBusy(
            f"a worker is busy with run {busy.run_id}; wait until it ends, or 90 seconds"
            " after its last sign of life"
        )
    _give_up_older(window)
    lease = _start(window, now) or _take_over(window, now, Q())
    if lease is None:
        raise RunBusy("another worker started this window just now; wait for its end")
    return lease


def fail(*, lease: RunLease, code: str, error: str) -> None:
    """End the run without results; readers keep the previous ones."""
    lease.write(
        state=RunState.FAILED, error_code=code, error=error[:2000], heartbeat_at=Now()
    )


def _start(window: datetime, now: datetime, /) -> RunLease | None:
    """Create the window's run; None if it exists, also if another beat was first."""
    run, is_new = AnalysisRun.objects.get_or_create(
        window_start=window, defaults={"started_at": now}
    )
    return RunLease(run.pk, run.attempt) if is_new else None


def _take_over(window: datetime, now: datetime, limit: Q, /) -> RunLease | None:
    """Raise the attempt of a run that ended without results or whose worker is dead."""
    run = AnalysisRun.objects.filter(window_start=window).first()
    if run is None:
        return None
    dead = Q(heartbeat_at__lt=Now() - HEARTBEAT_LIMIT) & ~Q(state=RunState.PUBLISHED)
    # A person (no limit) may also repeat what has ended, at once.
    free = dead & limit if limit else dead | ~Q(state=RunState.RUNNING)
    taken = AnalysisRun.objects.filter(free, pk=run.pk, attempt=run.attempt).update(
        attempt=F("attempt") + 1,
        state=RunState.RUNNING,
        started_at=now,
        heartbeat_at=Now(),
        steps={},
        error="",
        error_code="",
    )
    return RunLease(run.pk, run.attempt + 1) if taken else None


def _give_up_older(window: datetime, /) -> None:
    AnalysisRun.objects.filter(
        window_start__lt=window,
        state=RunState.RUNNING,
        heartbeat_at__lt=Now() - HEARTBEAT_LIMIT,
    ).update(
        state=RunState.FAILED,
        error_code="WORKER_LOST",
        error="the worker stopped without a word and a newer window is due",
    )
