"""Switches, emergency stop and quarantine in the console: asked first, done once, noted."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.user.factories import (
    PASSWORD,
    make_account,
    make_bot,
    make_cycle,
    make_order,
    make_story,
    make_user,
)
from user_project.accounts.models import ExchangeAccount
from user_project.bots.models import Bot, EmergencyStop, ServerSwitch

pytestmark = pytest.mark.django_db
Browser = Callable[..., Client]


@pytest.fixture
def root() -> Client:
    """A superuser's browser."""
    client = Client()
    client.force_login(
        make_user("root", is_staff=True, is_superuser=True, password=PASSWORD)
    )
    return client


@pytest.fixture
def operator() -> Browser:
    """Make the browser of an operator with the named permissions."""

    def make(*rights: str) -> Client:
        person = make_user("operator", is_staff=True, password=PASSWORD)
        person.user_permissions.set(Permission.objects.filter(codename__in=rights))
        client = Client()
        client.force_login(person)
        return client

    return make


def _switch(kind: str, *rows: Any, on: bool) -> str:
    ids = "".join(f"&id={row.pk}" for row in rows)
    return f"{reverse('kill-switch', args=[kind])}?on={int(on)}{ids}"


def test_a_switch_asks_first_says_what_it_does_and_is_noted(root: Client) -> None:
    bot = make_story(make_user("alice"))
    make_order(bot.cycles.get(), stage=2, state="open", closed_at=None)
    address = _switch("bot", bot, on=True)

    asked = root.get(address).content.decode()
    before = Bot.objects.get().kill_switch_at
    refused = root.post(address, {"reason": " "})
    root.post(address, {"reason": "점검"})

    bot.refresh_from_db()
    assert "<b>1개</b>" in asked
    assert "매수 1건, 매도 0건" in asked
    assert before is None
    assert refused.status_code == 400
    assert bot.kill_switch_at is not None
    assert "점검" in bot.events.get(kind="switch.on").message
    assert "점검" in LogEntry.objects.get().get_change_message()

    root.post(_switch("bot", bot, on=False))

    bot.refresh_from_db()
    assert bot.kill_switch_at is None


def test_an_account_and_the_server_have_switches_too(root: Client) -> None:
    account = make_bot(make_user("alice"), state="running").account

    root.post(_switch("account", account, on=True), {"reason": "키 교체"})
    root.post(_switch("server", on=True), {"reason": "서버 이전"})

    account.refresh_from_db()
    assert account.kill_switch_reason == "키 교체"
    assert ServerSwitch.objects.get().kill_switch_reason == "서버 이전"
    assert Bot.objects.get().kill_switch_at is None


@pytest.mark.parametrize(
    ("kind", "rights", "status"),
    [
        ("bot", ("view_bot",), 403),
        ("bot", ("change_bot",), 302),
        ("account", ("change_bot",), 403),
        ("account", ("change_exchangeaccount",), 302),
        (
            "server",
            ("change_bot", "change_exchangeaccount", "change_serverswitch"),
            403,
        ),
    ],
)
def test_a_switch_needs_its_own_right(
    operator: Browser, kind: str, rights: tuple[str, ...], status: int
) -> None:
    bot = make_bot(make_user("alice"), state="running")
    rows = {"bot": [bot], "account": [bot.account], "server": []}[kind]

    answer = operator(*rights).post(_switch(kind, *rows, on=True), {"reason": "시험"})

    assert answer.status_code == status
    turned = [
        Bot.objects.get().kill_switch_at,
        ExchangeAccount.objects.get().kill_switch_at,
        ServerSwitch.objects.filter(kill_switch_at__isnull=False).first(),
    ]
    assert any(turned) is (status == 302)


@pytest.mark.parametrize(
    "tail", ["planet/?on=1", "bot/?on=1", "bot/?on=1&id=nonsense", "account/?on=1&id=7"]
)
def test_a_switch_of_nothing_is_not_found(root: Client, tail: str) -> None:
    assert root.get(f"/admin/kill-switch/{tail}").status_code == 404


def test_the_lists_and_pages_lead_to_the_question(root: Client) -> None:
    bot = make_story(make_user("alice"))
    chosen = {"action": "kill", "_selected_action": [str(bot.pk)]}

    by_list = root.post(reverse("admin:bots_bot_changelist"), chosen)
    by_page = root.get(f"/admin/bots/bot/{bot.pk}/switch-one/")
    of_account = root.get(
        f"/admin/accounts/exchangeaccount/{bot.account_id}/switch-one/"
    )

    assert by_list.url == by_page.url == _switch("bot", bot, on=True)
    assert of_account.url == _switch("account", bot.account, on=True)


