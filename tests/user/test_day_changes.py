"""The ranking's change since 09:00 in Korea: the watcher's, else central's, else none."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from common.wire import Recommendation
from tests.user.factories import make_snapshot, make_user
from user_project.bots import prices
from user_project.bots.day_changes import day_changes
from user_project.central_api.models import CentralSnapshot
from user_project.trading.orders import PriceQuote

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 24, tzinfo=UTC)
"""09:00 in Korea: from here on another close counts."""
FIVE = timedelta(minutes=5)
CENTRALS, LIVE = Decimal("-0.2"), Decimal("0.01")


def _coin(metrics: dict[str, str]) -> Recommendation:
    scores = dict.fromkeys(("technical", "volume", "volatility", "risk"), "50")
    return Recommendation.model_validate(
        {
            **{"rank": 1, "symbol": "KRW-BTC", "korean_name": "비트코인"},
            **{"english_name": "Bitcoin", "price": "101", "score": "50"},
            **{"scores": scores, "metrics": metrics},
        }
    )


def _quote(at: datetime, *, close: str | None = "100") -> PriceQuote:
    return PriceQuote(
        market="KRW-BTC",
        price=Decimal(101),
        received_at=at,
        previous_close=None if close is None else Decimal(close),
    )


@pytest.mark.parametrize(
    ("central", "quote", "now", "expected"),
    [
        ("-0.2", None, NOON, CENTRALS),
        ("0", None, NOON, Decimal(0)),
        (None, None, NOON, None),
        ("-0.2", _quote(NOON), NOON, LIVE),
        (None, _quote(NOON), NOON, LIVE),
        # A watcher that stopped leaves prices behind that central's are younger than.
        ("-0.2", _quote(NOON - 2 * FIVE), NOON, CENTRALS),
        ("-0.2", _quote(NOON, close=None), NOON, CENTRALS),
        # Nobody has told the close of the day that has just begun.
        ("-0.2", None, MIDNIGHT, None),
        ("-0.2", _quote(MIDNIGHT - FIVE), MIDNIGHT, None),
        ("-0.2", _quote(MIDNIGHT), MIDNIGHT, LIVE),
    ],
)
def test_the_younger_word_counts_and_only_of_today(
    central: str | None,
    quote: PriceQuote | None,
    now: datetime,
    expected: Decimal | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shared = {} if quote is None else {"KRW-BTC": quote}
    monkeypatch.setattr(prices, "all_shared", lambda *, host: shared)
    coin = _coin({} if central is None else {"signed_change_rate": central})

    found = day_changes(coins=[coin], told_at=now - FIVE, now=now)

    assert found == ({} if expected is None else {"KRW-BTC": expected})


@pytest.fixture
def at_noon() -> Iterator[datetime]:
    now = timezone.now().replace(hour=12, minute=0)
    with time_machine.travel(now, tick=False):
        yield now


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("central", "seen"),
    [
        ("0.01534", "up ▲ +1.53%"),
        ("-0.2", "down ▼ -20.00%"),
        ("0", "even 0.00%"),
        (None, "even –"),
    ],
)
def test_the_ranking_shows_it_with_sign_arrow_and_class(
    at_noon: datetime, central: str | None, seen: str
) -> None:
    snapshot = make_snapshot(at_noon)
    body: dict[str, Any] = json.loads(snapshot.body)
    if central is not None:
        body["recommendations"][0]["metrics"] = {"signed_change_rate": central}
    CentralSnapshot.objects.update(body=json.dumps(body))
    client = Client()
    client.force_login(make_user("alice"))

    page = client.get(reverse("ranking")).content.decode()

    (cell,) = re.findall(r'data-label="전일대비" class="(\w+)">([^<]*)<', page)
    assert " ".join(cell) == seen
