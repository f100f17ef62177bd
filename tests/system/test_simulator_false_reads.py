"""Reads that lie on demand, and a clock that is wrong: what a client sees of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from deploy.simulator.faults.reads import UNKNOWN_CODE
from tests.system.faults_world import (
    MARKET,
    Simulator,
    Trader,
    error_of,
    eventually,
    new_name,
    new_trader,
    running,
    settled,
)


@pytest.fixture(scope="module")
def process() -> Iterator[Simulator]:
    with running("--faults") as simulator:
        yield simulator


@pytest.fixture
def simulator(process: Simulator) -> Simulator:
    return settled(process)


@pytest.fixture
def trader(simulator: Simulator) -> Trader:
    return new_trader(simulator)


def test_a_new_order_can_stay_invisible(simulator: Simulator, trader: Trader) -> None:
    identifier = new_name("order")
    fault = simulator.add_fault("delayed_visibility", "*", seconds=120)
    uuid = trader.order(identifier).json()["uuid"]

    def lookups() -> tuple[Any, ...]:
        one = trader.call("GET", "/v1/order", identifier=identifier)
        by_ids = trader.call("GET", "/v1/orders/uuids", **{"uuids[]": [uuid]})
        still_open = trader.call("GET", "/v1/orders/open")
        return one.status_code, len(by_ids.json()), len(still_open.json())

    assert lookups() == (404, 0, 0)
    simulator.told("DELETE", f"faults/{fault}")
    assert lookups() == (200, 1, 1)


def test_an_order_that_exists_can_be_denied_some_times(
    simulator: Simulator, trader: Trader
) -> None:
    identifier = new_name("order")
    trader.order(identifier)
    simulator.add_fault("false_404", "GET /v1/order", times=2)

    answers = [trader.call("GET", "/v1/order", identifier=identifier) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [404, 404, 200]
    assert error_of(answers[0]) == (404, "order_not_found")


def test_a_stale_list_says_again_what_it_said(
    simulator: Simulator, trader: Trader
) -> None:
    uuid = trader.order(new_name("order")).json()["uuid"]
    before = trader.call("GET", "/v1/orders/open").json()
    trader.call("DELETE", "/v1/order", uuid=uuid)
    eventually(lambda: trader.truth()["orders"][0]["state"] == "cancel")
    time.sleep(0.1)  # the answer is then old enough, however fast all this was
    fault = simulator.add_fault("stale_list", "GET /v1/orders/open", seconds=0.1)

    stale = trader.call("GET", "/v1/orders/open").json()

    simulator.told("DELETE", f"faults/{fault}")
    assert [one["uuid"] for one in before] == [uuid]
    assert stale == before
    assert trader.call("GET", "/v1/orders/open").json() == []


def test_a_list_nobody_asked_for_by_then_is_empty(
    simulator: Simulator, trader: Trader
) -> None:
    trader.order(new_name("order"))
    trader.call("GET", "/v1/orders/open")
    simulator.add_fault("stale_list", "GET /v1/orders/open", seconds=120)

    assert trader.call("GET", "/v1/orders/open").json() == []


def test_market_data_can_be_empty_odd_unknown_or_old(simulator: Simulator) -> None:
    def ticker() -> list[dict[str, Any]]:
        return list(simulator.public("/v1/ticker", markets=MARKET).json())

    for kind in ("empty_list", "unknown_code", "stale_ticker"):
        simulator.add_fault(kind, "GET /v1/ticker", nth=[1, 2])

    assert (ticker(), ticker()) == ([], [])
    assert [row["market"] for row in ticker()] == [MARKET, UNKNOWN_CODE]
    ticker()
    first = ticker()
    assert ticker() == first

    simulator.add_fault("candle_high_below_low", "GET /v1/candles/minutes/{unit}")
    path = "/v1/candles/minutes/1"
    newest, older = simulator.public(path, market=MARKET, count=2).json()
    assert newest["high_price"] < newest["low_price"]
    assert older["high_price"] >= older["low_price"]


# --- a wrong clock -------------------------------------------------------------------


@pytest.mark.parametrize("minutes", [10, -10])
def test_a_wrong_clock_is_written_everywhere_and_changes_nothing_else(
    simulator: Simulator, trader: Trader, minutes: int
) -> None:
    error = timedelta(minutes=minutes)
    simulator.told("POST", "clock", {"offset_ms": minutes * 60_000})
    identifier = new_name("order")

    answer = trader.order(identifier)

    (order,) = trader.orders(identifier)
    true = datetime.fromisoformat(order["created_at"]).replace(microsecond=0)
    shown = datetime.fromisoformat(answer.json()["created_at"])
    assert shown - true == error
    date = parsedate_to_datetime(answer.headers["Date"])
    assert abs(date - datetime.now(UTC) - error) < timedelta(minutes=1)
    uuid = answer.json()["uuid"]
    trader.call("DELETE", "/v1/order", uuid=uuid)
    eventually(lambda: trader.orders(identifier)[0]["state"] == "cancel")
    found = trader.call(
        "GET", "/v1/orders/closed", start_time=int(shown.timestamp() * 1000)
    )
    assert [one["uuid"] for one in found.json()] == [uuid]