def test_an_emergency_stop_shows_effects_then_acts_then_reports(root: Client) -> None:
    alice, bert = make_user("alice"), make_user("bert")
    bot = make_story(alice)
    make_order(bot.cycles.get(), stage=2, state="open", closed_at=None)
    make_bot(bert, state="running", name="다른 봇")
    page = reverse("emergency")

    shown = root.get(page).content.decode()
    narrowed = root.get(f"{page}?owner={alice.pk}").content.decode()
    before = EmergencyStop.objects.count()
    answer = root.post(f"{page}?owner={alice.pk}", {"how": "buys"}, follow=True)

    bot.refresh_from_db()
    stop = EmergencyStop.objects.get()
    assert "다른 봇" in shown
    assert "다른 봇" not in narrowed
    assert "거둘 매수 주문 1건" in narrowed
    assert before == 0
    assert (stop.owner, stop.sell_all, stop.by.username) == (alice, False, "root")
    assert bot.state == "paused"
    assert Bot.objects.get(name="다른 봇").state == "running"
    assert "매수 주문 1건을 거두는 중입니다" in answer.content.decode()
    assert LogEntry.objects.get().get_change_message() == "비상 정지"


@pytest.mark.parametrize(
    ("word", "password", "done"),
    [("정지", PASSWORD, True), ("네", PASSWORD, False), ("정지", "wrong", False)],
)
def test_selling_everything_takes_the_word_and_the_password(
    root: Client, word: str, password: str, done: bool
) -> None:
    bot = make_story(make_user("alice"))
    body = {"how": "sell", "word": word, "password": password}

    answer = root.post(reverse("emergency"), body)

    bot.refresh_from_db()
    assert answer.status_code == (302 if done else 400)
    assert EmergencyStop.objects.exists() is done
    assert (bot.state == "finishing") is done
    assert password not in answer.content.decode()


def test_only_a_superuser_stops_the_whole_server(operator: Browser) -> None:
    alice = make_user("alice")
    make_bot(alice, state="running")
    client = operator("add_emergencystop", "view_emergencystop")
    page = reverse("emergency")

    everything = client.post(page, {"how": "buys"})
    one = client.post(f"{page}?owner={alice.pk}", {"how": "buys"})

    assert everything.status_code == 400
    assert one.status_code == 302
    assert EmergencyStop.objects.get().owner == alice


def test_without_the_right_there_is_no_emergency_stop(operator: Browser) -> None:
    client = operator("view_bot", "change_bot")

    assert client.get(reverse("emergency")).status_code == 403
    assert client.post(reverse("emergency"), {"how": "buys"}).status_code == 403


@pytest.fixture
def quarantined() -> ExchangeAccount:
    """An account set apart a while ago, with a running bot."""
    account = make_account(
        make_user("alice"),
        quarantined_at=timezone.now(),
        quarantine_reason="모르는 주문",
    )
    make_cycle(make_bot(account.owner, account=account, state="running"))
    return account


def test_a_quarantine_ends_only_with_words(
    root: Client, quarantined: ExchangeAccount
) -> None:
    page = reverse("quarantine", args=[quarantined.pk])

    asked = root.get(page).content.decode()
    refused = root.post(page, {"note": "  "})
    still = ExchangeAccount.objects.get().quarantined_at
    root.post(page, {"note": "다른 PC를 껐음"})

    quarantined.refresh_from_db()
    assert "모르는 주문" in asked
    assert refused.status_code == 400
    assert still is not None
    assert quarantined.quarantined_at is None
    assert quarantined.reconciled_at is None, "the exchange must be compared first"
    assert "다른 PC를 껐음" in Bot.objects.get().events.get().message
    assert "다른 PC를 껐음" in LogEntry.objects.get().get_change_message()
    assert root.post(page, {"note": "또"}).status_code == 400


def test_those_who_may_only_look_cannot_end_a_quarantine(
    operator: Browser, quarantined: ExchangeAccount
) -> None:
    client = operator("view_exchangeaccount")

    answer = client.post(reverse("quarantine", args=[quarantined.pk]), {"note": "x"})

    assert answer.status_code == 403
    assert ExchangeAccount.objects.get().quarantined_at is not None


def test_saving_an_account_writes_only_what_was_changed(root: Client) -> None:
    account = make_account(make_user("alice"), name="이전")
    page = reverse("admin:accounts_exchangeaccount_change", args=[account.pk])
    ExchangeAccount.objects.update(quarantined_at=timezone.now(), key_problem="거부")
    forged = {"mode": "live", "base_url": "https://api.upbit.com", "key_problem": ""}

    root.post(page, {"name": "새 이름", "cap_budget": "5000000", **forged})

    account.refresh_from_db()
    assert (account.name, account.cap_budget) == ("새 이름", Decimal(5_000_000))
    assert account.quarantined_at is not None
    assert (account.mode, account.key_problem) == ("paper", "거부")
