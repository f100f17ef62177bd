"""A bot's chart: candles, every line of the plan, marks of what was traded."""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from tests.user.factories import (
    QuietExchange,
    make_account,
    make_bot,
    make_snapshot,
    make_story,
    make_user,
)
from user_project.bots import chart as charts
from user_project.bots import prices, quotes
from user_project.bots.models import Fill
from user_project.exchanges.adapter import Candle, Unavailable

pytestmark = pytest.mark.django_db


class Candled(QuietExchange):
    """An exchange with candles."""

    asked = 0

    def get_candles(self, *, market: str, unit: int, count: int) -> list[Candle]:
        self.asked += 1
        start = self.now.replace(minute=0, second=0, microsecond=0)
        return [
            Candle(
                started_at=start - timedelta(minutes=unit * n),
                opened=Decimal("100000000"),
                high=Decimal("102000000"),
                low=Decimal("99000000.5"),
                closed=Decimal("101000000"),
                volume=Decimal("1.5"),
            )
            for n in reversed(range(3))
        ]


@pytest.fixture
def alice(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """An owner whose bot holds the first stage."""
    cache.clear()
    exchange = Candled(now=timezone.now())
    for module in (charts, quotes):
        monkeypatch.setattr(module, "adapter_for", lambda *, account: exchange)
    monkeypatch.setattr(prices, "shared", lambda *, host, market: None)
    monkeypatch.setattr(prices, "all_shared", lambda *, host: {})
    owner = make_user("alice")
    make_snapshot(timezone.now())
    bot = make_story(owner, account=make_account(owner))
    Fill.objects.update(traded_at=timezone.now())
    client = Client()
    client.force_login(owner)
    return SimpleNamespace(owner=owner, bot=bot, client=client, exchange=exchange)


def _chart(alice: SimpleNamespace, query: str = "") -> Any:
    return alice.client.get(reverse("bot-chart", args=[alice.bot.pk]) + query).json()


def test_everything_is_on_the_chart(alice: SimpleNamespace) -> None:
    found = _chart(alice)

    kinds = {(line["kind"], line["label"]): line for line in found["lines"]}
    assert [found["market"], found["unit"], len(found["candles"])] == ["KRW-BTC", 60, 3]
    assert kinds["support", "지지 7일"]["price"] == 96_000_000
    assert kinds["support", "지지 90일"]["price"] == 80_000_000
    assert kinds["stage", "1차"]["done"]
    assert not kinds["stage", "2차"]["done"]
    assert ("average", "평단") in kinds
    assert ("take_profit", "익절") in kinds
    (mark,) = found["marks"]
    assert (mark["side"], mark["label"]) == ("bid", "1차 매수")
    assert found["problem"] == ""


def test_times_read_as_korean_time(alice: SimpleNamespace) -> None:
    (*_, last) = _chart(alice)["candles"]

    hour = alice.exchange.now.replace(minute=0, second=0, microsecond=0)
    assert last["time"] == int(hour.timestamp()) + 9 * 3600
    assert last["low"] == 99_000_000.5


@pytest.mark.parametrize(
    ("query", "unit"),
    [("?unit=5", 5), ("?unit=1440", 1440), ("?unit=7", 60), ("?unit=x", 60)],
)
def test_only_offered_units_are_asked_for(
    alice: SimpleNamespace, query: str, unit: int
) -> None:
    assert _chart(alice, query)["unit"] == unit


def test_open_pages_share_what_was_read(alice: SimpleNamespace) -> None:
    first, second = _chart(alice), _chart(alice)

    assert first["candles"] == second["candles"]
    assert alice.exchange.asked == 1


def test_an_exchange_that_is_away_leaves_the_lines(
    alice: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def away(**wanted: Any) -> Any:
        asked.append(wanted)
        raise Unavailable("away")

    monkeypatch.setattr(alice.exchange, "get_candles", away)

    for _ in range(2):
        found = _chart(alice)
        assert found["candles"] == []
        assert "캔들을 받지 못했습니다" in found["problem"]
        assert found["lines"]
    assert len(asked) == 1


def test_a_bot_without_a_coin_says_so(alice: SimpleNamespace) -> None:
    alice.bot = make_bot(alice.owner, market="", auto_select=True)

    assert "코인이 정해지면" in _chart(alice)["problem"]


def test_nobody_else_sees_the_chart(alice: SimpleNamespace) -> None:
    other = make_story(make_user("mallory"))

    page = reverse("bot-chart", args=[other.pk])
    assert alice.client.get(page).status_code == 404
    assert Client().get(page).status_code == 302


def test_vendored_files_are_the_ones_that_were_vendored() -> None:
    folder = Path(settings.BASE_DIR) / "user_project/web/static/web/vendor"
    told = dict(
        re.findall(
            r"^\| (\S+) \|.*\| ([0-9a-f]{64}) \|$",
            (folder / "README.md").read_text(),
            re.M,
        )
    )
    scripts = {path.name: path for path in folder.glob("*.js")}

    assert told.keys() == scripts.keys()
    for name, path in scripts.items():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == told[name]
