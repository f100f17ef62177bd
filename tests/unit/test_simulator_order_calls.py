"""New orders over HTTP: what is refused, by which name, and what a test order is."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import requests

from tests.unit.exchange_world import MARKET_BUY, World, exchange, problem

D = Decimal
LIMIT = {
    "market": "KRW-BTC",
    "side": "bid",
    "ord_type": "limit",
    "price": "155772000",
    "volume": "0.0001",
}
BEST = {"market": "KRW-BTC", "side": "bid", "ord_type": "best", "price": "6000"}
MARKET_SELL = {
    "market": "KRW-USDT",
    "side": "ask",
    "ord_type": "market",
    "volume": "5.377594",
}


@pytest.fixture
def world() -> Iterator[World]:
    with exchange() as running:
        yield running


def _krw(world: World) -> tuple[Decimal, Decimal]:
    rows = {one["currency"]: one for one in world.get("/v1/accounts").json()}
    return D(rows["KRW"]["balance"]), D(rows["KRW"]["locked"])


# --- refusals ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"price": "155772500"}, "invalid_price_bid"),
        ({"volume": "0.00003"}, "under_min_total_bid"),
        ({"volume": "1"}, "insufficient_funds_bid"),
        ({"volume": "7"}, "over_krw_funds_bid"),
        ({"side": "ask"}, "insufficient_funds_ask"),
        ({"side": "ask", "price": "155772500"}, "invalid_price_ask"),
        ({"side": "ask", "volume": "0.00003"}, "under_min_total_ask"),
        ({"volume": "1e-4"}, "invalid_parameter"),
        ({"price": "NaN"}, "invalid_parameter"),
        ({"price": "+155772000"}, "invalid_parameter"),
        ({"price": "1,000"}, "invalid_parameter"),
        ({"price": "-1"}, "invalid_parameter"),
        ({"price": True}, "invalid_parameter"),
        ({"price": "٣"}, "invalid_parameter"),
        ({"market": "KRW-NOPE"}, "notfoundmarket"),
        ({"market": ""}, "validation_error"),
        ({"side": None}, "validation_error"),
        ({"side": "buy"}, "invalid_parameter"),
        ({"ord_type": ""}, "validation_error"),
        ({"ord_type": "stop"}, "invalid_parameter"),
        ({"volume": None}, "create_bid_error"),
        ({"price": None}, "create_bid_error"),
        ({"ord_type": "price"}, "create_bid_error"),
        ({"ord_type": "market"}, "create_bid_error"),
        ({"ord_type": "market", "side": "ask"}, "create_ask_error"),
        ({"identifier": ""}, "validation_error"),
        ({"identifier": "x" * 65}, "validation_error"),
        ({"time_in_force": "gtc"}, "invalid_time_in_force"),
        ({"smp_type": "cancel_both"}, "invalid_parameter"),
        (
            {"time_in_force": "post_only", "smp_type": "cancel_maker"},
            "invalid_post_only",
        ),
    ],
)
def test_an_order_that_breaks_a_rule_is_refused_by_name(
    world: World, change: dict[str, Any], name: str
) -> None:
    real = world.post("/v1/orders", **{**LIMIT, **change})
    tested = world.post("/v1/orders/test", **{**LIMIT, **change})

    assert problem(real) == problem(tested) == (400, name)
    assert _krw(world) == (world.cash, 0)


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        (BEST, "invalid_time_in_force"),
        ({**BEST, "time_in_force": "post_only"}, "invalid_time_in_force"),
        ({**MARKET_BUY, "time_in_force": "ioc"}, "invalid_time_in_force"),
        ({**MARKET_BUY, "price": "1000000001"}, "over_krw_funds_bid"),
        ({**MARKET_BUY, "price": "4999"}, "under_min_total_bid"),
        ({**MARKET_SELL, "volume": "3"}, "under_min_total_ask"),
        ({**MARKET_SELL, "time_in_force": "fok"}, "invalid_time_in_force"),
    ],
)
def test_times_and_totals_must_fit_the_kind_of_order(
    world: World, asked: dict[str, Any], name: str
) -> None:
    assert problem(world.post("/v1/orders", **asked)) == (400, name)


@pytest.mark.parametrize("time_in_force", ["ioc", "fok"])
def test_an_order_at_the_best_price_is_accepted_with_its_time(
    world: World, time_in_force: str
) -> None:
    order = world.order(**BEST, time_in_force=time_in_force)

    assert order["time_in_force"] == time_in_force
    assert world.look(order["uuid"])["executed_volume"] == "0.00003736"


def test_json_numbers_are_read_like_text(world: World) -> None:
    order = world.order(**{**LIMIT, "price": 155772000, "volume": 0.001})

    assert (order["price"], order["volume"]) == ("155772000", "0.001")


def test_a_market_in_maintenance_is_forbidden(world: World) -> None:
    world.house.conditions.change(market="KRW-BTC", offline=True)

    answers = [
        world.post("/v1/orders", **LIMIT),
        world.post("/v1/orders/test", **LIMIT),
    ]

    assert [problem(one) for one in answers] == [(403, "market_offline")] * 2
    chance = world.get("/v1/orders/chance", market="KRW-BTC").json()
    assert chance["market"]["state"] == "offline"


def test_a_chance_says_what_is_in_force(world: World) -> None:
    world.house.conditions.change(
        market="KRW-BTC", bid_fee=D("0.0004"), min_total=D(6000), max_total=D(7_000_000)
    )

    chance = world.get("/v1/orders/chance", market="KRW-BTC").json()

    assert (chance["bid_fee"], chance["ask_fee"]) == ("0.0004", "0.0005")
    market = chance["market"]
    assert (market["name"], market["state"]) == ("BTC/KRW", "active")
    assert market["bid"] == {"currency": "KRW", "min_total": "6000"}
    assert market["max_total"] == "7000000"
    assert set(market["bid_types"]) == {
        "limit",
        "price",
        "limit_ioc",
        "limit_fok",
        "best_ioc",
        "best_fok",
    }
    assert problem(world.get("/v1/orders/chance", market="KRW-NOPE")) == (
        400,
        "notfoundmarket",
    )
    assert problem(world.get("/v1/orders/chance")) == (400, "validation_error")


# --- tests and identifiers ---------------------------------------------------------


def test_a_test_order_answers_like_a_real_one_and_books_nothing(world: World) -> None:
    answer = world.post("/v1/orders/test", **LIMIT, identifier="tried")
    order = answer.json()

    assert answer.status_code == 201
    assert (order["state"], order["locked"]) == ("wait", "15584.9886")
    assert answer.headers["Remaining-Req"].startswith("group=order-test")
    assert _krw(world) == (world.cash, 0)
    for name in ({"uuid": order["uuid"]}, {"identifier": "tried"}):
        assert problem(world.get("/v1/order", **name)) == (404, "order_not_found")


def _twice(world: World, path: str, asked: dict[str, Any]) -> requests.Response:
    """Send an order that is not placed, then a good one with the same identifier."""
    world.post(path, **asked, identifier="again")
    return world.post("/v1/orders", **LIMIT, identifier="again")


@pytest.mark.parametrize(
    ("switch", "path", "asked"),
    [
        ("burn_tested", "/v1/orders/test", LIMIT),
        ("burn_refused", "/v1/orders", {**LIMIT, "volume": "1"}),
    ],
)
def test_an_identifier_that_became_no_order_may_be_used_up(
    world: World, switch: str, path: str, asked: dict[str, Any]
) -> None:
    world.assume(**{switch: "yes"})
    assert problem(_twice(world, path, asked)) == (400, "duplicated_identifier")
    assert problem(world.get("/v1/order", identifier="again")) == (
        404,
        "order_not_found",
    )


@pytest.mark.parametrize(
    ("path", "asked"),
    [("/v1/orders/test", LIMIT), ("/v1/orders", {**LIMIT, "volume": "1"})],
)
def test_an_identifier_that_became_no_order_is_free_by_default(
    world: World, path: str, asked: dict[str, Any]
) -> None:
    assert _twice(world, path, asked).status_code == 201


def test_an_identifier_is_used_up_by_its_order_for_ever(world: World) -> None:
    first = world.order(**MARKET_BUY, identifier="once")
    world.look(first["uuid"])

    again = world.post("/v1/orders", **LIMIT, identifier="once")

    assert problem(again) == (400, "duplicated_identifier")
    assert world.get("/v1/order", identifier="once").json()["uuid"] == first["uuid"]
