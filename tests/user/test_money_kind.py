"""Paper and real money are never added up, wherever sums are shown."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tests.user.factories import (
    make_account,
    make_bot,
    make_cycle,
    make_profit,
    make_snapshot,
    make_user,
)
from user_project.accounts.models import AccountMode
from user_project.bots import emergency, pnl, prices
from user_project.bots.models import Bot
from user_project.bots.money_kind import choose_money, won_by_mode
from user_project.notifications.models import Target
from user_project.notifications.news import _summary
from user_project.trading.orders import PriceQuote

pytestmark = pytest.mark.django_db
LIVE_HOST, PAPER_HOST = "https://api.upbit.com", "http://127.0.0.1:9"


@pytest.fixture
def alice(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """An owner whose paper bot earned 7,000 won today and whose real one lost 1,234."""
    now = timezone.now()
    quote = PriceQuote(market="KRW-BTC", price=Decimal(110_000_000), received_at=now)
    monkeypatch.setattr(prices, "all_shared", lambda *, host: {"KRW-BTC": quote})
    make_snapshot(now)
    owner = make_user("alice")
    client = Client()
    client.force_login(owner)
    paper = make_account(owner, base_url=PAPER_HOST)
    live = make_account(owner, base_url=LIVE_HOST, mode="live")
    return SimpleNamespace(
        owner=owner,
        client=client,
        paper=earner(owner, paper, name="연습 봇", won=7000, volume="0.002"),
        live=earner(owner, live, name="진짜 봇", won=-1234, volume="0.001"),
    )


def earner(owner: Any, account: Any, *, name: str, won: int, volume: str) -> Bot:
    """Return a bot that holds coins and has just realised *won*."""
    bot = make_bot(owner, account=account, name=name, state="running")
    cycle = make_cycle(bot, volume=Decimal(volume), cost=Decimal(100_000))
    make_profit(cycle, won=won, at=timezone.now())
    return bot


@pytest.mark.parametrize(
    ("wanted", "mode"),
    [("", "live"), ("live", "live"), ("paper", "paper"), ("else", "live")],
)
def test_real_money_comes_first(alice: SimpleNamespace, wanted: str, mode: str) -> None:
    money = choose_money(owner=alice.owner, wanted=wanted)

    assert (money.mode, money.narrows_to) == (mode, mode)


def test_who_has_one_kind_is_not_asked(alice: SimpleNamespace) -> None:
    bert = make_user("bert")
    assert choose_money(owner=bert).mode is AccountMode.PAPER
    make_bot(bert)

    money = choose_money(owner=bert, wanted="live")

    assert (money.mode, money.narrows_to, money.is_only) == ("paper", None, True)
    alice.client.force_login(bert)
    assert "?mode=live" not in alice.client.get("/").content.decode()


@pytest.mark.parametrize(
    ("query", "own", "other", "today", "value"),
    [
        ("", "진짜 봇", "연습 봇", "▼ -1,234원", "110,000원"),
        ("?mode=paper", "연습 봇", "진짜 봇", "▲ +7,000원", "220,000원"),
    ],
)
def test_home_sums_one_kind(
    alice: SimpleNamespace, query: str, own: str, other: str, today: str, value: str
) -> None:
    page = alice.client.get(f"/{query}").content.decode()

    cards = page.split('<section class="cards">')[1].split("</section>")[0]
    assert (own in cards, other in cards) == (True, False)
    tiles = page.split('<section class="tiles"')[1].split("</section>")[0]
    assert today in tiles
    assert f'data-figure="value">{value}<' in tiles
    assert 'href="?mode=live"' in page


@pytest.mark.parametrize(
    ("query", "shown", "hidden"),
    [("", "-1,234원", "7,000원"), ("?mode=paper", "+7,000원", "1,234원")],
)
def test_the_profit_page_and_its_files_are_of_one_kind(
    alice: SimpleNamespace, query: str, shown: str, hidden: str
) -> None:
    page = alice.client.get(f"/profit/{query}").content.decode()
    today = timezone.now().astimezone(pnl.KST)
    day = alice.client.get(f"/profit/{today:%Y/%-m}/day.csv{query}")
    year = alice.client.get(f"/fills/{today.year}.csv{query}")

    assert (shown in page, hidden in page) == (True, False)
    mode = "paper" if query else "live"
    assert f"/fills/{today.year}.csv?mode={mode}" in page
    won = shown.replace(",", "").strip("+원")
    other = hidden.replace(",", "").strip("원")
    for answer in (day, year):
        text = b"".join(answer).decode()
        assert (won in text, other in text) == (True, False)
        assert ("-paper.csv" in answer["Content-Disposition"]) == bool(query)


@pytest.mark.parametrize(
    ("query", "won"), [("", "-1234"), ("?mode=live", "-1234"), ("?mode=paper", "7000")]
)
def test_the_api_reports_one_kind(alice: SimpleNamespace, query: str, won: str) -> None:
    (row,) = alice.client.get(f"/api/v1/pnl{query}").json()
    year = timezone.now().astimezone(pnl.KST).year
    text = b"".join(alice.client.get(f"/api/v1/pnl/{year}.csv{query}")).decode()

    assert row["profit"] == won
    assert [kind in text for kind in ("-1234", "7000")] == [
        won == "-1234",
        won == "7000",
    ]


def test_the_lists_can_be_narrowed_to_one_kind(alice: SimpleNamespace) -> None:
    for path in ("/orders/", "/fills/"):
        page = alice.client.get(f"{path}?mode=paper").content.decode()
        table = page.split("<tbody>")[1]
        assert ("연습 봇" in table, "진짜 봇" in table) == (True, False)
        year = timezone.now().astimezone(pnl.KST).year
        for mode in ("live", "paper"):  # a file of each, whatever is listed
            assert f'href="/fills/{year}.csv?mode={mode}"' in page


def test_an_emergency_stop_tells_both_apart(alice: SimpleNamespace) -> None:
    page = alice.client.get("/stop/").content.decode()

    assert "모두 팔면 약 실전투자 110,000원, 모의투자 220,000원." in page
    assert '진짜 봇</a> <span class="badge mode-live">실전투자</span>' in page
    assert '연습 봇</a> <span class="badge mode-paper">모의투자</span>' in page
    effects = emergency.preview_stop(owner=alice.owner, sell_all=True)
    assert emergency.add_up(effects).worth == {"live": 110_000, "paper": 220_000}


def test_the_daily_summary_tells_both_apart(alice: SimpleNamespace) -> None:
    text = _summary(Target(owner=alice.owner), now=timezone.now() + timedelta(days=1))

    assert "실전투자 -1,234원, 모의투자 7,000원" in text


def test_operators_see_both_apart(alice: SimpleNamespace) -> None:
    assert pnl.realised_today(now=timezone.now()) == {"live": -1234, "paper": 7000}
    alice.client.force_login(make_user("root", is_staff=True, is_superuser=True))

    page = alice.client.get("/admin/").content.decode()

    assert "오늘 실현손익 · 실전투자" in page
    assert "오늘 실현손익 · 모의투자" in page
    assert "보유분 원가 실전투자 100,000원, 모의투자 100,000원" in page


@pytest.mark.parametrize(
    ("amounts", "text"),
    [({}, "0원"), ({"live": Decimal(1000)}, "1,000원")],
)
def test_one_kind_alone_needs_no_name(amounts: Any, text: str) -> None:
    assert won_by_mode(amounts) == text
