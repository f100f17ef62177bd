"""Prices shared through Redis: each host its own, each with its age."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from tests.user.factories import NOW, QuietExchange
from user_project.bots import prices
from user_project.bots.redis_client import shared_client
from user_project.exchanges.adapter import Unavailable
from user_project.trading.orders import PriceQuote


@pytest.fixture
def host() -> str:
    """A host that no other test shares prices of."""
    return f"http://{uuid4()}"


def quote(price: str = "99000000") -> PriceQuote:
    return PriceQuote(market="KRW-BTC", price=Decimal(price), received_at=NOW)


def latest(host: str, *, exchange: QuietExchange, seconds: float) -> PriceQuote | None:
    now = NOW + timedelta(seconds=seconds)
    return prices.latest(adapter=exchange, host=host, market="KRW-BTC", now=now)


def test_a_fresh_shared_price_spares_the_exchange(host: str) -> None:
    prices.publish(host=host, quotes=[quote()])

    assert latest(host, exchange=QuietExchange(), seconds=2) == quote()


def test_an_older_one_is_asked_for_anew(host: str) -> None:
    prices.publish(host=host, quotes=[quote()])

    found = latest(host, exchange=QuietExchange(price="101"), seconds=3)

    assert found is not None
    assert found.price == 101


def test_what_nobody_follows_any_more_is_no_price_of_now(host: str) -> None:
    """Each price keeps the whole table in Redis, so the old ones stay there, too."""
    now = timezone.now()
    old = replace(quote(), market="KRW-ETH", received_at=now - 2 * prices.KEEP)
    young = replace(quote(), received_at=now)

    prices.publish(host=host, quotes=[old, young])

    assert prices.known(host=host) == {"KRW-BTC": young}
    assert prices.shared(host=host, market="KRW-ETH") == old


def test_a_price_of_another_host_decides_nothing(host: str) -> None:
    prices.publish(host="http://elsewhere", quotes=[quote("1")])

    found = latest(host, exchange=QuietExchange(price="101"), seconds=1)

    assert found is not None
    assert found.price == 101


def test_without_the_exchange_the_old_price_keeps_its_age(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*, markets: Sequence[str]) -> Any:
        raise Unavailable("HTTP 500")

    exchange = QuietExchange()
    monkeypatch.setattr(exchange, "get_prices", away)
    prices.publish(host=host, quotes=[quote()])

    assert latest(host, exchange=exchange, seconds=60) == quote()


def test_a_lost_redis_leaves_the_exchange(
    host: str, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    shared_client.cache_clear()
    try:
        prices.publish(host=host, quotes=[quote()])

        found = latest(host, exchange=QuietExchange(price="101"), seconds=1)
    finally:
        shared_client.cache_clear()
    assert found is not None
    assert found.price == 101


@pytest.mark.parametrize("close", [None, Decimal("98000000.00000001")])
def test_the_close_of_the_day_before_is_shared_exactly(
    host: str, close: Decimal | None
) -> None:
    told = replace(quote(), previous_close=close, received_at=timezone.now())

    prices.publish(host=host, quotes=[told])

    assert prices.shared(host=host, market="KRW-BTC") == told
    assert prices.all_shared(host=host) == {"KRW-BTC": told}


def test_a_price_shared_without_a_close_is_read(host: str) -> None:
    key = prices.KEY.format(host=host)
    shared_client().hset(key, "KRW-BTC", f"99000000|{NOW.isoformat()}")

    assert prices.shared(host=host, market="KRW-BTC") == quote()
