"""Health and figures: what a load balancer, Prometheus and `doctor` ask."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from django.test import Client
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from prometheus_client.parser import text_string_to_metric_families

from central_project.api.models import ApiKey
from central_project.api.shared_state import note_call
from central_project.market.models import AnalysisRun, Publication, RunState
from deploy.ports import free_ports

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "scrape-me-0123456789"
NOW = datetime(2026, 11, 26, 7, 2, tzinfo=UTC)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """A time at which beat has just been heard of."""
    monkeypatch.setattr(timezone, "now", lambda: NOW)
    PeriodicTask.objects.filter(task="market.ensure_run").update(
        last_run_at=NOW - timedelta(seconds=20)
    )
    return NOW


def published(now: datetime, **more: Any) -> AnalysisRun:
    """Publish a run whose data is a minute old."""
    run = AnalysisRun.objects.create(
        window_start=now - timedelta(minutes=2),
        started_at=now - timedelta(minutes=2),
        state=RunState.PUBLISHED,
        data_as_of=now - timedelta(minutes=1),
        valid_until=now + timedelta(minutes=14),
        coins_ok=240,
        coins_failed=3,
        excluded_count=120,
        **more,
    )
    Publication.objects.update(current=run)
    return run


def figures(text: str) -> dict[tuple[str, ...], float]:
    """Return every sample by its name and the values of its labels, by their names."""
    return {
        (
            sample.name,
            *(sample.labels[name] for name in sorted(sample.labels)),
        ): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def scrape(client: Client) -> dict[tuple[str, ...], float]:
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    return figures(answer.content.decode())


@pytest.mark.parametrize(
    ("token", "header"),
    [
        ("", "Bearer "),
        ("", ""),
        (TOKEN, ""),
        (TOKEN, "Bearer wrong"),
        (TOKEN, f"Basic {TOKEN}"),
        (TOKEN, "Bearer 열쇠"),
    ],
)
def test_figures_are_for_who_knows_the_token(
    client: Client, settings: Any, token: str, header: str
) -> None:
    settings.METRICS_TOKEN = token

    answer = client.get("/metrics", headers={"Authorization": header})

    assert answer.status_code == 401
    assert b"METRICS_TOKEN" in answer.content
    assert b"dantaro_up" not in answer.content


@pytest.mark.django_db
def test_the_pipelines_figures_come_from_the_database(
    client: Client, settings: Any, now: datetime
) -> None:
    settings.METRICS_TOKEN = TOKEN
    steps = {"collect": {"seconds": 21.5, "counts": {"coins": 243, "calls": 251}}}
    published(now, steps=steps, suspect=True)
    AnalysisRun.objects.create(
        window_start=now, started_at=now, state=RunState.FAILED, error_code="CRASHED"
    )
    key, _ = ApiKey.objects.issue(name="seoul")
    for refused in (False, False, True):
        note_call(key.pk, refused=refused, now=now)

    seen = scrape(client)

    wanted = {
        ("dantaro_up", "database"): 1,
        ("dantaro_up", "redis"): 1,
        ("dantaro_run_age_seconds",): 60,
        ("dantaro_run_is", "suspect"): 1,
        ("dantaro_run_is", "ok"): 0,
        ("dantaro_runs", "published"): 1,
        ("dantaro_runs", "failed"): 1,
        ("dantaro_runs", "running"): 0,
        ("dantaro_runs_suspect",): 1,
        ("dantaro_coins", "ok"): 240,
        ("dantaro_coins", "failed"): 3,
        ("dantaro_coins", "excluded"): 120,
        ("dantaro_step_seconds", "collect"): 21.5,
        ("dantaro_step_count", "calls", "collect"): 251,
        ("dantaro_beat_ok",): 1,
        ("dantaro_beat_age_seconds",): 20,
        ("dantaro_api_calls_today", f"dk_live_{key.prefix}"): 3,
        ("dantaro_api_refused_today", f"dk_live_{key.prefix}"): 1,
    }
    assert {name: seen.get(name) for name in wanted} == wanted


@pytest.mark.django_db
def test_all_is_well(client: Client, now: datetime) -> None:
    run = published(now)

    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ok",
        "database": "ok",
        "migrations": "ok",
        "redis": "ok",
        "beat": "ok",
        "beat_age_seconds": 20,
        "run": "ok",
        "run_id": run.run_id,
        "run_age_seconds": 60,
    }


def _stop_beat() -> None:
    PeriodicTask.objects.update(last_run_at=NOW - timedelta(minutes=5))


def _switch_beat_off() -> None:
    PeriodicTask.objects.filter(task="market.ensure_run").update(enabled=False)


def _age() -> None:
    AnalysisRun.objects.update(valid_until=NOW - timedelta(seconds=1))


def _suspect() -> None:
    AnalysisRun.objects.update(suspect=True)


def _unpublish() -> None:
    Publication.objects.update(current=None)


def _forget_a_migration() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE name = '0003_operations'")


@pytest.mark.parametrize(
    ("spoil", "part", "state"),
    [
        (_stop_beat, "beat", "late"),
        (_switch_beat_off, "beat", "off"),
        (_age, "run", "stale"),
        (_suspect, "run", "suspect"),
        (_unpublish, "run", "none"),
        (_forget_a_migration, "migrations", "pending"),
    ],
)
@pytest.mark.django_db
def test_what_is_not_well_degrades_but_keeps_the_server_in_service(
    client: Client, now: datetime, spoil: Any, part: str, state: str
) -> None:
    published(now)
    spoil()

    answer = client.get("/readyz")

    assert answer.status_code == 200
    assert answer.json()["status"] == "degraded"
    assert answer.json()[part] == state


@contextmanager
def server(directory: Path, *, workers: int) -> Iterator[str]:
    """Run the web server without any database or Redis."""
    (port,) = free_ports(1)
    nowhere = {
        "DATABASE_URL": "postgresql://nobody:nothing@127.0.0.1:9/none",
        "REDIS_URL": "redis://127.0.0.1:9/0",
        "CACHE_URL": "redis://127.0.0.1:9/0",
    }
    multi = {"PROMETHEUS_MULTIPROC_DIR": str(directory), "METRICS_TOKEN": TOKEN}
    process = subprocess.Popen(
        [
            *(str(Path(sys.executable).parent / "granian"), "--interface", "wsgi"),
            *("--port", str(port), "--workers", str(workers), "--no-ws"),
            *("--workers-kill-timeout", "5"),
            "central_project.wsgi:application",
        ],
        env={**os.environ, **nowhere, **multi},
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while not _answers(url):
            assert process.poll() is None, "the server ended"
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


def _answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/version", timeout=5).ok
    except (requests.ConnectionError, requests.Timeout):
        return False


def test_several_web_processes_tell_one_sum_and_a_lost_database_is_told(
    tmp_path: Path,
) -> None:
    with server(tmp_path, workers=2) as url:
        for _ in range(40):  # each on a connection of its own: any process gets it
            assert requests.get(f"{url}/healthz", timeout=10).ok
        ready = requests.get(f"{url}/readyz", timeout=20)
        scrapes = [
            requests.get(
                f"{url}/metrics",
                headers={"Authorization": f"Bearer {TOKEN}"},
                timeout=20,
            )
            for _ in range(4)
        ]
        owners = {path.name.rpartition("_")[2] for path in tmp_path.glob("counter_*")}

    assert (ready.status_code, ready.json()["status"]) == (503, "unavailable")
    assert ready.json()["database"] == "away"
    assert len(owners) == 2, "one process alone answered everything"
    for answer in scrapes:
        seen = figures(answer.text)
        name = "django_http_requests_total_by_view_transport_method_total"
        counts = [value for key, value in seen.items() if key[0] == name]
        healthz = [
            value
            for key, value in seen.items()
            if key[0] == name and any("healthz" in label for label in key[1:])
        ]
        assert sum(healthz) == 40, counts
        assert seen["dantaro_up", "database"] == 0
        assert seen["dantaro_up", "redis"] == 0
