"""Candles of Upbit: paged, in order, exact."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest

from tests.unit.upbit_stub import StubUpbit
from user_project.exchanges.adapter import ExchangeError

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)


def _row(at: datetime, *, close: str = "100.5") -> dict[str, Any]:
    return {
        "market": "KRW-BTC",
        "candle_date_time_utc": f"{at:%Y-%m-%dT%H:%M:%S}",
        "candle_date_time_kst": f"{at + timedelta(hours=9):%Y-%m-%dT%H:%M:%S}",
        "opening_price": 100,
        "high_price": 101,
        "low_price": 99,
        "trade_price": float(close),
        "timestamp": 0,
        "candle_acc_trade_price": 1,
        "candle_acc_trade_volume": 0.12345678,
        "unit": 60,
    }


def _hours(age: int) -> httpx.Response | Any:
    """Answer like a coin that is *age* hours old."""

    def answer(request: httpx.Request) -> httpx.Response:
        query = parse_qs(str(request.url.query, "ascii"))
        count = int(query["count"][0])
        last = query.get("to", [f"{NOW:%Y-%m-%dT%H:%M:%SZ}"])[0]
        end = datetime.fromisoformat(last)
        oldest = NOW - timedelta(hours=age)
        rows = (end - timedelta(hours=n + 1) for n in range(count))
        return httpx.Response(200, json=[_row(at) for at in rows if at >= oldest])

    return answer


@pytest.mark.parametrize(("age", "pages"), [(1000, 3), (450, 3), (250, 3), (200, 2)])
def test_pages_are_joined_oldest_first(age: int, pages: int) -> None:
    stub = StubUpbit()
    stub.on("GET", "/v1/candles/minutes/60", _hours(age))

    candles = stub.adapter().get_candles(market="KRW-BTC", unit=60, count=450)

    times = [candle.started_at for candle in candles]
    assert len(times) == min(age, 450)
    assert times == sorted(set(times))
    assert times[-1] == NOW - timedelta(hours=1)
    assert stub.count("GET") == pages


def test_numbers_are_exact() -> None:
    stub = StubUpbit()
    stub.on_json("GET", "/v1/candles/days", [_row(NOW, close="0.1")])

    (candle,) = stub.adapter().get_candles(market="KRW-BTC", unit=1440, count=1)

    assert candle.closed == Decimal("0.1")
    assert candle.volume == Decimal("0.12345678")


def test_a_refusal_is_an_error_of_the_exchange() -> None:
    with pytest.raises(ExchangeError):
        StubUpbit().adapter().get_candles(market="KRW-NO", unit=5, count=10)
