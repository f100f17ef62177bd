"""The exchange's clock, heard with every answer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from urllib.parse import parse_qs

import httpx
import pytest

from tests.unit.upbit_stub import StubUpbit

HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)


def _ahead(by: timedelta) -> StubUpbit:
    """An exchange whose clock is ahead of this machine's."""
    stub = StubUpbit()
    told = format_datetime(datetime.now(UTC) + by, usegmt=True)
    for path in ("/v1/accounts", "/v1/orders/closed"):
        stub.on(
            "GET", path, lambda _: httpx.Response(200, json=[], headers={"Date": told})
        )
    return stub


@pytest.mark.parametrize("by", [2 * HOUR, -2 * HOUR, timedelta(0)])
def test_an_adapter_knows_how_far_the_clocks_are_apart(by: timedelta) -> None:
    adapter = _ahead(by).adapter()
    assert adapter.clock_offset == timedelta(0)

    adapter.get_balances()

    assert abs(adapter.clock_offset - by) < 30 * SECOND


def test_an_answer_without_a_readable_time_changes_nothing() -> None:
    stub = _ahead(2 * HOUR)
    adapter = stub.adapter()
    adapter.get_balances()
    bad = httpx.Response(200, json=[], headers={"Date": "yesterday"})
    stub.on("GET", "/v1/accounts", bad)

    adapter.get_balances()

    assert abs(adapter.clock_offset - 2 * HOUR) < 30 * SECOND


def test_closed_orders_are_asked_for_in_the_exchanges_time() -> None:
    stub = _ahead(2 * HOUR)
    adapter = stub.adapter()
    adapter.get_balances()
    since = datetime.now(UTC) - 10 * SECOND

    adapter.list_orders(market="KRW-BTC", open_only=False, since=since)

    query = parse_qs(str(stub.requests[-1].url.query, "ascii"))
    asked = datetime.fromisoformat(query["start_time"][0])
    assert abs(asked - since - 2 * HOUR) < 30 * SECOND
