"""The operator's home page: every part with its state, without asking an exchange."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.user.factories import (
    make_account,
    make_bot,
    make_cycle,
    make_profit,
    make_snapshot,
    make_story,
    make_user,
)
from user_project.bots import doctor, pnl
from user_project.bots.doctor import account_health
from user_project.bots.models import QueueHeartbeat, ServerSwitch

pytestmark = pytest.mark.django_db


@pytest.fixture
def root() -> Client:
    """A superuser's browser."""
    client = Client()
    client.force_login(make_user("root", is_staff=True, is_superuser=True))
    return client


@pytest.fixture
def no_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    """An exchange that must not be asked."""

    def asked(**_: Any) -> Any:
        raise AssertionError("the home page asked an exchange")

    monkeypatch.setattr(doctor, "adapter_for", asked)


@pytest.mark.usefixtures("no_exchange")
def test_home_shows_every_part(root: Client) -> None:
    make_story(make_user("alice"), name="첫 봇")
    make_bot(make_user("bert"), state="halted", name="멈춘 봇")
    make_snapshot(timezone.now())
    QueueHeartbeat.objects.create(queue="pull", worker="w", seen_at=timezone.now())
    ServerSwitch.objects.create(pk=1, kill_switch_at=timezone.now())

    page = root.get(reverse("admin:index")).content.decode()

    for words in (
        *("PostgreSQL", "Redis", "작업 큐 pull", "본사", "서버 비상 정지"),
        *("멈춘 봇", "사람을 기다리는 봇", "1 확인 필요", "alice", "bert"),
        *("1차 매수 체결 100,000,000원", "모의투자", "보유분 원가 200,100원"),
    ):
        assert words in page, words


@pytest.mark.usefixtures("no_exchange")
def test_a_visible_page_renews_only_its_middle(root: Client) -> None:
    part = root.get(reverse("console-live")).content.decode()

    assert "<html" not in part
    assert "거래소 계정" in part


def test_the_middle_is_for_operators_only() -> None:
    owner = Client()
    owner.force_login(make_user("alice"))

    assert owner.get(reverse("console-live")).status_code == 302
    assert Client().get(reverse("console-live")).status_code == 302


def test_who_may_only_look_sees_no_switches() -> None:
    person = make_user("looker", is_staff=True)
    person.user_permissions.set(Permission.objects.filter(codename="view_bot"))
    make_story(make_user("alice"))
    client = Client()
    client.force_login(person)

    page = client.get(reverse("admin:index")).content.decode()

    assert "kill-switch" not in page
    assert "emergency-stop" not in page


@pytest.mark.parametrize(
    ("changes", "level", "words"),
    [
        ({}, "ok", "정상"),
        ({"key_problem": "거부"}, "fail", "거부"),
        ({"quarantined_at": timezone.now(), "quarantine_reason": "왜"}, "fail", "왜"),
        ({"reconciled_at": None}, "fail", "대조하지"),
        ({"reconciled_at": timezone.now() - timedelta(hours=1)}, "fail", "대조하지"),
    ],
)
def test_an_account_is_as_healthy_as_the_workers_wrote(
    changes: dict[str, Any], level: str, words: str
) -> None:
    now = timezone.now()
    account = make_account(make_user("alice"), **{"reconciled_at": now, **changes})

    found = account_health(account=account, now=now)

    assert found[0] == level
    assert words in found[1]


@pytest.mark.parametrize(("days", "level"), [(31, "ok"), (30, "warn"), (0, "warn")])
def test_a_key_about_to_expire_is_a_warning(days: int, level: str) -> None:
    now = timezone.now()
    expires = now + timedelta(days=days)
    account = make_account(
        make_user("alice"), reconciled_at=now, key_expires_at=expires
    )

    assert account_health(account=account, now=now)[0] == level


def test_todays_profit_begins_at_korean_midnight() -> None:
    now = timezone.now()
    midnight = now.astimezone(pnl.KST).replace(
        hour=0, minute=0, second=0, microsecond=0
    )
    alice, bert = make_user("alice"), make_user("bert")
    for owner, at, won in (
        (alice, midnight, 1000),
        (alice, midnight - timedelta(microseconds=1), 500),
        (bert, midnight, 30),
    ):
        make_profit(make_cycle(make_bot(owner)), won=won, at=at)

    assert pnl.realised_today(now=now) == {"paper": 1030}
