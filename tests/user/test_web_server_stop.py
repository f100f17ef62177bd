"""While the operator's switch stops all trading, every owner reads it on every page."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.user.factories import make_account, make_bot, make_snapshot, make_user
from user_project.bots import prices, quotes, services, switches
from user_project.bots.models import ServerSwitch
from user_project.bots.problems import BotProblem

pytestmark = pytest.mark.django_db
PAGES = (
    *("home", "new-bot", "ranking", "central-status", "orders", "fills", "profit"),
    *("accounts", "notify", "look", "owner-emergency", "security", "own-password"),
)
WORDS = "서버 운영자가 비상 정지를 켜서"


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Client:
    """A logged-in owner who knows nothing of the operators."""
    monkeypatch.setattr(prices, "all_shared", lambda *, host: {})
    client = Client()
    client.force_login(make_user("alice"))
    return client


def turn(*, on: bool, minutes_ago: int = 0, **options: Any) -> None:
    """Turn the server's switch."""
    now = timezone.now() - timedelta(minutes=minutes_ago)
    switches.set_kill_switch(target=ServerSwitch(pk=1), on=on, now=now, **options)


def banner(page: Any) -> str:
    """Return what the top of a page says, on one line."""
    html = page.content.decode()
    (top,) = re.findall(r'<div id="central".*?</div>', html, re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", top)))


@pytest.mark.parametrize("page", PAGES)
def test_every_page_says_so_and_since_when(client: Client, page: str) -> None:
    make_snapshot(timezone.now())
    turn(on=True, minutes_ago=7)

    text = banner(client.get(reverse(page)))

    since = switches.server_stopped_at()
    assert since is not None
    assert WORDS in text
    assert f"{timezone.localtime(since):%m-%d %H:%M:%S}(7분 전)부터" in text
    assert ("본사 분석" in text) == (page != "own-password")


def test_pages_without_centrals_line_say_so_too(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_plan(**_: Any) -> Any:
        raise BotProblem("X", "no plan")

    monkeypatch.setattr(services, "preview_bot", no_plan)
    alice = make_user("carol")
    client.force_login(alice)
    bot = make_bot(alice, account=make_account(alice, mode="live"))
    turn(on=True)

    page = client.get(reverse("bot-live", args=[bot.pk]))

    assert WORDS in banner(page)


def test_nobody_is_named_and_no_reason_of_the_operators_is_shown(
    client: Client,
) -> None:
    turn(on=True, reason="ask Olga", by=make_user("operator-olga"))

    page = client.get(reverse("home")).content.decode()

    assert WORDS in page
    assert "olga" not in page.casefold()


def test_it_is_said_in_english_too(client: Client) -> None:
    make_snapshot(timezone.now())
    turn(on=True)

    page = client.get(reverse("home"), headers={"accept-language": "en"})

    assert "no new orders since" in banner(page)
    assert not re.search("[가-힣]", banner(page))


def test_when_it_is_off_nothing_is_said(client: Client) -> None:
    never = client.get(reverse("home")).content.decode()
    turn(on=True)
    turn(on=False)

    later = client.get(reverse("home")).content.decode()

    assert WORDS not in never + later


def test_an_accounts_own_switch_is_not_the_servers(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quotes, "quotes_of", lambda **_: {})
    account = make_account(make_user("bob"))
    now = timezone.now()
    switches.set_kill_switch(target=account, on=True, now=now)

    assert WORDS not in client.get(reverse("home")).content.decode()


def test_strangers_at_the_login_are_told_nothing() -> None:
    turn(on=True)

    assert WORDS not in Client().get(reverse("login")).content.decode()
