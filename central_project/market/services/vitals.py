"""Signs of life of this server, as health checks, metrics and `doctor` read them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Final, Literal

from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django_celery_beat.models import PeriodicTask

from central_project.market.models import AnalysisRun, Publication

HEARTBEAT_TASK: Final = "market.ensure_run"
"""The schedule by whose runs beat shows that it lives."""
BEATS_MISSED: Final = 3
_GRACE: Final = timedelta(seconds=10)


@dataclass(frozen=True, kw_only=True)
class Beat:
    """The scheduler, as far as its heartbeat tells."""

    state: Literal["ok", "late", "off", "silent"]
    """late: no sign for too long; off: its schedule is disabled; silent: never a sign."""
    age: timedelta | None
    """Since its last sign; None if there was none."""


@dataclass(frozen=True, kw_only=True)
class Served:
    """The run that readers get, and how good it is."""

    run: AnalysisRun | None
    state: Literal["ok", "suspect", "stale", "none"]
    age: timedelta | None
    """Since its data's time."""


def beat(*, now: datetime) -> Beat:
    """Judge the scheduler by the last run of its most frequent task."""
    task = (
        PeriodicTask.objects.select_related("interval")
        .filter(task=HEARTBEAT_TASK)
        .first()
    )
    if task is None or not task.enabled:
        return Beat(state="off", age=None)
    if task.last_run_at is None:
        return Beat(state="silent", age=None)
    age = now - task.last_run_at
    is_late = age > BEATS_MISSED * interval_of(task) + _GRACE
    return Beat(state="late" if is_late else "ok", age=age)


def interval_of(task: PeriodicTask, /) -> timedelta:
    """Return how often a task runs; a crontab has minutes at best."""
    if task.interval is None:
        return timedelta(minutes=1)
    return timedelta(**{task.interval.period: task.interval.every})


def served(*, now: datetime) -> Served:
    """Judge what is published."""
    pointer = Publication.objects.select_related("current").first()
    run = pointer.current if pointer else None
    if run is None or run.data_as_of is None:
        return Served(run=None, state="none", age=None)
    age = now - run.data_as_of
    if run.valid_until is None or run.valid_until < now:
        return Served(run=run, state="stale", age=age)
    return Served(run=run, state="suspect" if run.suspect else "ok", age=age)


def pending_migrations() -> list[str]:
    """Return migrations of this code that the database has not had; one query."""
    applied = MigrationRecorder(connection).applied_migrations()
    return [
        f"{app}.{name}"
        for app, name in _known_migrations()
        if (app, name) not in applied
    ]


@cache
def _known_migrations() -> tuple[tuple[str, str], ...]:
    loader = MigrationLoader(None, ignore_no_migrations=True)
    replaced = {old for one in loader.disk_migrations.values() for old in one.replaces}
    return tuple(key for key in sorted(loader.disk_migrations) if key not in replaced)
