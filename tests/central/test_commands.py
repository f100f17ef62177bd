"""Commands: what they do, and what they say to bad input."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.utils import timezone
from django_celery_beat.models import PeriodicTask

from central_project.api.models import ApiKey
from central_project.market import tasks
from central_project.market.models import (
    AnalysisRun,
    Candle,
    Coin,
    Publication,
    RunState,
)
from central_project.market.services import runs
from tests.central.market_world import HOUR, MARKETS, MemorySource

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def live_source(monkeypatch: pytest.MonkeyPatch) -> MemorySource:
    """The exchange in memory, at the present time, where commands look for Upbit."""
    source = MemorySource(now=timezone.now(), markets=MARKETS[:4])
    for module in ("commands.run_pipeline", "commands.backfill"):
        name = f"central_project.market.management.{module}.exchange_source"
        monkeypatch.setattr(name, lambda: source)
    monkeypatch.setattr(tasks, "exchange_source", lambda: source)
    return source


def called(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


# --- create_api_key ---------------------------------------------------------------


@pytest.mark.django_db
def test_a_key_is_printed_once_and_opens() -> None:
    text = called("create_api_key", "서울", "--expires", "30").strip()

    key = ApiKey.objects.find(text)
    assert key is not None
    assert key.expires_at is not None
    assert 29 <= (key.expires_at - timezone.now()).days <= 30


@pytest.mark.django_db
def test_a_key_goes_into_an_environment_file_only_its_owner_reads(
    tmp_path: Path,
) -> None:
    target = tmp_path / "user.env"
    target.write_text("A=1\nCENTRAL_API_KEY=old\nB=2\n")

    printed = called("create_api_key", "서울", "--env-file", str(target))

    lines = target.read_text().splitlines()
    assert (lines[0], lines[2]) == ("A=1", "B=2")
    name, _, text = lines[1].partition("=")
    assert name == "CENTRAL_API_KEY"
    assert ApiKey.objects.find(text) is not None
    assert text not in printed
    assert target.stat().st_mode & 0o777 == 0o600


@pytest.mark.django_db
def test_a_new_environment_file_is_made(tmp_path: Path) -> None:
    called("create_api_key", "서울", "--env-file", str(tmp_path / "user.env"))

    assert (tmp_path / "user.env").read_text().startswith("CENTRAL_API_KEY=dk_live_")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["x", "--expires", "0"], "1 to 3650 days"),
        (["x", "--expires", "-5"], "1 to 3650 days"),
        (["x", "--rate", "fast"], "100/60s"),
        (["x", "--env-file", "/nowhere/at/all.env"], "there is no folder"),
        ([""], "name"),
    ],
)
def test_a_wrong_key_request_changes_nothing(
    arguments: list[str], message: str
) -> None:
    with pytest.raises(CommandError) as error:
        called("create_api_key", *arguments)

    assert message in str(error.value) or arguments == [""]
    assert not ApiKey.objects.exists()


# --- backfill ---------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_backfill_loads_all_markets_and_repeats_nothing(
    live_source: MemorySource,
) -> None:
    first = called("backfill", "--days", "3")
    calls = live_source.calls["candles"]

    second = called("backfill", "--days", "3")

    assert first.startswith("4 markets, 288 hours stored")
    assert live_source.calls["candles"] == calls
    assert second.startswith("4 markets, 288 hours stored, 0 calls")


@pytest.mark.django_db(transaction=True)
def test_backfill_reports_as_json_and_tells_its_progress(
    live_source: MemorySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "central_project.market.management.commands.backfill.LINE_SECONDS", 0
    )
    quiet = live_source.now.replace(minute=0, second=0, microsecond=0) - 30 * HOUR
    live_source.quiet["KRW-BTC"] = {quiet}
    out, err = StringIO(), StringIO()

    call_command("backfill", "--days", "20", "--json", stdout=out, stderr=err)

    report = json.loads(out.getvalue())
    assert (report["markets"], report["hours"], report["calls"]) == (4, 1919, 12)
    assert report["missing"] == {
        "not_listed": 0, "maintenance": 0, "silent": 1, "not_loaded": 0
    }  # fmt: skip
    (gap,) = report["gaps"]
    assert (gap["market"], gap["since"]) == ("KRW-BTC", quiet.isoformat())
    last = err.getvalue().splitlines()[-1]
    assert "12 of about 12 calls, about 0:00:00 left" in last


@pytest.mark.django_db(transaction=True)
def test_backfill_of_some_markets_touches_only_them(live_source: MemorySource) -> None:
    called("backfill", "--days", "2", "--markets", "KRW-ETH")

    assert set(Candle.objects.values_list("market", flat=True)) == {"KRW-ETH"}


@pytest.mark.django_db(transaction=True)
def test_a_failed_backfill_keeps_the_rest_and_says_how_to_go_on(
    live_source: MemorySource,
) -> None:
    live_source.broken = {"KRW-BTC"}

    with pytest.raises(CommandError, match=r"1 of 4 markets failed.*again"):
        called("backfill", "--days", "2")

    assert Coin.objects.filter(hours_from=None).get().market == "KRW-BTC"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--days", "0"], "1 to 400"),
        (["--days", "-3"], "1 to 400"),
        (["--days", "401"], "1 to 400"),
        (["--days", "x"], "invalid int"),
        (["--markets", "KRW-NOPE"], "KRW-NOPE"),
        (["--colour"], "unrecognized arguments"),
    ],
)
def test_a_wrong_backfill_loads_nothing(
    live_source: MemorySource, arguments: list[str], message: str
) -> None:
    with pytest.raises(CommandError, match=message):
        called("backfill", *arguments)

    assert not Candle.objects.exists()


@pytest.mark.django_db
def test_backfill_names_the_address_it_cannot_read(live_source: MemorySource) -> None:
    live_source.is_down = True

    with pytest.raises(CommandError, match=settings.UPBIT_BASE_URL):
        called("backfill")


# --- run_pipeline ------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.usefixtures("short_history")
def test_run_pipeline_publishes_and_reports_each_step(
    live_source: MemorySource,
) -> None:
    summary = json.loads(called("run_pipeline", "--json"))

    assert (summary["state"], summary["coins_ok"]) == ("published", 4)
    assert set(summary["steps"]) == {"collect", "analyse", "publish", "prune"}
    current = Publication.objects.get().current
    assert current is not None
    assert current.run_id == summary["run_id"]


@pytest.mark.django_db
@pytest.mark.usefixtures("short_history")
def test_run_pipeline_shows_a_table(live_source: MemorySource) -> None:
    text = called("run_pipeline")

    rows = re.findall(r"^│ (\w+)", text, re.MULTILINE)
    assert rows == ["collect", "analyse", "publish", "prune"]


@pytest.mark.django_db
def test_run_pipeline_fails_loudly_when_the_exchange_is_down(
    live_source: MemorySource,
) -> None:
    live_source.is_down = True

    with pytest.raises(CommandError, match="EXCHANGE_UNAVAILABLE"):
        called("run_pipeline")


@pytest.mark.django_db
def test_run_pipeline_waits_for_nobody(live_source: MemorySource) -> None:
    runs.claim_now(now=timezone.now())

    with pytest.raises(CommandError, match="busy"):
        called("run_pipeline")


# --- tasks -------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_schedules_are_seeded_once_and_belong_to_the_operator() -> None:
    ensure = PeriodicTask.objects.get(task="market.ensure_run")

    assert ensure.queue == "housekeeping"
    assert ensure.expire_seconds == ensure.interval.every == settings.ENSURE_SECONDS
    assert not getattr(settings, "CELERY_BEAT_SCHEDULE", {})


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict[str, Any]]]:
    """What would have gone to the queue."""
    messages: list[dict[str, Any]] = []
    monkeypatch.setattr(
        tasks.run_pipeline, "apply_async", lambda **options: messages.append(options)
    )
    return messages


@pytest.mark.django_db
@pytest.mark.usefixtures("short_history")
def test_one_beat_starts_the_window_and_the_next_finds_it_started(
    live_source: MemorySource, sent: list[dict[str, Any]]
) -> None:
    tasks.ensure_run()
    tasks.ensure_run()

    (message,) = sent
    assert message["expires"] == settings.WINDOW_SECONDS
    tasks.run_pipeline(**message["kwargs"])
    assert AnalysisRun.objects.get().state == RunState.PUBLISHED
    assert tasks.run_pipeline.name in settings.CELERY_TASK_ROUTES
    # The same message once more, as a broker may deliver it.
    tasks.run_pipeline(**message["kwargs"])
    assert AnalysisRun.objects.get().attempt == 1


# --- configuration -------------------------------------------------------------------


def manage(**environment: str) -> subprocess.CompletedProcess[str]:
    clean = {k: os.environ[k] for k in ("PATH", "HOME", "LANG") if k in os.environ}
    return subprocess.run(
        [sys.executable, str(ROOT / "manage_central.py"), "check"],
        env={**clean, "DANTARO_ENV_FILE": "/dev/null", **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


GOOD = {
    "SECRET_KEY": "x",
    "DATABASE_URL": "postgresql://u:p@127.0.0.1:9/d",
    "REDIS_URL": "redis://127.0.0.1:9/0",
}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"SECRET_KEY": ""}, "SECRET_KEY is not set. Run `make up`"),
        ({"DATABASE_URL": ""}, "DATABASE_URL is not set"),
        ({"REDIS_URL": ""}, "REDIS_URL is not set"),
        ({"DATABASE_URL": "sqlite:///x"}, "must name a PostgreSQL database"),
        ({"DANTARO_WINDOW_SECONDS": "0"}, "DANTARO_WINDOW_SECONDS must be a whole"),
        ({"DANTARO_HISTORY_DAYS": "-1"}, "DANTARO_HISTORY_DAYS must be a whole"),
    ],
)
def test_a_wrong_configuration_is_one_sentence(
    changes: dict[str, str], message: str
) -> None:
    result = manage(**GOOD | changes)

    assert result.returncode == 1
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_an_environment_file_is_read_and_the_environment_wins(tmp_path: Path) -> None:
    file = tmp_path / "central.env"
    file.write_text(
        "SECRET_KEY=x\nDATABASE_URL=sqlite:///x\nREDIS_URL=redis://127.0.0.1:9/0\n"
    )

    from_file = manage(DANTARO_ENV_FILE=str(file))
    overridden = manage(DANTARO_ENV_FILE=str(file), DATABASE_URL=GOOD["DATABASE_URL"])

    assert "PostgreSQL" in from_file.stderr
    assert overridden.returncode == 0, overridden.stderr
