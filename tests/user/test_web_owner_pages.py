"""The owner's further pages: ranking, central, orders, fills, profit, accounts, stop."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.user.factories import (
    PASSWORD,
    QuietExchange,
    make_account,
    make_bot,
    make_cycle,
    make_fill,
    make_order,
    make_snapshot,
    make_story,
    make_user,
)
from user_project.accounts import services as account_services
from user_project.accounts.keys import open_keys
from user_project.bots import assets, overview, prices, quotes, services
from user_project.bots.models import Bot, BotEvent, EmergencyStop, LedgerEntry
from user_project.bots.pnl import KST
from user_project.trading.orders import PriceQuote
from user_project.web.drawing import draw_bars, draw_line

pytestmark = pytest.mark.django_db
PAGES = (
    *("home", "ranking", "central-status", "orders", "fills", "profit", "accounts"),
    *("owner-emergency", "new-bot", "look", "notify", "security", "own-password"),
)


@pytest.fixture
def alice(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """An owner with a running bot that holds a stage, logged in."""
    quiet = QuietExchange(now=timezone.now())
    for module in (services, quotes):
        monkeypatch.setattr(module, "adapter_for", lambda *, account: quiet)
    quote = PriceQuote(
        market="KRW-BTC", price=Decimal(101_000_000), received_at=timezone.now()
    )
    monkeypatch.setattr(prices, "shared", lambda *, host, market: quote)
    monkeypatch.setattr(prices, "all_shared", lambda *, host: {"KRW-BTC": quote})
    monkeypatch.setattr(account_services, "_build", lambda **_: quiet)
    owner = make_user("alice", password=PASSWORD)
    make_snapshot(timezone.now())
    account = make_account(owner, reconciled_at=timezone.now())
    bot = make_story(owner, account=account)
    client = Client()
    client.force_login(owner)
    return SimpleNamespace(owner=owner, client=client, bot=bot, account=bot.account)


def _text(answer: Any) -> str:
    return str(answer.content.decode())


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_and_a_stranger_is_sent_to_the_login(
    alice: SimpleNamespace, page: str
) -> None:
    answer = alice.client.get(reverse(page))
    stranger = Client().get(reverse(page))

    assert answer.status_code == 200
    assert "no-store" in answer.headers["Cache-Control"]
    assert stranger.status_code == 302
    assert "/login/" in stranger.headers["Location"]


@pytest.mark.parametrize("page", PAGES)
def test_nobody_elses_things_are_shown(alice: SimpleNamespace, page: str) -> None:
    make_story(make_user("mallory"), name="남의 봇")

    assert "남의 봇" not in _text(alice.client.get(reverse(page)))


def test_foreign_ids_do_not_exist(alice: SimpleNamespace) -> None:
    other = make_story(make_user("mallory"))
    stop = EmergencyStop.objects.create(owner=other.owner)

    posts = [
        reverse("by-hand", args=[other.pk, "sell"]),
        reverse("account-action", args=[other.account_id, "switch"]),
        reverse("account-action", args=[alice.account.pk, "unknown"]),
        reverse("by-hand", args=[alice.bot.pk, "unknown"]),
    ]

    assert {alice.client.post(path).status_code for path in posts} == {404}
    page = reverse("emergency-result", args=[stop.pk])
    assert alice.client.get(page).status_code == 404


def test_the_ranking_tells_scores_age_and_change(alice: SimpleNamespace) -> None:
    page = _text(alice.client.get(reverse("ranking")))

    for words in (
        "비트코인",
        "KRW-BTC",
        "72.2",
        "61.5",
        "1분 전",
        "거래가 늘었습니다.",
    ):
        assert words in page, words
    assert f"{reverse('new-bot')}?market=KRW-BTC" in page


def test_ranks_are_compared_an_hour_back_from_what_is_shown(
    alice: SimpleNamespace,
) -> None:
    """After an hour without central no coin is new."""
    overview.CentralSnapshot.objects.all().delete()
    make_snapshot(timezone.now() - timedelta(minutes=110))
    make_snapshot(timezone.now() - timedelta(minutes=70), run_id="run-2")

    page = _text(alice.client.get(reverse("ranking")))

    assert "<b>NEW</b>" not in page


def test_centrals_page_puts_the_ladder_into_words(alice: SimpleNamespace) -> None:
    fresh = _text(alice.client.get(reverse("central-status")))
    overview.CentralSnapshot.objects.update(
        data_as_of=timezone.now() - timedelta(minutes=20)
    )
    stale = _text(alice.client.get(reverse("central-status")))

    assert "정상입니다." in fresh
    assert "24시간" in fresh
    assert stale.count("너무 오래되어 새 회차에 쓰지 않습니다") == 2
    assert stale.count("오래되어 갑니다") == 3


@pytest.mark.parametrize(
    ("query", "seen"),
    [
        ("", True),
        ("?side=bid&state=filled", True),
        ("?side=ask", False),
        ("?state=open", False),
        ("?page=99", True),
        ("?bot=nonsense", False),
        ("?side=sideways", False),
    ],
)
def test_orders_are_narrowed(alice: SimpleNamespace, query: str, seen: bool) -> None:
    answer = alice.client.get(reverse("orders") + query)

    assert answer.status_code == 200
    assert ("1차 매수" in _text(answer)) is seen


def test_a_foreign_bot_narrows_to_nothing(alice: SimpleNamespace) -> None:
    other = make_story(make_user("mallory"), name="남의 봇")

    page = _text(alice.client.get(f"{reverse('orders')}?bot={other.pk}"))

    assert "남의 봇" not in page
    assert "보여 줄 주문이 없습니다" in page


def test_long_histories_are_paged(alice: SimpleNamespace) -> None:
    cycle = alice.bot.cycles.get()
    for attempt in range(2, 60):
        make_order(cycle, attempt=attempt)

    first = _text(alice.client.get(reverse("orders") + "?side=bid"))

    assert "1 / 2" in first
    assert "?side=bid&amp;page=2" in first
    assert first.count("1차 매수") == 50


def test_fills_and_the_years_file(alice: SimpleNamespace) -> None:
    page = _text(alice.client.get(reverse("fills") + "?side=bid"))
    file = alice.client.get(reverse("year-csv", args=[2026]))
    rows = b"".join(file.streaming_content).decode()

    assert "100,000,000원" in page
    assert "비트코인" in rows
    assert alice.client.get("/fills/0.csv").status_code == 404


def _realise(bot: Bot, *, won: int, days_ago: int = 0) -> None:
    cycle = make_cycle(bot, seq=2 + days_ago, state="closed")
    at = timezone.now() - timedelta(days=days_ago)
    fill = make_fill(make_order(cycle, side="ask", stage=0), traded_at=at)
    LedgerEntry.objects.create(
        fill=fill,
        cycle=cycle,
        owner=bot.owner,
        account="profit",
        currency="KRW",
        amount=-won,
        at=at,
    )


def test_the_calendar_shows_days_weeks_coins_and_bots(alice: SimpleNamespace) -> None:
    _realise(alice.bot, won=12_345)

    page = _text(alice.client.get(reverse("profit")))

    today = timezone.now().astimezone(KST)
    assert page.count("▲ +12,345원") >= 4
    assert f"{today.year}년 {today.month}월" in page
    assert "KRW-BTC" in page


def test_another_month_is_another_page(alice: SimpleNamespace) -> None:
    page = _text(alice.client.get(reverse("profit-month", args=[2024, 2])))

    assert "2024년 2월" in page
    assert "이 달에는 거래가 없습니다" in page
    assert alice.client.get("/profit/2024/13/").status_code == 404
    assert alice.client.get("/profit/1/1/").status_code == 404


def test_the_emergency_stop_tells_first_then_acts_then_reports(
    alice: SimpleNamespace,
) -> None:
    page = _text(alice.client.get(reverse("owner-emergency")))
    untouched = Bot.objects.get().state
    answer = alice.client.post(reverse("owner-emergency"), {"how": "buys"}, follow=True)

    assert "202,000원" in page
    assert untouched == "running"
    assert Bot.objects.get().state == "paused"
    assert "비상 정지 결과" in _text(answer)
    assert "그대로 있습니다" in _text(answer)


@pytest.mark.parametrize(
    ("word", "password", "done"),
    [("정지", PASSWORD, True), ("", PASSWORD, False), ("정지", "wrong", False)],
)
def test_selling_all_takes_word_and_password(
    alice: SimpleNamespace, word: str, password: str, done: bool
) -> None:
    body = {"how": "sell", "word": word, "password": password}

    answer = alice.client.post(reverse("owner-emergency"), body)

    assert answer.status_code == (302 if done else 400)
    assert EmergencyStop.objects.exists() is done
    assert (Bot.objects.get().state == "finishing") is done


@pytest.mark.parametrize(
    ("action", "body", "words"),
    [
        ("buy", {"amount": "50,000"}, "추가 매수를 맡겼습니다"),
        ("buy", {"amount": "1" + "0" * 30}, "1,000,000,000원까지 살 수 있습니다"),
        ("clone", {"name": "a\0b"}, "ab&#x27; 봇을 만들었습니다"),
        ("buy", {"amount": "NaN"}, "숫자로 적으세요"),
        ("buy", {"amount": "1e9"}, "숫자로 적으세요"),
        ("buy", {"amount": "10"}, "이상의 원 단위"),
        ("take-profit", {"percent": "2.5"}, "익절률을 바꿨습니다"),
        ("take-profit", {"percent": "900"}, "쓸 수 있습니다"),
        ("skip", {"stage": "3"}, "3차를 건너뜁니다"),
        ("skip", {"stage": "99"}, "건너뛸 수 있습니다"),
        ("skip", {"stage": "2.5"}, "정수로 적으세요"),
        ("skip", {}, "숫자로 적으세요"),
        ("clone", {"name": "<b>둘</b>"}, "&lt;b&gt;둘&lt;/b&gt;"),
        ("switch", {"on": "1"}, "비상 정지를 켰습니다"),
        ("sell", {"password": "wrong"}, "비밀번호가 틀립니다"),
        ("sell", {"password": PASSWORD}, "시장가로 파는 중입니다"),
        ("release", {"password": "wrong"}, "비밀번호가 틀립니다"),
        ("release", {"password": PASSWORD}, "회차를 끝냈습니다"),
    ],
)
def test_what_an_owner_does_by_hand_is_answered_in_words(
    alice: SimpleNamespace, action: str, body: dict[str, str], words: str
) -> None:
    path = reverse("by-hand", args=[alice.bot.pk, action])

    page = _text(alice.client.post(path, body, follow=True))

    assert words in page


def test_an_account_is_added_only_with_tested_keys_and_the_password(
    alice: SimpleNamespace,
) -> None:
    form = {
        "name": "둘째",
        "mode": "paper",
        "access_key": "a" * 40,
        "secret_key": "secret" * 8,
        "password": "wrong",
    }

    refused = alice.client.post(reverse("accounts"), form)
    form["password"] = PASSWORD
    added = alice.client.post(reverse("accounts"), form, follow=True)

    assert refused.status_code == 400
    assert "비밀번호가 틀립니다" in _text(refused)
    assert "계정을 추가했습니다: 둘째" in _text(added)
    assert "secret" * 8 not in _text(refused) + _text(added)
    account = alice.owner.accounts.get(name="둘째")
    assert open_keys(account=account).access_key == "a" * 40


@pytest.mark.parametrize(
    ("action", "body", "words"),
    [
        ("check", {}, "키"),
        ("caps", {"cap_budget": "5000000"}, "한도를 바꿨습니다"),
        ("caps", {"cap_budget": "많이"}, "숫자"),
        ("keys", {"access_key": "b" * 40, "secret_key": "s" * 40}, "비밀번호가 틀립"),
        ("switch", {"on": "1", "reason": "점검"}, "비상 정지를 켰습니다"),
        ("switch", {"on": "0"}, "비밀번호가 틀립니다"),
    ],
)
def test_account_actions_are_answered_in_words(
    alice: SimpleNamespace, action: str, body: dict[str, str], words: str
) -> None:
    path = reverse("account-action", args=[alice.account.pk, action])

    page = _text(alice.client.post(path, body, follow=True))

    assert words in page


def test_new_keys_take_the_place_of_the_old(alice: SimpleNamespace) -> None:
    body = {
        "access_key": "b" * 36 + "wxyz",
        "secret_key": "s" * 40,
        "password": PASSWORD,
    }

    page = alice.client.post(
        reverse("account-action", args=[alice.account.pk, "keys"]), body, follow=True
    )

    alice.account.refresh_from_db()
    assert "••••wxyz" in _text(page)
    assert open_keys(account=alice.account).secret_key == "s" * 40
    assert "s" * 40 not in _text(page)


def test_home_tells_todays_profit_and_what_happened(alice: SimpleNamespace) -> None:
    _realise(alice.bot, won=777)
    _realise(make_bot(alice.owner), won=5000, days_ago=3)

    page = _text(alice.client.get(reverse("home")))

    assert "▲ +777원" in page
    assert "1차 매수 체결 100,000,000원" in page


@pytest.mark.parametrize("page", PAGES)
def test_nothing_written_into_a_page_may_run(alice: SimpleNamespace, page: str) -> None:
    answer = alice.client.get(reverse(page))

    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    text = _text(answer)
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=", text)
    assert not re.search(r"(?:src|href)=\"https?://", text)


def test_theme_and_colours_are_kept_in_the_browser(alice: SimpleNamespace) -> None:
    chosen = {"theme": "dark", "colours": "world", "renew": "60"}

    answer = alice.client.post(reverse("look"), chosen)
    page = _text(alice.client.get(reverse("home")))

    assert answer.status_code == 302
    assert answer.cookies["dantaro_theme"]["httponly"]
    assert 'data-theme="dark" data-colours="world"' in page
    assert 'data-renew="60"' in page
    shown = _text(alice.client.get(reverse("look")))
    assert '<option value="60" selected>' in shown


def test_a_look_that_is_not_offered_is_none(alice: SimpleNamespace) -> None:
    refused = alice.client.post(reverse("look"), {"theme": "pink", "colours": "korea"})
    alice.client.cookies["dantaro_theme"] = '"><script>'
    alice.client.cookies["dantaro_renew"] = "0"

    page = _text(alice.client.get(reverse("home")))

    assert refused.status_code == 400
    assert 'data-theme="auto" data-colours="korea"' in page
    assert 'data-renew="auto"' in page


def test_a_new_owner_is_led_to_the_first_bot(
    alice: SimpleNamespace, settings: Any
) -> None:
    settings.CENTRAL_API_URL = settings.CENTRAL_API_KEY = "given"
    newcomer = Client()
    newcomer.force_login(make_user("newcomer"))

    first = _text(newcomer.get(reverse("home")))
    later = _text(alice.client.get(reverse("home")))

    steps = re.findall(r'<li class="(done)?"><span aria-hidden', first)
    assert steps == ["done", "done", "", "", "", ""]
    assert f'href="{reverse("notify")}">알림 대상을 추가' in first
    assert f'href="{reverse("accounts")}">거래소 계정 추가하기' in first
    assert "시작하기" not in later


def test_the_app_can_be_put_on_a_phone(alice: SimpleNamespace) -> None:
    page = _text(alice.client.get(reverse("home")))
    address = re.search(r'rel="manifest" href="([^"]+)"', page)
    assert address is not None
    file = Path(settings.BASE_DIR) / "user_project/web" / address[1].lstrip("/")
    manifest = json.loads(file.read_text(encoding="utf-8"))

    assert manifest["display"] == "standalone"
    assert {icon["sizes"] for icon in manifest["icons"]} >= {"192x192", "512x512"}
    for icon in manifest["icons"]:
        assert (file.parent / icon["src"]).is_file()


@pytest.mark.parametrize("page", PAGES)
def test_every_page_opens_for_an_owner_who_has_nothing_yet(page: str) -> None:
    client = Client()
    client.force_login(make_user("newcomer"))

    assert client.get(reverse(page)).status_code == 200


def _cards(alice: SimpleNamespace, query: str) -> list[str]:
    page = alice.client.get(f"/{query}").content.decode()
    return re.findall(r'class="name">([^<]+)<', page.split('class="cards"')[1])


def test_cards_are_chosen_and_sorted(alice: SimpleNamespace) -> None:
    for name, state in (("가", "paused"), ("나", "halted")):
        make_bot(alice.owner, account=alice.bot.account, name=name, state=state)

    assert set(_cards(alice, "")) == {"비트코인", "가", "나"}
    assert _cards(alice, "?shown=paused") == ["가"]
    assert _cards(alice, "?shown=trouble") == ["나"]
    assert _cards(alice, "?sort=cost")[0] == "비트코인"
    assert len(_cards(alice, "?sort=nonsense&shown=nonsense")) == 3


def test_an_account_that_was_compared_shows_what_it_is_worth(
    alice: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = alice.bot.account
    account.balances = {
        "KRW": ["500000", "100000"],
        "BTC": ["0.01", "0"],
        "X": ["1", "0"],
    }
    account.balances_at = timezone.now()
    account.save()
    quote = PriceQuote(
        market="KRW-BTC", price=Decimal(100_000_000), received_at=timezone.now()
    )
    monkeypatch.setattr(assets.prices, "all_shared", lambda *, host: {"KRW-BTC": quote})

    text = _text(alice.client.get("/"))

    assert "1,600,000원" in text
    assert "500,000원" in text
    assert "시세를 모르는 코인 1개 제외" in text


def test_a_month_can_be_taken_along(alice: SimpleNamespace) -> None:
    _realise(alice.bot, won=2750)
    today = timezone.now().astimezone(KST)
    base = f"/profit/{today.year}/{today.month}/"

    for kind in ("day", "coin", "bot"):
        answer = alice.client.get(f"{base}{kind}.csv")
        text = answer.content.decode("utf-8-sig")
        assert answer["Content-Type"].startswith("text/csv")
        assert text.splitlines()[0] == "구분,이름,실현손익(원),수수료(원)"
        assert ",2750," in text
    assert alice.client.get(f"{base}x.csv").status_code == 404


def test_the_diary_is_paged_however_long(alice: SimpleNamespace) -> None:
    BotEvent.objects.bulk_create(
        BotEvent(bot=alice.bot, kind="test", message=f"줄 {n}") for n in range(250)
    )
    address = f"/bots/{alice.bot.pk}/events/"

    first, last = (_text(alice.client.get(address + q)) for q in ("", "?page=99"))

    assert "줄 249" in first
    assert "줄 149" not in first
    assert "1 / 3" in first
    assert "3 / 3" in last


def test_far_stages_are_folded_away(alice: SimpleNamespace) -> None:
    cycle = alice.bot.cycles.get()
    stages = cycle.plan["stages"]
    more = [
        {**stages[-1], "stage": n, "price": str(90_000_000 - n)} for n in range(4, 8)
    ]
    cycle.plan = {**cycle.plan, "stages": [*stages, *more]}
    cycle.save()

    text = _text(alice.client.get(f"/bots/{alice.bot.pk}/"))

    assert "더 아래 차수 4개" in text
    assert "-3.00%" in text  # from 100 to 97 million


class TestDrawing:
    def test_a_line_runs_from_left_to_right_within_its_box(self) -> None:
        line = draw_line([Decimal(0), Decimal(10), Decimal(-10)])

        assert line is not None
        assert line.points == "0.0,60.0 300.0,6.0 600.0,114.0"
        assert line.zero == 60.0
        assert draw_line([Decimal(1)]) is None

    def test_bars_stand_on_zero(self) -> None:
        up, down = draw_bars([("a", Decimal(5)), ("b", Decimal(-5))])

        assert (up.y, up.height, down.y, down.height) == (6.0, 54.0, 60.0, 54.0)
        assert draw_bars([]) == []

    def test_nothing_earned_is_a_flat_line(self) -> None:
        line = draw_line([Decimal(0)] * 3)

        assert line is not None
        assert {point.split(",")[1] for point in line.points.split()} == {"114.0"}


def test_options_are_changed_on_a_page_of_their_own(alice: SimpleNamespace) -> None:
    address = f"/bots/{alice.bot.pk}/options/"
    form = alice.client.get(address).context["form"]
    values = {
        name: "" if (value := form[name].value()) is None else str(value)
        for name in form.fields
    }
    assert values["take_profit_percent"] == "1.50"

    answer = alice.client.post(address, {**values, "take_profit_percent": "2.5"})

    alice.bot.refresh_from_db()
    assert answer.status_code == 302
    assert alice.bot.take_profit == Decimal("0.025")
    assert (alice.bot.jitter, alice.bot.trailing) == (Decimal("0.25"), None)


def test_an_option_the_running_round_uses_is_refused_beside_its_field(
    alice: SimpleNamespace,
) -> None:
    address = f"/bots/{alice.bot.pk}/options/"
    form = alice.client.get(address).context["form"]
    values = {
        name: "" if (value := form[name].value()) is None else str(value)
        for name in form.fields
    }

    busy = alice.client.post(address, {**values, "trailing": "1"})
    wrong = alice.client.post(address, {**values, "take_profit_percent": "200"})

    assert busy.status_code == wrong.status_code == 400
    assert "봇을 정지한 뒤" in _text(busy)
    assert "0.01%부터 100%까지" in _text(wrong)


def test_a_password_is_changed_by_whoever_knows_the_old_one(
    alice: SimpleNamespace,
) -> None:
    new = "another horse battery"
    body = {"new_password1": new, "new_password2": new}

    refused = alice.client.post("/password/", {**body, "old_password": "wrong"})
    done = alice.client.post("/password/", {**body, "old_password": PASSWORD})

    alice.owner.refresh_from_db()
    assert refused.status_code == 200
    assert done.status_code == 302
    assert alice.owner.check_password(new)


def test_the_old_password_cannot_be_guessed_here(alice: SimpleNamespace) -> None:
    new = "another horse battery"
    body = {"new_password1": new, "new_password2": new}
    mistyped = {**body, "new_password2": "else", "old_password": PASSWORD}
    for _ in range(11):  # whoever knows it may mistype the new one
        assert alice.client.post("/password/", mistyped).status_code == 200
    for number in range(10):
        wrong = {**body, "old_password": f"guess {number}"}
        assert alice.client.post("/password/", wrong).status_code == 200

    answer = alice.client.post("/password/", {**body, "old_password": PASSWORD})

    alice.owner.refresh_from_db()
    assert answer.status_code == 429
    assert "너무 자주 시도했습니다" in _text(answer)
    assert alice.owner.check_password(PASSWORD)


def test_every_posted_wish_is_kept_for_operators(alice: SimpleNamespace) -> None:
    alice.client.get(f"/bots/{alice.bot.pk}/")
    alice.client.post(f"/bots/{alice.bot.pk}/pause/")
    alice.client.post(f"/bots/{alice.bot.pk}/by-hand/sell/", {"password": "wrong"})

    kept = LogEntry.objects.values_list("user_id", "object_repr", "change_message")
    assert set(kept) == {
        (alice.owner.pk, f"/bots/{alice.bot.pk}/pause/", "302"),
        (alice.owner.pk, f"/bots/{alice.bot.pk}/by-hand/sell/", "302"),
    }


def test_a_bots_kill_switch_is_turned_off_with_the_password(
    alice: SimpleNamespace,
) -> None:
    address = f"/bots/{alice.bot.pk}/by-hand/switch/"
    alice.client.post(address, {"on": "1"})

    alice.client.post(address, {"on": "0", "password": "wrong"})
    alice.bot.refresh_from_db()
    assert alice.bot.kill_switch_at is not None

    alice.client.post(address, {"on": "0", "password": PASSWORD})
    alice.bot.refresh_from_db()
    assert alice.bot.kill_switch_at is None
