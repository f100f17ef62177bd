"""The operator's first page."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from celery import current_app
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_celery_beat.models import PeriodicTask
from kombu import Connection
from kombu.exceptions import OperationalError

from central_project.api.models import ApiKey
from central_project.console import lights as looking
from central_project.console.day import SLOTS, last_day
from central_project.console.home import freshness
from central_project.console.lights import Colour, Light, lights
from central_project.market.models import AnalysisRun, RunState
from central_project.market.tasks import run_pipeline
from tests.central.market_world import publish_run

pytestmark = pytest.mark.django_db
MINUTE = timedelta(minutes=1)


@pytest.fixture
def hq() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("hq"))
    return client


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, object]]:
    """What the workers answer to a ping; no broker is asked."""
    answers: list[dict[str, object]] = [{"pipeline@here": {"ok": "pong"}}]
    monkeypatch.setattr(current_app.control, "ping", lambda timeout: answers)
    return answers


@pytest.fixture
def handed(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The messages that would have gone to a worker."""
    messages: list[dict[str, Any]] = []
    monkeypatch.setattr(
        current_app,
        "send_task",
        lambda name, **message: messages.append({"name": name, **message}),
    )
    return messages


def by_name() -> dict[str, Light]:
    return {light.name.split()[0]: light for light in lights(now=timezone.now())}


@pytest.mark.usefixtures("answering")
def test_lights_are_green_when_all_is_well() -> None:
    publish_run(now=timezone.now(), symbols=["KRW-BTC"])
    PeriodicTask.objects.filter(task="market.ensure_run").update(
        last_run_at=timezone.now()
    )

    shown = by_name()

    assert {light.colour for light in shown.values()} == {Colour.GREEN}
    assert shown["작업자"].state == "pipeline"


def test_each_light_turns_red_on_its_own_and_says_what_to_do(
    answering: list[dict[str, object]],
) -> None:
    answering.clear()
    PeriodicTask.objects.filter(task="market.ensure_run").update(
        last_run_at=timezone.now() - timedelta(minutes=30)
    )
    AnalysisRun.objects.create(
        window_start=timezone.now(),
        started_at=timezone.now(),
        state=RunState.FAILED,
        error_code="EXCHANGE_UNAVAILABLE",
        error="answered 418",
    )

    shown = by_name()

    red = {name for name, light in shown.items() if light.colour is Colour.RED}
    assert red == {"스케줄러", "작업자", "거래소"}
    assert all(shown[name].advice for name in red)
    assert "30분 전" in shown["스케줄러"].state


