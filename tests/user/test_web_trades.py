"""Lists of orders and executions: what they are narrowed to, on the page and as a file."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from typing import Any

import pytest
from django.test import Client

from tests.user.factories import (
    make_bot,
    make_cycle,
    make_fill,
    make_order,
    make_story,
    make_user,
)
from user_project.bots.models import Order

pytestmark = pytest.mark.django_db
LAST_SECOND = datetime(2026, 11, 20, 14, 59, 59, tzinfo=UTC)
"""23:59:59 of 20 November in Korea."""
MIDNIGHT = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


@pytest.fixture
def client() -> Client:
    """Alice's browser: a bitcoin bot and an ether bot traded around a midnight."""
    owner = make_user("alice")
    trade(owner, "KRW-BTC", LAST_SECOND)
    trade(owner, "KRW-ETH", MIDNIGHT)
    client = Client()
    client.force_login(owner)
    return client


def trade(owner: Any, market: str, at: datetime) -> None:
    """Make one bot with one order and its execution at that time."""
    bot = make_bot(owner, name=market, market=market)
    order = make_order(make_cycle(bot, market=market))
    make_fill(order, traded_at=at)
    Order.objects.filter(pk=order.pk).update(created_at=at)


NARROWED = [
    ("", {"KRW-BTC", "KRW-ETH"}),
    ("market=KRW-ETH", {"KRW-ETH"}),
    ("market=+btc+", {"KRW-BTC"}),
    ("market=nothing", set()),
    ("first=2026-11-21", {"KRW-ETH"}),
    ("last=2026-11-20", {"KRW-BTC"}),
    ("first=2026-11-20&last=2026-11-20", {"KRW-BTC"}),
    ("first=2026-11-22", set()),
    ("side=bid&market=eth&first=2026-11-21&last=2026-11-21", {"KRW-ETH"}),
    ("side=ask", set()),
]


def rows_of(answer: Any) -> list[dict[str, str]]:
    text = b"".join(answer.streaming_content).decode()
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text[1:])))


@pytest.mark.parametrize("kind", ["orders", "fills"])
@pytest.mark.parametrize(("query", "seen"), NARROWED)
def test_the_page_and_its_file_are_narrowed_alike(
    client: Client, kind: str, query: str, seen: set[str]
) -> None:
    page = client.get(f"/{kind}/?{query}").content.decode()
    rows = rows_of(client.get(f"/{kind}.csv?{query}"))

    for market in ("KRW-BTC", "KRW-ETH"):
        assert (f'class="text">{market}</td>' in page) is (market in seen)
    assert {row["마켓"] for row in rows} == seen


@pytest.mark.parametrize("kind", ["orders", "fills"])
@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("first=2026-11-21&last=2026-11-20", "첫날이 마지막 날보다 늦습니다."),
        ("first=1999-01-01", "2017년 이후의 날짜를 넣으세요."),
        ("last=9999-12-31", "2017년 이후의 날짜를 넣으세요."),
        ("first=yesterday", "올바른 날짜를 입력하세요."),
        ("market=%00", "errorlist"),
        ("bot=nonsense", "errorlist"),
    ],
)
def test_what_cannot_be_is_said_and_shows_nothing(
    client: Client, kind: str, query: str, told: str
) -> None:
    page = client.get(f"/{kind}/?{query}")
    file = client.get(f"/{kind}.csv?{query}")

    assert page.status_code == 200
    assert told in page.content.decode()
    assert "KRW-BTC" not in page.content.decode().partition("<table")[2]
    assert (file.status_code, file.headers["Location"]) == (302, f"/{kind}/?{query}")


def test_the_files_hold_exact_amounts_and_nobody_elses(client: Client) -> None:
    make_story(make_user("mallory"), name="남의 봇")

    (order, _) = rows_of(client.get("/orders.csv"))
    (fill, _) = rows_of(client.get("/fills.csv"))

    assert order["주문 시각(KST)"] == "2026-11-20 23:59:59"
    assert (order["주문 금액(원)"], order["체결 수량"]) == ("200000", "0.002")
    assert (order["상태"], order["수수료(원)"]) == ("체결", "100")
    assert (fill["체결 시각(KST)"], fill["체결가"]) == (
        "2026-11-20 23:59:59",
        "100000000",
    )
