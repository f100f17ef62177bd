"""The pages: they say what is true, in won, and change nothing by being looked at."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from html import unescape
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.user.factories import (
    QuietExchange,
    make_account,
    make_bot,
    make_cycle,
    make_event,
    make_order,
    make_snapshot,
    make_story,
    make_user,
)
from user_project.bots import quotes, services
from user_project.bots.models import Bot
from user_project.central_api.models import CentralSnapshot

pytestmark = pytest.mark.django_db

FORM = {
    "market": "KRW-BTC",
    "name": "",
    "budget": "1000000",
    "stages": "7",
    "multiplier": "1.25",
    "shape": "geometric",
    "level": "moderate",
    "take_profit_percent": "1.5",
}


@pytest.fixture
def alice(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """An owner with one account, logged in; BTC stands at 101 million won."""
    quiet = QuietExchange(now=timezone.now())
    for module in (services, quotes):
        monkeypatch.setattr(module, "adapter_for", lambda *, account: quiet)
    monkeypatch.setattr(quotes.prices, "shared", lambda *, host, market: None)
    monkeypatch.setattr(quotes.prices, "all_shared", lambda *, host: {})
    owner = make_user("alice")
    account = make_account(owner)
    make_snapshot(timezone.now())
    client = Client()
    client.force_login(owner)
    return SimpleNamespace(owner=owner, account=account, client=client, exchange=quiet)


def text_of(response: Any) -> str:
    """Return what a reader sees, on one line."""
    body = response.content.decode()
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", body)))


def assert_no_artefacts(text: str) -> None:
    """Fail on numbers only a program would write, and on empty template values."""
    assert not re.search(r"\d[eE][+-]?\d", text)
    assert not re.search(r"\d\.\d{9,}", text)
    assert "None" not in text
    assert "Decimal(" not in text


def test_the_home_page_of_a_newcomer_says_what_to_do(alice: SimpleNamespace) -> None:
    page = alice.client.get(reverse("home"))

    assert page.status_code == 200
    assert "아직 봇이 없습니다" in text_of(page)


def test_the_home_page_shows_each_bots_numbers(alice: SimpleNamespace) -> None:
    make_story(alice.owner, account=alice.account)

    page = alice.client.get(reverse("home"))

    text = text_of(page)
    assert page.status_code == 200
    for shown in (
        "비트코인 KRW-BTC",
        "실행 중",
        "모의투자",
        "1/3",
        "101,000,000원",
        "100,000,000원",
        "+0.90%",
        "▲ +1,799원",
        "97,000,000원",
        "101,602,000원",
        "다음 차수 가격까지",
        "본사 분석",
    ):
        assert shown in text
    assert_no_artefacts(text)


@pytest.mark.parametrize(
    ("close", "shown", "tone"),
    [
        (Decimal(100_000_000), "▲ +1.00%", "up"),
        (Decimal(202_000_000), "▼ -50.00%", "down"),
        (Decimal(101_000_000), "0.00%", "even"),
        (None, "–", "even"),
    ],
)
def test_a_price_is_shown_with_its_change_since_yesterday(
    alice: SimpleNamespace, close: Decimal | None, shown: str, tone: str
) -> None:
    alice.exchange.previous_close = close
    bot = make_story(alice.owner, account=alice.account)

    pages = [
        alice.client.get(reverse("home")),
        alice.client.get(reverse("bot", args=[bot.pk])),
    ]

    place = rf'data-figure="day_change" data-tone="day_tone" class="{tone}">([^<]*)<'
    for page in pages:
        assert "전일대비 09:00 기준" in text_of(page)
        assert re.findall(place, page.content.decode()) == [shown]


@pytest.mark.parametrize("close", [Decimal(100_000_000), None])
def test_the_preview_shows_the_change_when_it_is_known(
    alice: SimpleNamespace, close: Decimal | None
) -> None:
    alice.exchange.previous_close = close

    text = text_of(_preview(alice))

    assert ("전일대비 ▲ +1.00%" in text) == (close is not None)
    assert ("전일대비" in text) == (close is not None)


def test_losses_carry_a_sign_and_an_arrow(alice: SimpleNamespace) -> None:
    alice.exchange.price = Decimal(90_000_000)
    make_story(alice.owner, account=alice.account)

    page = alice.client.get(reverse("home"))

    assert "▼ -20,190원" in text_of(page)
    assert 'class="down"' in page.content.decode()


def test_the_bot_page_tells_the_whole_story(alice: SimpleNamespace) -> None:
    bot = make_story(alice.owner, account=alice.account)

    page = alice.client.get(reverse("bot", args=[bot.pk]))

    text = text_of(page)
    assert page.status_code == 200
    for shown in (
        "1차 매수 체결 100,000,000원",
        "312,000원",
        "대기",
        "0.002",
        "손익분기",
        "1차 매수",
        "1회차",
        "일시정지",
    ):
        assert shown in text
    assert_no_artefacts(text)


@pytest.mark.parametrize("price", ["0.00001234", "0.512", "12.3", "1234", "180000000"])
def test_prices_of_every_size_are_written_out(
    alice: SimpleNamespace, price: str
) -> None:
    value = Decimal(price)
    alice.exchange.price = value
    bot = make_bot(alice.owner, account=alice.account, state="running")
    stages = [{"stage": 1, "price": price, "amount": "200000"}]
    cycle = make_cycle(
        bot,
        volume=(Decimal(200_000) / value).quantize(Decimal("0.00000001")),
        plan={**make_plan(), "stages": stages},
    )
    make_order(cycle, price=value, executed_volume=cycle.volume)

    pages = [
        alice.client.get(reverse("home")),
        alice.client.get(reverse("bot", args=[bot.pk])),
    ]

    whole, _, fraction = price.partition(".")
    expected = f"{int(whole):,}{'.' + fraction if fraction else ''}원"
    for page in pages:
        assert expected in text_of(page)
        assert_no_artefacts(text_of(page))


def make_plan() -> dict[str, Any]:
    """Return a frozen plan without stages."""
    fees = {"bid_fee": "0.0005", "ask_fee": "0.0005"}
    return {"korean_name": "비트코인", "take_profit": "0.015", **fees}


def test_without_a_price_the_page_shows_a_dash_and_no_guess(
    alice: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*, account: Any) -> None:
        raise quotes.AccountProblem("X", "거래소에 연결할 수 없습니다.")

    monkeypatch.setattr(quotes, "adapter_for", unreachable)
    make_story(alice.owner, account=alice.account)

    page = alice.client.get(reverse("home"))

    assert page.status_code == 200
    assert "시세를 받지 못한 봇 1개" in text_of(page)
    assert_no_artefacts(text_of(page))


def test_what_people_typed_is_escaped(alice: SimpleNamespace) -> None:
    bot = make_bot(alice.owner, account=alice.account, name="<script>alert(1)</script>")
    make_event(bot, "<b>굵게</b>")

    pages = [
        alice.client.get(reverse("home")).content.decode(),
        alice.client.get(reverse("bot", args=[bot.pk])).content.decode(),
    ]

    assert all("<script>" not in page for page in pages)
    assert "<b>굵게</b>" not in pages[1]


@pytest.mark.parametrize(
    ("age", "level"), [(1, "fresh"), (12, "warn"), (40, "stale"), (None, "none")]
)
def test_the_banner_tells_how_old_the_analysis_is(
    alice: SimpleNamespace, age: int | None, level: str
) -> None:
    CentralSnapshot.objects.all().delete()
    if age is not None:
        now = timezone.now()
        as_of, until = now - timedelta(minutes=age), now + timedelta(minutes=15 - age)
        make_snapshot(now, data_as_of=as_of.isoformat(), valid_until=until.isoformat())

    page = alice.client.get(reverse("home"))

    assert f'class="central {level}"' in page.content.decode()
    if age is not None:
        assert f"{age}분 전" in text_of(page)


def test_buttons_offer_what_the_state_allows(alice: SimpleNamespace) -> None:
    bot = make_bot(alice.owner, account=alice.account, state="paused")

    page = alice.client.get(reverse("bot", args=[bot.pk])).content.decode()

    offered = set(re.findall(rf"/bots/{bot.pk}/(\w+)/", page))
    assert offered - {"events", "options"} == {"resume", "finish", "stop"}


def test_an_action_is_posted_and_confirmed(alice: SimpleNamespace) -> None:
    bot = make_bot(alice.owner, account=alice.account, state="running")

    page = alice.client.post(reverse("bot-action", args=[bot.pk, "pause"]), follow=True)

    bot.refresh_from_db()
    assert bot.state == "paused"
    assert "일시정지했습니다" in text_of(page)


def test_an_impossible_action_is_explained(alice: SimpleNamespace) -> None:
    bot = make_bot(alice.owner, account=alice.account, state="draft")

    page = alice.client.post(reverse("bot-action", args=[bot.pk, "pause"]), follow=True)

    bot.refresh_from_db()
    assert bot.state == "draft"
    assert "상태에서는 할 수 없습니다" in text_of(page)


def test_an_unknown_action_does_not_exist(alice: SimpleNamespace) -> None:
    bot = make_bot(alice.owner, account=alice.account)

    answer = alice.client.post(reverse("bot-action", args=[bot.pk, "explode"]))

    assert answer.status_code == 404


def test_actions_need_a_token_of_the_own_page(alice: SimpleNamespace) -> None:
    bot = make_bot(alice.owner, account=alice.account, state="running")
    careless = Client(enforce_csrf_checks=True)
    careless.force_login(alice.owner)

    answer = careless.post(reverse("bot-action", args=[bot.pk, "stop"]))

    bot.refresh_from_db()
    assert answer.status_code == 403
    assert bot.state == "running"


def _preview(alice: SimpleNamespace, **changes: str) -> Any:
    body = {**FORM, "account": str(alice.account.pk), **changes, "step": "preview"}
    return alice.client.post(reverse("new-bot"), body)


def _confirm(alice: SimpleNamespace, preview: Any) -> Any:
    page = preview.content.decode()
    once = re.search(r'name="once" value="([^"]+)"', page)
    assert once is not None
    body = {**FORM, "account": str(alice.account.pk)}
    body |= {"step": "create", "once": once.group(1)}
    return alice.client.post(reverse("new-bot"), body)


def test_the_form_offers_recommended_coins(alice: SimpleNamespace) -> None:
    page = alice.client.get(reverse("new-bot"))

    assert "거래가 늘었습니다." in text_of(page)
    assert '<option value="KRW-BTC">비트코인' in page.content.decode()


def test_the_preview_shows_the_worst_case_and_makes_nothing(
    alice: SimpleNamespace,
) -> None:
    page = _preview(alice)

    text = text_of(page)
    assert page.status_code == 200
    for shown in ("101,000,000원", "90,000,000원", "손익분기", "최악의 경우 손실"):
        assert shown in text
    assert_no_artefacts(text)
    assert not Bot.objects.exists()


def test_each_label_of_the_preview_names_the_field_that_is_seen(
    alice: SimpleNamespace,
) -> None:
    text = _preview(alice).content.decode()

    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert re.search(r'<input type="hidden" name="budget" value="[0-9]+"', text)
    for told in re.findall(r'aria-describedby="([^"]+)"', text):
        assert told in ids


def test_confirming_the_preview_starts_one_bot(alice: SimpleNamespace) -> None:
    answer = _confirm(alice, _preview(alice))

    bot = Bot.objects.get()
    assert answer.url == reverse("bot", args=[bot.pk])
    assert bot.state == "running"
    assert bot.take_profit == Decimal("0.015")


def test_confirming_twice_makes_one_bot(alice: SimpleNamespace) -> None:
    preview = _preview(alice)

    _confirm(alice, preview)
    again = _confirm(alice, preview)

    assert Bot.objects.count() == 1
    assert again.status_code == 302


@pytest.mark.parametrize(
    ("price", "made"), [("101400000", 1), ("101600000", 0), ("100400000", 0)]
)
def test_a_price_that_moved_is_previewed_again(
    alice: SimpleNamespace, price: str, made: int
) -> None:
    preview = _preview(alice)
    alice.exchange.price = Decimal(price)

    again = _confirm(alice, preview)

    assert Bot.objects.count() == made
    if not made:
        assert "새 미리보기를 확인하세요" in text_of(again)
        assert _confirm(alice, again).status_code == 302
        assert Bot.objects.count() == 1


def test_another_support_is_previewed_again(alice: SimpleNamespace) -> None:
    preview = _preview(alice)
    row = CentralSnapshot.objects.get()
    row.body = row.body.replace("90000000", "90100000")
    row.save()

    again = _confirm(alice, preview)

    assert "새 미리보기를 확인하세요" in text_of(again)
    assert not Bot.objects.exists()


ADVANCED = {
    **{"jitter": "10", "max_depth": "30", "resting_stages": "1"},
    **{"stage_cooldown_seconds": "90", "cycle_cooldown_seconds": "60"},
    **{"trailing": "1.5", "stop_below_last": "5", "break_even_after": "2"},
    **{"max_hold_hours": "48", "max_cycles": "3", "reinvest": "50"},
    **{"reentry": "last_buy", "crash_brake": "on", "stage_table": ""},
}


def test_all_options_can_be_chosen(alice: SimpleNamespace) -> None:
    preview = _preview(alice, **ADVANCED)
    once = re.search(r'name="once" value="([^"]+)"', preview.content.decode())
    assert once is not None
    body = {**FORM, **ADVANCED, "account": str(alice.account.pk)}
    body |= {"step": "create", "once": once.group(1)}
    alice.client.post(reverse("new-bot"), body)

    bot = Bot.objects.get()
    shares = (bot.jitter, bot.max_depth, bot.trailing, bot.stop_below_last)
    assert shares == tuple(map(Decimal, ("0.10", "0.30", "0.015", "0.05")))
    assert (bot.break_even_after, bot.reinvest) == (Decimal("0.02"), Decimal("0.5"))
    assert (bot.resting_stages, bot.stage_cooldown_seconds) == (1, 90)
    assert (bot.cycle_cooldown_seconds, bot.max_hold_hours) == (60, 48)
    assert (bot.max_cycles, bot.reentry, bot.crash_brake) == (3, "last_buy", True)


def test_a_short_form_makes_a_bot_with_the_usual_options(
    alice: SimpleNamespace,
) -> None:
    _confirm(alice, _preview(alice))

    bot = Bot.objects.get()
    assert (bot.jitter, bot.max_depth) == (Decimal("0.25"), Decimal("0.40"))
    assert (bot.trailing, bot.stage_table, bot.reentry) == (None, None, "reset")


def test_an_own_table_is_previewed_stage_by_stage(alice: SimpleNamespace) -> None:
    page = _preview(alice, stage_table="0:1, 0.03:1.5, 0.07:2")

    text = text_of(page)
    assert page.status_code == 200
    assert text.count("97,9") + text.count("93,9") >= 2


@pytest.mark.parametrize("table", ["x", "0:1,0.03:y", "0;1", "0:1,,0.03:1"])
def test_a_table_that_is_none_is_explained(alice: SimpleNamespace, table: str) -> None:
    page = _preview(alice, stage_table=table)

    assert page.status_code == 400
    assert "하락률:비중" in text_of(page)
    assert "<details open>" in page.content.decode()


@pytest.mark.parametrize("once", ["", "한글", "x" * 10_000])
def test_creating_without_a_preview_makes_nothing(
    alice: SimpleNamespace, once: str
) -> None:
    _preview(alice)
    body = {**FORM, "account": str(alice.account.pk), "step": "create", "once": once}

    answer = alice.client.post(reverse("new-bot"), body)

    assert answer.status_code == 302
    assert not Bot.objects.exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"budget": "-1"}, "1부터"),
        ({"budget": "5000"}, "예산을 늘리"),
        ({"budget": ""}, "필수"),
        ({"stages": "0"}, "1부터 20까지"),
        ({"multiplier": "3"}, "1부터 2까지"),
        ({"take_profit_percent": "0"}, "0.01%부터 100%까지"),
        ({"market": "BTC"}, "KRW-BTC처럼"),
        ({"market": "KRW-NOPE"}, "마켓 코드"),
    ],
    ids=str,
)
def test_bad_input_is_explained_beside_the_field(
    alice: SimpleNamespace, changes: dict[str, str], words: str
) -> None:
    page = _preview(alice, **changes)

    assert page.status_code == 400
    assert words in text_of(page)
    assert "errorlist" in page.content.decode()
    assert not Bot.objects.exists()


def test_a_foreign_account_cannot_be_chosen(alice: SimpleNamespace) -> None:
    foreign = make_account(make_user("bob"))

    page = _preview(alice, account=str(foreign.pk))

    assert page.status_code == 400


def test_without_an_account_the_page_says_how_to_get_one() -> None:
    client = Client()
    client.force_login(make_user("newcomer"))

    page = client.get(reverse("new-bot"))

    assert "create_account" in text_of(page)


def test_pages_ask_nothing_of_other_hosts(alice: SimpleNamespace) -> None:
    bot = make_story(alice.owner, account=alice.account)
    addresses = [
        reverse("home"),
        reverse("new-bot"),
        reverse("bot", args=[bot.pk]),
        "/static/web/app.css",
        "/static/web/icon.svg",
    ]

    bodies = [_body(alice.client.get(address)) for address in addresses]

    for body in bodies:
        # A link that a person may follow asks nothing by itself.
        body = re.sub(r"<a [^>]*>", "", body)
        fetched = re.findall(r"(?:src=|href=|url\()[\"']?(https?:[^\"' )]+)", body)
        assert fetched == []


def _body(response: Any) -> str:
    assert response.status_code == 200
    if response.streaming:
        return b"".join(response.streaming_content).decode()
    return str(response.content.decode())