def test_without_redis_the_page_still_answers(
    hq: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client of a port at which nobody listens, for all that asks Redis."""
    from redis import Redis

    from central_project.api import shared_state

    nobody = Redis(port=1, socket_connect_timeout=0.2)
    monkeypatch.setattr(looking, "get_redis_connection", lambda alias: nobody)
    monkeypatch.setattr(shared_state, "_redis", lambda: nobody)
    publish_run(now=timezone.now(), symbols=["KRW-BTC"])

    page = hq.get("/admin/")

    assert page.status_code == 200
    assert "Redis를 켜 주세요" in page.content.decode()
    assert "셀 수 없습니다" in page.content.decode()


@pytest.mark.parametrize(
    ("age", "suspect", "colour"),
    [(1, False, Colour.GREEN), (8, False, Colour.YELLOW), (16, False, Colour.RED),
     (1, True, Colour.RED)],
)  # fmt: skip
def test_the_age_of_the_data_has_a_colour(
    age: int, suspect: bool, colour: Colour
) -> None:
    now = timezone.now()
    run = publish_run(now=now - age * MINUTE, symbols=["KRW-BTC"])
    run.suspect = suspect

    assert freshness(run, now=now).colour is colour


def test_the_last_day_is_a_bar_of_quarter_hours() -> None:
    now = timezone.now().replace(minute=50, second=0, microsecond=0)
    ends = {
        0: RunState.RUNNING,  # :50
        5: RunState.PUBLISHED,  # :45
        10: RunState.FAILED,  # :40
        20: RunState.FAILED,  # :30
        25: RunState.PUBLISHED,  # :25
        24 * 60: RunState.FAILED,  # too long ago
    }
    for minutes, state in ends.items():
        AnalysisRun.objects.create(
            window_start=now - minutes * MINUTE, started_at=now, state=state
        )

    day = last_day(now=now)

    assert (day.published, day.failed, len(day.slots)) == (2, 2, SLOTS)
    colours = [slot.colour for slot in day.slots]
    assert colours[-4:] == ["none", "success", "danger", "success"]
    assert set(colours[:-4]) == {"none"}
    assert "성공 0 · 실패 2" in day.slots[-2].tooltip


@pytest.mark.usefixtures("answering")
def test_steps_exchange_calls_and_api_calls_are_counted(
    hq: Client, issued: tuple[ApiKey, str]
) -> None:
    run = publish_run(now=timezone.now(), symbols=["KRW-BTC"])
    run.steps = {
        "collect": {"counts": {"calls": 263, "refused": 4}, "seconds": 27.31},
        "publish": {"error": "boom", "counts": {}, "seconds": 0.5},
    }
    run.save()
    headers = {"Authorization": f"Bearer {issued[1]}"}
    assert hq.get("/api/v1/market-status", headers=headers).status_code == 200

    page = hq.get(reverse("console-live")).content.decode()

    for text in ("27.31초", ">263<", ">4<", "boom", issued[0].name):
        assert text in page


@pytest.mark.usefixtures("answering")
def test_an_analysis_starts_on_request(
    hq: Client, handed: list[dict[str, Any]]
) -> None:
    first = hq.post(reverse("run-now"), follow=True).content.decode()
    again = hq.post(reverse("run-now"), follow=True).content.decode()

    run = AnalysisRun.objects.get()
    assert [m["name"] for m in handed] == [run_pipeline.name]
    assert [m["kwargs"] for m in handed] == [{"run_id": run.pk, "attempt": 1}]
    assert "분석을 시작했습니다" in first
    assert "이미 분석하고 있습니다" in again
    assert [entry.change_message for entry in LogEntry.objects.all()] == ["지금 분석"]


@pytest.mark.usefixtures("answering")
def test_a_run_that_no_worker_can_be_told_of_does_not_block_the_next(
    hq: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody_there(*_: object, **__: object) -> None:
        raise OperationalError("redis is away")

    monkeypatch.setattr(current_app, "send_task", nobody_there)

    page = hq.post(reverse("run-now"), follow=True).content.decode()

    assert "작업을 맡기지 못했습니다" in page
    assert not AnalysisRun.objects.alive().exists()


@pytest.mark.usefixtures("answering")
def test_a_published_run_stays_good_when_no_worker_can_be_told(
    hq: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = publish_run(now=timezone.now())
    monkeypatch.setattr(
        current_app, "connection_for_write", lambda: Connection("redis://127.0.0.1:9")
    )

    page = hq.post(reverse("run-now"), follow=True).content.decode()

    run.refresh_from_db()
    assert "작업을 맡기지 못했습니다" in page
    assert (run.state, run.attempt) == (RunState.PUBLISHED, 1)


def test_looking_at_the_button_starts_nothing(hq: Client) -> None:
    assert hq.get(reverse("run-now")).status_code == 405
    assert not AnalysisRun.objects.exists()


@pytest.mark.usefixtures("answering")
@pytest.mark.parametrize("path", ["/admin/", "/admin/market/coin/", "/admin/login/"])
def test_a_foreign_browser_is_answered_in_korean(hq: Client, path: str) -> None:
    browser = Client() if "login" in path else hq

    answer = browser.get(path, headers={"Accept-Language": "en-US"})
    page = answer.content.decode()

    assert answer["Content-Language"] == "ko"
    assert '<html lang="ko"' in page
    assert ("사용자 이름" if "login" in path else "로그아웃") in page
