"""The pages in English: no Hangul but names and what people typed; catalogues complete."""

from __future__ import annotations

import re
import subprocess
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from tests.user.factories import (
    PASSWORD,
    QuietExchange,
    make_account,
    make_bot,
    make_cycle,
    make_snapshot,
    make_story,
    make_user,
)
from user_project.accounts import services as account_services
from user_project.bots import events, prices, quotes, services, wording
from user_project.bots.models import EmergencyStop
from user_project.central_api.models import CentralSnapshot, PullState
from user_project.notifications.models import Target
from user_project.trading.facts import Why

pytestmark = pytest.mark.django_db
HANGUL = re.compile("[가-힣]+")
NAMES = {"비트코인", "단타로", "한국어", "언어"}
"""A coin's name, the product's, and the language to change to."""
LOCALES = Path(settings.BASE_DIR) / "user_project" / "locale"
PAGES = (
    *("home", "ranking", "central-status", "orders", "fills", "profit", "accounts"),
    *("owner-emergency", "new-bot", "look", "notify", "security", "own-password"),
)


@pytest.fixture
def alice(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """An English-speaking owner with something on every page."""
    quiet = QuietExchange(now=timezone.now())
    for module in (services, quotes):
        monkeypatch.setattr(module, "adapter_for", lambda *, account: quiet)
    monkeypatch.setattr(prices, "shared", lambda *, host, market: None)
    monkeypatch.setattr(prices, "all_shared", lambda *, host: {})
    monkeypatch.setattr(account_services, "_build", lambda **_: quiet)
    owner = make_user("alice", password=PASSWORD)
    make_snapshot(timezone.now())
    account = make_account(owner, name="paper", reconciled_at=timezone.now())
    bot = make_story(owner, account=account, name="my bot")
    bot.events.all().delete()
    order = bot.orders.get()
    events.record(
        bot=bot,
        order=order,
        kind="order.cancelled",
        message=lambda: f"{order.stage_name} {wording.won(order.paid_fee)}",
    )
    events.record(bot=bot, kind="bot.running", message="시작했습니다.")
    Target.objects.create(owner=owner, name="phone", kinds=["fill"], sealed_address=b"")
    client = Client(headers={"accept-language": "en"})
    client.force_login(owner)
    return SimpleNamespace(owner=owner, client=client, bot=bot, account=account)


def hangul(answer: Any) -> list[str]:
    """Return what a reader of English could not read."""
    text = unescape(answer.content.decode())
    return [word for word in HANGUL.findall(text) if word not in NAMES]


@pytest.mark.parametrize("page", PAGES)
def test_every_page_is_english(alice: SimpleNamespace, page: str) -> None:
    answer = alice.client.get(reverse(page))

    assert answer.status_code == 200
    assert '<html lang="en"' in answer.content.decode()
    assert hangul(answer) == []


def test_the_pages_of_a_bot_are_english(alice: SimpleNamespace) -> None:
    for address in ("", "events/", "options/", "live/", "chart.json"):
        answer = alice.client.get(f"/bots/{alice.bot.pk}/{address}")
        assert answer.status_code == 200
        assert hangul(answer) == []
    diary = alice.client.get(f"/bots/{alice.bot.pk}/events/").content.decode()
    assert "Buy stage 1 100 KRW" in diary
    assert "Started." in diary


def test_the_diary_is_written_for_both(alice: SimpleNamespace) -> None:
    event = alice.bot.events.get(kind="order.cancelled")

    assert (event.message, event.message_en) == (
        "1차 매수 100원",
        "Buy stage 1 100 KRW",
    )
    with translation.override("ko"):
        assert event.sentence == "1차 매수 100원"


def test_whoever_presses_the_button_the_diary_is_written_for_both(
    alice: SimpleNamespace,
) -> None:
    alice.client.post(f"/bots/{alice.bot.pk}/pause/")

    event = alice.bot.events.get(kind="bot.paused")
    assert (event.message, event.message_en) == ("일시정지했습니다.", "Paused.")


@pytest.mark.parametrize("why", [why for why in Why if why])
def test_every_reason_is_english(alice: SimpleNamespace, why: Why) -> None:
    alice.bot.reason = why.value
    alice.bot.save()

    assert hangul(alice.client.get("/")) == []


def test_preview_and_refusals_are_english(alice: SimpleNamespace) -> None:
    form = {
        **{"market": "KRW-BTC", "name": "", "budget": "1000000", "stages": "7"},
        **{"multiplier": "1.25", "shape": "geometric", "level": "moderate"},
        **{"take_profit_percent": "1.5", "account": str(alice.account.pk)},
        "step": "preview",
    }
    wrong = ({}, {"budget": "1"}, {"stages": "99"}, {"market": "KRW-NOPE"})
    worse = ({"stage_table": "x"}, {"trailing": "90"}, {"multiplier": "x"})
    for changes in (*wrong, *worse):
        assert hangul(alice.client.post(reverse("new-bot"), form | changes)) == []


def test_what_is_refused_by_hand_is_said_in_english(alice: SimpleNamespace) -> None:
    posts = {
        f"/bots/{alice.bot.pk}/by-hand/buy/": {"amount": "x"},
        f"/bots/{alice.bot.pk}/by-hand/skip/": {"stage": "99"},
        f"/bots/{alice.bot.pk}/by-hand/sell/": {"password": "wrong"},
        f"/bots/{alice.bot.pk}/resume/": {},
        f"/accounts/{alice.account.pk}/switch/": {"on": "1"},
        "/accounts/": {"name": "", "access_key": "", "secret_key": "", "password": ""},
        "/notify/": {"name": "x", "address": "nonsense", "password": PASSWORD},
    }
    for address, body in posts.items():
        assert hangul(alice.client.post(address, body, follow=True)) == [], address


def test_the_emergency_stop_is_english_to_its_end(alice: SimpleNamespace) -> None:
    body = {"how": "sell", "word": "STOP", "password": PASSWORD}

    refused = alice.client.post("/stop/", body | {"word": "정지하라"}, follow=True)
    done = alice.client.post("/stop/", body, follow=True)

    assert hangul(refused) == []
    assert EmergencyStop.objects.get().sell_all
    assert hangul(done) == []


@pytest.mark.parametrize("age_minutes", [1, 20, 100, 60 * 24 * 4])
def test_centrals_state_is_english_at_every_age(
    alice: SimpleNamespace, age_minutes: int
) -> None:
    CentralSnapshot.objects.all().delete()
    make_snapshot(timezone.now() - timezone.timedelta(minutes=age_minutes))
    PullState.objects.update_or_create(pk=1, defaults={"failures": 3})

    assert hangul(alice.client.get(reverse("central-status"))) == []


def test_the_first_steps_and_empty_pages_are_english(alice: SimpleNamespace) -> None:
    newcomer = Client(headers={"accept-language": "en"})
    newcomer.force_login(make_user("bob"))

    for page in PAGES:
        assert hangul(newcomer.get(reverse(page))) == [], page


def test_states_of_bots_and_rounds_are_english(alice: SimpleNamespace) -> None:
    states = ("draft", "paused", "finishing", "stopped", "halted")
    for number, state in enumerate(states):
        make_bot(alice.owner, account=alice.account, name=f"bot {number}", state=state)
    for seq, state in enumerate(("closed", "aborted"), start=2):
        make_cycle(alice.bot, seq=seq, state=state, exit_reason="take_profit")

    assert hangul(alice.client.get("/")) == []
    assert hangul(alice.client.get(f"/bots/{alice.bot.pk}/")) == []


def test_a_wrong_login_is_refused_in_english(alice: SimpleNamespace) -> None:
    stranger = Client(headers={"accept-language": "en"})
    body = {"username": "alice", "password": "wrong"}

    answers = [stranger.post("/login/", body) for _ in range(11)]

    assert [hangul(answer) for answer in answers] == [[]] * 11


def test_the_language_is_chosen_on_a_page(alice: SimpleNamespace) -> None:
    body = {"theme": "auto", "colours": "korea", "language": "ko"}

    answer = alice.client.post("/look/", body, follow=True)

    assert '<html lang="ko"' in answer.content.decode()
    assert "화면 설정을 바꿨습니다" in answer.content.decode()


def test_the_catalogue_is_complete_and_compiled(tmp_path: Path) -> None:
    source = LOCALES / "en" / "LC_MESSAGES" / "django.po"
    text = source.read_text(encoding="utf-8")
    untranslated = re.findall(r'msgid "(.+)"\nmsgstr ""\n(?!")', text)

    assert untranslated == []
    assert "#, fuzzy" not in text
    done = tmp_path / "django.mo"
    try:
        subprocess.run(["msgfmt", "--check", "-o", done, source], check=True)
    except FileNotFoundError:
        pytest.skip("needs gettext: apt install gettext")
    assert done.read_bytes() == source.with_suffix(".mo").read_bytes()
