"""`doctor`: each trouble is really made, found, and told with its remedy."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections import namedtuple
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.db import connection
from django_celery_beat.models import PeriodicTask

from central_project.api.models import ApiKey
from central_project.console.doctor import (
    Colour,
    Finding,
    content,
    stores,
    surroundings,
)
from central_project.market.models import AnalysisRun, Coin, Publication, RunState

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 11, 26, 7, 2, tzinfo=UTC)
DEAD = "redis://127.0.0.1:9/0"
Usage = namedtuple("Usage", "total used free")


def told(finding: Finding, colour: Colour, remedy: str = "") -> bool:
    """Tell whether the finding has this colour and, in both languages, this remedy."""
    if finding.colour is not colour:
        return False
    if colour is Colour.GREEN or colour is Colour.GREY:
        return finding.to_do is None
    return finding.to_do is not None and all(remedy in text for text in finding.to_do)


@contextmanager
def exchange(*, ahead: timedelta = timedelta(0), status: int = 200) -> Iterator[str]:
    """Run an exchange whose clock is *ahead* of ours."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response_only(status)
            moment = datetime.now(UTC) + ahead
            self.send_header("Date", format_datetime(moment, usegmt=True))
            self.end_headers()
            self.wfile.write(b"[]")

        def log_message(self, *args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class TestStores:
    def test_without_postgres_redis_and_exchange_it_still_tells_everything(
        self,
    ) -> None:
        answer = subprocess.run(
            [sys.executable, str(ROOT / "manage_central.py"), "doctor", "--json"],
            env={
                **os.environ,
                "DATABASE_URL": "postgresql://nobody:hunter2@127.0.0.1:9/none",
                "REDIS_URL": DEAD,
                "CACHE_URL": DEAD,
            },
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

        report = json.loads(answer.stdout)
        found = {one["part"]: one for one in report["findings"]}
        assert answer.returncode == 1
        assert report["ok"] is False
        for part, remedy in (
            ("database", "DATABASE_URL"),
            ("redis", "REDIS_URL"),
            ("exchange", "UPBIT_BASE_URL"),
        ):
            assert found[part]["colour"] == "red"
            assert remedy in found[part]["to_do"]["korean"]
            assert remedy in found[part]["to_do"]["english"]
        for part in ("migrations", "beat", "run", "api_keys", "workers", "clock"):
            assert found[part]["colour"] == "grey"
        assert "hunter2" not in answer.stdout + answer.stderr

    @pytest.mark.django_db
    def test_a_living_database_with_all_tables_is_green(self) -> None:
        assert told(stores.database(), Colour.GREEN)
        assert told(stores.migrations(), Colour.GREEN)

    @pytest.mark.django_db
    def test_a_missing_migration_is_named(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM django_migrations WHERE app = 'central_api'")

        finding = stores.migrations()

        assert told(finding, Colour.RED, "manage_central.py migrate")
        assert "central_api.0001_initial" in finding.found.english

    def test_a_living_redis_is_green_and_a_forgetful_one_yellow(self) -> None:
        assert told(stores.redis(), Colour.GREEN)

        with stores._client(os.environ["REDIS_URL"]) as client:
            client.config_set("maxmemory-policy", "allkeys-lru")
            try:
                finding = stores.redis()
            finally:
                client.config_set("maxmemory-policy", "noeviction")

        assert told(finding, Colour.YELLOW, "noeviction")

    @pytest.mark.django_db
    def test_the_scheduler_is_judged_by_its_heartbeat(self) -> None:
        task = PeriodicTask.objects.filter(task="market.ensure_run")
        assert told(stores.beat(now=NOW), Colour.RED, "beat")

        task.update(last_run_at=NOW - timedelta(minutes=10))
        assert told(stores.beat(now=NOW), Colour.RED, "beat")

        task.update(last_run_at=NOW - timedelta(seconds=30))
        assert told(stores.beat(now=NOW), Colour.GREEN)

        task.update(enabled=False)
        assert told(stores.beat(now=NOW), Colour.RED, "분석 실행 확인")

    def test_queues_that_nobody_serves_are_named(self) -> None:
        finding = stores.workers()

        assert told(finding, Colour.RED, "worker -Q housekeeping,pipeline")


class TestSurroundings:
    @pytest.mark.parametrize(
        ("ahead", "colour"),
        [
            (timedelta(0), Colour.GREEN),
            (timedelta(seconds=-10), Colour.YELLOW),
            (timedelta(minutes=10), Colour.RED),
            (timedelta(minutes=-10), Colour.RED),
        ],
    )
    def test_a_clock_that_is_off_is_told_by_how_much(
        self, settings: Any, ahead: timedelta, colour: Colour
    ) -> None:
        with exchange(ahead=ahead) as url:
            settings.UPBIT_BASE_URL = url
            answers, clock = surroundings.exchange()

        assert told(answers, Colour.GREEN)
        assert told(clock, colour, "chrony")
        if colour is Colour.RED:
            assert "behind" in clock.found.english or ahead < timedelta(0)

    @pytest.mark.parametrize("status", [418, 500])
    def test_an_exchange_that_refuses_is_red(self, settings: Any, status: int) -> None:
        with exchange(status=status) as url:
            settings.UPBIT_BASE_URL = url
            answers, clock = surroundings.exchange()

        assert told(answers, Colour.RED, "418")
        assert f"HTTP {status}" in answers.found.english
        assert clock.colour is Colour.GREY

    @pytest.mark.parametrize(
        ("free", "colour"),
        [(10**8, Colour.RED), (3 * 10**9, Colour.YELLOW), (10**11, Colour.GREEN)],
    )
    def test_a_disk_that_runs_full_is_told(
        self, monkeypatch: pytest.MonkeyPatch, free: int, colour: Colour
    ) -> None:
        usage = Usage(total=10**12, used=10**12 - free, free=free)
        monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)

        assert surroundings.disk().colour is colour

    def test_machine_code_that_cannot_be_kept_is_told(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert told(surroundings.machine_code(), Colour.GREEN)
        stats = SimpleNamespace(cache_path=str(tmp_path / "none" / "deeper"))
        kernel = SimpleNamespace(py_func=None, stats=stats)
        monkeypatch.setattr(surroundings, "kernels", SimpleNamespace(kernel=kernel))

        assert told(surroundings.machine_code(), Colour.YELLOW, "NUMBA_CACHE_DIR")

    def test_settings_for_development_are_not_for_production(
        self, settings: Any
    ) -> None:
        settings.SECRET_KEY = "s" * 50
        assert told(surroundings.environment(), Colour.GREEN)

        settings.DEBUG, settings.ALLOWED_HOSTS = True, ["*"]
        finding = surroundings.environment()

        assert told(finding, Colour.YELLOW, ".env.central")
        assert "DEBUG=1, ALLOWED_HOSTS=*" in finding.found.korean


def coins(*, complete: int, lacking: int) -> None:
    """Store coins with and without their history."""
    since = NOW - timedelta(days=100)
    for number in range(complete + lacking):
        Coin.objects.create(
            market=f"KRW-C{number}",
            korean_name="코인",
            english_name="Coin",
            hours_from=since if number < complete else None,
        )


def published(**more: Any) -> AnalysisRun:
    run = AnalysisRun.objects.create(
        window_start=NOW - timedelta(minutes=7),
        started_at=NOW,
        state=RunState.PUBLISHED,
        data_as_of=NOW - timedelta(minutes=2),
        **{"valid_until": NOW + timedelta(minutes=13), **more},
    )
    Publication.objects.update(current=run)
    return run


@pytest.mark.django_db
class TestContent:
    @pytest.mark.parametrize(
        ("complete", "lacking", "colour"),
        [
            (0, 0, Colour.RED),
            (9, 0, Colour.GREEN),
            (9, 1, Colour.YELLOW),
            (5, 5, Colour.RED),
        ],
    )
    def test_a_history_that_is_not_complete_can_be_loaded(
        self, complete: int, lacking: int, colour: Colour
    ) -> None:
        coins(complete=complete, lacking=lacking)

        finding = content.history(now=NOW)

        assert told(finding, colour, "manage_central.py backfill --days 90")

    def test_the_served_run_is_judged(self) -> None:
        assert told(content.run(now=NOW), Colour.RED, "run_pipeline")
        first = AnalysisRun.objects.create(window_start=NOW, started_at=NOW)
        assert told(content.run(now=NOW), Colour.YELLOW)
        first.delete()
        run = published()
        assert told(content.run(now=NOW), Colour.GREEN)

        AnalysisRun.objects.create(
            window_start=NOW,
            started_at=NOW,
            state=RunState.FAILED,
            error_code="EXCHANGE_UNAVAILABLE",
        )
        assert told(content.run(now=NOW), Colour.YELLOW, "run_pipeline")

        AnalysisRun.objects.filter(pk=run.pk).update(valid_until=NOW)
        finding = content.run(now=NOW + timedelta(seconds=1))
        assert told(finding, Colour.RED, "run_pipeline")
        assert "EXCHANGE_UNAVAILABLE" in finding.found.korean

    def test_an_audit_that_does_not_agree_is_red(self) -> None:
        assert content.audit(now=NOW).colour is Colour.GREY
        run = published()
        assert told(content.audit(now=NOW), Colour.GREEN)

        run.suspect = True
        run.save()

        assert told(content.audit(now=NOW), Colour.RED)

    def test_keys_that_nobody_can_use_or_that_end_soon_are_told(self) -> None:
        assert told(content.api_keys(now=NOW), Colour.YELLOW, "create_api_key")
        ApiKey.objects.issue(name="old", expires_at=NOW - timedelta(days=1))
        assert told(content.api_keys(now=NOW), Colour.YELLOW, "create_api_key")
        ApiKey.objects.issue(name="seoul")
        assert told(content.api_keys(now=NOW), Colour.GREEN)

        ApiKey.objects.issue(name="busan", expires_at=NOW + timedelta(days=2))

        finding = content.api_keys(now=NOW)
        assert told(finding, Colour.YELLOW, "create_api_key")
        assert "busan" in finding.found.korean

    @pytest.mark.parametrize(
        ("password", "colour"),
        [("admin", Colour.RED), ("kim", Colour.RED), ("4z!Lr8#q", Colour.GREEN)],
    )
    def test_an_administrator_whose_password_is_guessed_is_red(
        self, password: str, colour: Colour
    ) -> None:
        assert told(content.administrators(), Colour.RED, "createsuperuser")

        get_user_model().objects.create_superuser("kim", password=password)

        assert told(content.administrators(), colour, "changepassword kim")


@pytest.mark.django_db
def test_people_read_colours_and_remedies(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def examined(**_: Any) -> Iterator[Finding]:
        yield stores.MIGRATIONS.red(("셋", "three"), ("하세요", "do it"))
        yield stores.REDIS.green("응답함", "answers")

    command = "central_project.console.management.commands.doctor.examine"
    monkeypatch.setattr(command, examined)

    with pytest.raises(SystemExit) as ended:
        call_command("doctor")

    assert ended.value.code == 1
    text = capsys.readouterr().out
    for word in ("● 문제", "셋", "할 일: 하세요", "to do: do it", "● 정상", "응답함"):
        assert word in text
