"""Real workers, really killed: readers keep what they had, and the work is taken over."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.core.management import call_command
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from central_project.market.models import (
    AnalysisRun,
    Candle,
    Coin,
    Publication,
    RunState,
    SupportLevel,
    Unit,
)
from central_project.market.services import runs
from central_project.market.services.backfill import calls_needed
from central_project.market.services.pipeline import run_pipeline
from tests.central.killed_worker import DAYS, PLACES
from tests.central.market_world import MARKETS, NOW, MemorySource

pytestmark = pytest.mark.django_db(transaction=True)
ROOT = Path(__file__).resolve().parents[2]
KILLED = -9
Work = Callable[[str, object, datetime], int]


@pytest.fixture
def worker(db: None) -> Iterator[Work]:
    """A process that shares this test's database."""
    Publication.objects.get_or_create(pk=Publication.SINGLE)
    url = urlsplit(os.environ["DATABASE_URL"])
    name = connection.settings_dict["NAME"]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.central.killed_worker"],
        cwd=ROOT,
        env=os.environ
        | {
            "DATABASE_URL": urlunsplit(url._replace(path=f"/{name}")),
            "DJANGO_SETTINGS_MODULE": "central_project.settings",
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    stdin, stdout = process.stdin, process.stdout

    def work(kind: str, place: object, now: datetime) -> int:
        stdin.write(f"{kind} {place} {now.isoformat()}\n")
        stdin.flush()
        return int(stdout.readline())

    with process:  # closes both pipes, upon which the process ends
        yield work
    assert process.returncode == 0


@pytest.mark.usefixtures("short_history")
def test_a_worker_killed_at_any_step_leaves_readers_what_they_had(worker: Work) -> None:
    assert worker("run", "nowhere", NOW) == 0
    for number, place in enumerate(PLACES, 1):
        now = NOW + number * timedelta(minutes=5)
        before = served()

        assert worker("run", place, now) == KILLED, place

        run = AnalysisRun.objects.first()
        assert run is not None
        is_published = place in ("render", "prune")
        assert served() == (run.pk if is_published else before), place
        assert runs.claim_due(now=now) is None, "nobody waits for a sign of life"
        AnalysisRun.objects.update(heartbeat_at=Now() - timedelta(seconds=91))
        heir = runs.claim_due(now=now)
        if is_published:
            assert heir is None
        else:
            assert SupportLevel.objects.filter(run=run).count() == 0, place
            assert heir is not None
            assert (heir.run_id, heir.attempt) == (run.pk, 2)
            run_pipeline(lease=heir, source=MemorySource(now=now), clock=lambda: now)  # noqa: B023
        run.refresh_from_db()
        assert (run.state, served()) == (RunState.PUBLISHED, run.pk), place
        assert SupportLevel.objects.filter(run=run).count() == len(MARKETS)


def served() -> int | None:
    return Publication.objects.get().current_id


def test_a_killed_backfill_goes_on_where_it_was(
    worker: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = timezone.now()

    assert worker("backfill", 9, now) == KILLED

    stored = Candle.objects.filter(unit=Unit.HOUR).count()
    coins = list(Coin.objects.all())
    left = sum(calls_needed(coin=coin, now=now, days=DAYS) for coin in coins)
    assert 0 < stored < len(MARKETS) * DAYS * 24
    assert 0 < left < 2 * len(MARKETS)
    source = MemorySource(now=now)
    monkeypatch.setattr(
        "central_project.market.management.commands.backfill.exchange_source",
        lambda: source,
    )
    report = backfilled()
    assert report["calls"] == source.calls["candles"] == left
    assert report["hours"] == len(MARKETS) * DAYS * 24
    assert report["gaps"] == []


def backfilled() -> dict[str, Any]:
    out = StringIO()
    call_command("backfill", "--days", str(DAYS), "--json", stdout=out)
    report: dict[str, Any] = json.loads(out.getvalue())
    return report
