"""Who may do what: the two seeded groups."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, User
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_celery_beat.models import CrontabSchedule, IntervalSchedule, PeriodicTask

from central_project.api.models import ApiKey
from central_project.api.shared_state import note_call
from central_project.market.models import AnalysisRun, Coin, Retention, ScoreSettings
from tests.central.market_world import publish_run
from tests.central.test_admin import OURS, settings_form

pytestmark = pytest.mark.django_db
SHOWN = [*OURS, PeriodicTask, IntervalSchedule, CrontabSchedule]


def staff(group: str) -> Client:
    """A browser of somebody in *group*."""
    user = User.objects.create_user(f"of-{group}", is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def reader() -> Client:
    return staff("운영자(읽기 전용)")


@pytest.fixture
def operator() -> Client:
    return staff("운영자")


def address(model: Any, page: str, *args: object) -> str:
    return reverse(
        f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}", args=args
    )


@pytest.mark.parametrize("model", SHOWN, ids=lambda model: model.__name__)
def test_a_reader_sees_every_list_and_no_way_to_change_it(
    reader: Client, model: Any
) -> None:
    publish_run(now=timezone.now(), symbols=["KRW-BTC"])
    ApiKey.objects.issue(name="부산")

    pages = [reader.get(address(model, "changelist"), follow=True)]
    pages += [
        reader.get(address(model, "change", row.pk)) for row in model.objects.all()[:1]
    ]

    assert {page.status_code for page in pages} == {200}
    for button in ('name="_save"', "revoke_one", "run_now", 'value="switch_off"'):
        assert all(button not in page.content.decode() for page in pages)
    assert reader.get(address(model, "add")).status_code == 403


def test_a_reader_changes_nothing(reader: Client) -> None:
    run = publish_run(now=timezone.now(), symbols=["KRW-BTC"])
    coin, (key, _) = Coin.objects.get(), ApiKey.objects.issue(name="부산")
    task = PeriodicTask.objects.get(task="market.ensure_run")
    before = ScoreSettings.objects.count()
    posts: list[tuple[str, dict[str, Any]]] = [
        (address(Coin, "change", coin.pk), {"excluded": "on", "excluded_reason": "x"}),
        (address(Retention, "change", 1), {"runs_days": 1}),
        (address(ScoreSettings, "add"), settings_form()),
        (reverse("admin:market_scoresettings_preview"), settings_form()),
        (address(ApiKey, "add"), {"name": "x", "rate": "1/1s"}),
        (address(ApiKey, "revoke_one", key.pk), {"_form_submitted": "1"}),
        (address(PeriodicTask, "run_now", task.pk), {"_form_submitted": "1"}),
        (reverse("run-now"), {}),
    ]

    assert [reader.post(path, data).status_code for path, data in posts] == [403] * 8
    for model, row, action in (
        (Coin, coin, "exclude_coins"),
        (ApiKey, key, "revoke"),
        (PeriodicTask, task, "switch_off"),
    ):
        chosen = {"action": action, "_selected_action": [row.pk], "reason": "x"}
        reader.post(address(model, "changelist"), chosen)
    for row in (coin, key, task, run):
        row.refresh_from_db()
    assert not coin.excluded
    assert key.revoked_at is None
    assert task.enabled
    assert ScoreSettings.objects.count() == before
    assert AnalysisRun.objects.count() == 1


def test_keys_are_named_to_nobody_who_may_not_see_them(reader: Client) -> None:
    key, _ = ApiKey.objects.issue(name="부산")
    note_call(key.pk, refused=False, now=timezone.now())
    nobody = Client()
    nobody.force_login(User.objects.create_user("new", is_staff=True))

    assert "부산" in reader.get("/admin/live/").content.decode()
    assert "부산" not in nobody.get("/admin/live/").content.decode()


def test_a_reader_is_shown_no_buttons(reader: Client) -> None:
    publish_run(now=timezone.now(), symbols=["KRW-BTC"])
    key, _ = ApiKey.objects.issue(name="부산")

    home = reader.get("/admin/").content.decode()
    coin = reader.get(address(Coin, "change", Coin.objects.get().pk)).content.decode()
    of_key = reader.get(address(ApiKey, "change", key.pk)).content.decode()

    assert "run-now" not in home
    assert 'name="_save"' not in coin + of_key
    assert "revoke_one" not in of_key
    assert "순위 변화" in coin


def test_an_operator_does_the_daily_work_but_manages_no_people(
    operator: Client,
) -> None:
    coin = Coin.objects.create(market="KRW-BTC", korean_name="비", english_name="B")
    key, _ = ApiKey.objects.issue(name="부산")

    operator.post(
        address(Coin, "change", coin.pk), {"excluded": "on", "excluded_reason": "점검"}
    )
    operator.post(address(ApiKey, "revoke_one", key.pk), {"_form_submitted": "1"})

    coin.refresh_from_db()
    key.refresh_from_db()
    assert coin.excluded
    assert key.revoked_at is not None
    assert operator.get(address(User, "changelist")).status_code == 200
    assert operator.get(address(User, "add")).status_code == 403


def test_every_model_of_ours_is_in_the_readers_group() -> None:
    given = {
        (permission.content_type.app_label, permission.codename)
        for permission in Group.objects.get(name="운영자(읽기 전용)").permissions.all()
    }
    registered = {
        (model._meta.app_label, f"view_{model._meta.model_name}")
        for model in admin.site._registry
    }

    assert registered <= given
    assert {codename.split("_")[0] for _, codename in given} == {"view"}
