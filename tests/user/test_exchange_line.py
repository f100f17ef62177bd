"""The top of every page says whether prices reach this server, and admits not to know."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from html import unescape
from typing import Any

import pytest
import redis
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from tests.user.factories import make_snapshot, make_user
from user_project.bots import prices
from user_project.bots.exchange_line import exchange_line
from user_project.trading.orders import PriceQuote

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
PAGES = (
    *("home", "new-bot", "ranking", "central-status", "orders", "fills", "profit"),
    *("accounts", "notify", "look", "owner-emergency", "security", "own-password"),
)


def _shared(*ages: int, now: datetime = NOW) -> dict[str, PriceQuote]:
    """Return a price for each age in seconds."""
    return {
        f"KRW-C{number}": PriceQuote(
            market=f"KRW-C{number}",
            price=Decimal(1),
            received_at=now - timedelta(seconds=age),
        )
        for number, age in enumerate(ages)
    }


@pytest.mark.parametrize(
    ("ages", "level", "heard"),
    [
        ((), "unknown", None),
        ((0,), "ok", 0),
        ((-3,), "ok", -3),
        ((15,), "ok", 15),
        ((16,), "late", 16),
        ((60,), "late", 60),
        ((61,), "cut", 61),
        ((500, 2, 90), "ok", 2),
    ],
)
def test_the_newest_price_says_how_the_line_is(
    monkeypatch: pytest.MonkeyPatch,
    ages: tuple[int, ...],
    level: str,
    heard: int | None,
) -> None:
    monkeypatch.setattr(prices, "all_shared", lambda *, host: _shared(*ages))

    line = exchange_line(now=NOW)

    at = None if heard is None else NOW - timedelta(seconds=heard)
    assert (line.level, line.heard_at) == (level, at)


def test_without_redis_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*, host: str) -> Any:
        raise redis.ConnectionError("away")

    monkeypatch.setattr(prices, "all_shared", away)

    with translation.override("ko"):
        assert exchange_line(now=NOW).words.endswith("연결: 확인 안 됨")


@pytest.mark.parametrize(
    ("url", "language", "words"),
    [
        ("https://api.upbit.com", "ko", "업비트 연결: 지연"),
        ("http://127.0.0.1:9000", "ko", "모의 거래소 연결: 지연"),
        ("https://api.upbit.com", "en", "Upbit connection: delayed"),
        ("http://127.0.0.1:9000", "en", "Paper exchange connection: delayed"),
    ],
)
def test_the_simulator_is_not_called_upbit(
    monkeypatch: pytest.MonkeyPatch, settings: Any, url: str, language: str, words: str
) -> None:
    settings.UPBIT_BASE_URL = url
    asked: list[str] = []

    def shared(*, host: str) -> dict[str, PriceQuote]:
        asked.append(host)
        return _shared(30)

    monkeypatch.setattr(prices, "all_shared", shared)

    with translation.override(language):
        assert exchange_line(now=NOW).words == words
    assert asked == [url]


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every look at Redis; the prices are 20 seconds old."""
    asked: list[str] = []

    def shared(*, host: str) -> dict[str, PriceQuote]:
        asked.append(host)
        return _shared(20, now=timezone.now())

    monkeypatch.setattr(prices, "all_shared", shared)
    return asked


def _line(html: str) -> str:
    (line,) = re.findall(r'<p class="exchange late".*?</p>', html, re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", line))).strip()


@pytest.mark.django_db
@pytest.mark.parametrize("page", PAGES)
def test_every_page_tells_it_with_its_age(looks: list[str], page: str) -> None:
    make_snapshot(timezone.now())
    client = Client()
    client.force_login(make_user("alice"))

    html = client.get(reverse(page)).content.decode()

    assert re.fullmatch(r"모의 거래소 연결: 지연 시세 2\d초 전", _line(html))


@pytest.mark.django_db
def test_it_costs_one_look_at_redis_and_none_at_the_login(looks: list[str]) -> None:
    client = Client()
    login = client.get(reverse("login")).content.decode()
    assert (looks, "exchange late" in login) == ([], False)
    client.force_login(make_user("alice"))

    client.get(reverse("look"))

    assert len(looks) == 1
