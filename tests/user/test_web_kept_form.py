"""What was entered into the wizard survives a session that ended meanwhile."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.user.factories import (
    PASSWORD,
    QuietExchange,
    make_account,
    make_bot,
    make_snapshot,
    make_user,
)
from user_project.bots import prices, quotes, services
from user_project.bots.models import Bot
from user_project.web import login

pytestmark = pytest.mark.django_db
TYPED = {
    "market": "KRW-BTC",
    "name": "나의 봇 & 친구",
    "budget": "1234567",
    "stages": "5",
    "multiplier": "1.5",
    "shape": "linear",
    "level": "conservative",
    "take_profit_percent": "2.25",
    "stage_table": "0:1,0.03:1.5",
    "max_hold_hours": "72",
}
"""A whole form; the box of the crash brake has no tick."""


@pytest.fixture
def alice(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """An owner with two accounts and a password."""
    quiet = QuietExchange(now=timezone.now())
    for module in (services, quotes):
        monkeypatch.setattr(module, "adapter_for", lambda *, account: quiet)
    monkeypatch.setattr(prices, "shared", lambda *, host, market: None)
    monkeypatch.setattr(prices, "all_shared", lambda *, host: {})
    owner = make_user("alice", password=PASSWORD)
    make_snapshot(timezone.now())
    make_account(owner, name="1번")
    account = make_account(owner, name="2번")
    client = Client()
    return SimpleNamespace(owner=owner, account=account, client=client)


def send(client: Client, alice: SimpleNamespace, step: str, **more: str) -> Any:
    """Send the whole form."""
    body = {**TYPED, "account": str(alice.account.pk), "step": step, **more}
    return client.post(reverse("new-bot"), body)


def log_in(client: Client, answer: Any) -> Any:
    """Log in on the page that was answered with; return where it leads."""
    body = {"username": "alice", "password": PASSWORD}
    page = client.get(answer.url)
    wanted = re.search(r'name="next" value="([^"]*)"', page.content.decode())
    assert wanted
    body["next"] = unescape(wanted.group(1))
    return client.post(reverse("login"), body)


def assert_has_what_was_typed(page: Any, alice: SimpleNamespace) -> None:
    """Fail unless the form shows all of it."""
    assert page.status_code == 200
    form = page.context["form"]
    shown = {name: str(form[name].value() or "") for name in TYPED}
    assert shown == TYPED
    assert str(form["account"].value()) == str(alice.account.pk)
    html = page.content.decode()
    assert f'value="{alice.account.pk}" selected' in html
    assert not re.search(r"name=\"crash_brake\"[^>]*checked", html)
    assert "미리보기부터 다시" in html


@pytest.mark.parametrize("step", ["preview", "create"])
def test_a_form_sent_without_a_session_comes_back_after_the_login(
    alice: SimpleNamespace, step: str
) -> None:
    answer = send(alice.client, alice, step, once="of-long-ago")

    entered = log_in(alice.client, answer)
    page = alice.client.get(entered.url)

    assert_has_what_was_typed(page, alice)
    assert "preview" not in page.context
    assert not Bot.objects.exists()


def test_a_session_that_ended_on_the_server_is_as_good_as_none(
    alice: SimpleNamespace,
) -> None:
    alice.client.force_login(alice.owner)
    preview = send(alice.client, alice, "preview")
    once = preview.context["once"]
    session = alice.client.session
    session.set_expiry(timezone.now() - timedelta(seconds=1))
    session.save()

    answer = send(alice.client, alice, "create", once=once)
    page = alice.client.get(log_in(alice.client, answer).url)

    assert_has_what_was_typed(page, alice)
    assert not Bot.objects.exists()


def test_the_second_step_of_the_login_leads_there_too(
    alice: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(login, "has_second_step", lambda user: True)
    monkeypatch.setattr(login, "check_code", lambda *, user, code, now: None)
    half_way = log_in(alice.client, send(alice.client, alice, "preview"))
    assert half_way.url == reverse("login-code")

    entered = alice.client.post(half_way.url, {"code": "123456"})

    assert_has_what_was_typed(alice.client.get(entered.url), alice)


@pytest.mark.parametrize("step", ["preview", "create"])
def test_a_form_with_the_token_of_another_login_is_shown_again(
    alice: SimpleNamespace, step: str
) -> None:
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(alice.owner)

    answer = send(careful, alice, step, once="x")

    assert_has_what_was_typed(careful.get(answer.url), alice)
    assert not Bot.objects.exists()


def test_other_forms_are_still_refused_without_a_token(alice: SimpleNamespace) -> None:
    bot = make_bot(alice.owner, account=alice.account, state="running")
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(alice.owner)

    answer = careful.post(reverse("bot-action", args=[bot.pk, "stop"]))

    assert answer.status_code == 403


def test_only_the_forms_fields_travel(alice: SimpleNamespace) -> None:
    secrets = {"password": "hidden-word", "secret_key": "hidden-key", "once": "one"}

    answer = send(alice.client, alice, "create", **secrets)

    assert "1234567" in answer.url
    assert not [text for text in secrets.values() if text in answer.url]
    assert "csrf" not in answer.url


def test_a_form_too_long_for_an_address_is_asked_anew(alice: SimpleNamespace) -> None:
    answer = send(alice.client, alice, "preview", stage_table="0:1," * 1000)

    assert answer.url == f"{reverse('login')}?next={reverse('new-bot')}"


def test_somebody_elses_account_is_not_chosen_by_an_address(
    alice: SimpleNamespace,
) -> None:
    foreign = make_account(make_user("mallory"))
    alice.client.force_login(alice.owner)

    page = alice.client.get(reverse("new-bot"), {"account": str(foreign.pk)})

    assert f'value="{foreign.pk}"' not in page.content.decode()


def test_nonsense_in_the_address_is_shown_and_refused_later(
    alice: SimpleNamespace,
) -> None:
    alice.client.force_login(alice.owner)

    page = alice.client.get(
        reverse("new-bot"), {"budget": "<b>x", "account": "y", "level": "z"}
    )

    assert page.status_code == 200
    assert "<b>x" not in page.content.decode()
