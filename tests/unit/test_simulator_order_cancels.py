"""Orders cancelled one by one, many at once, and replaced, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.exchange_world import (
    MARKET_BUY,
    World,
    exchange,
    names,
    problem,
)


@pytest.fixture
def world() -> Iterator[World]:
    with exchange() as running:
        yield running


# --- cancellations -----------------------------------------------------------------


def test_a_cancellation_is_a_wish_that_comes_true_later(world: World) -> None:
    uuid = world.rest("resting")

    received = world.delete("/v1/order", identifier="resting")
    again = world.delete("/v1/order", uuid=uuid)
    still = world.get("/v1/order", uuid=uuid).json()

    assert (received.status_code, again.status_code) == (200, 200)
    assert received.json()["state"] == still["state"] == "wait"
    assert world.look(uuid)["state"] == "cancel"
    assert problem(world.delete("/v1/order", uuid=uuid)) == (404, "order_not_found")
    world.assume(cancel_finished="bad_request")
    assert problem(world.delete("/v1/order", uuid=uuid)) == (400, "bad_request")
    assert problem(world.delete("/v1/order", uuid="unknown")) == (
        404,
        "order_not_found",
    )


def test_orders_are_cancelled_by_up_to_twenty_ids(world: World) -> None:
    uuid = world.rest("resting")
    world.look(world.order(**MARKET_BUY, identifier="bought")["uuid"])
    path = "/v1/orders/uuids"

    answer = world.delete(path, identifiers_=["resting", "bought", "unknown"]).json()

    assert answer["success"] == {
        "count": 1,
        "orders": [{"uuid": uuid, "market": "KRW-BTC", "identifier": "resting"}],
    }
    assert answer["failed"]["count"] == 2
    assert sorted(names(answer["failed"]["orders"])) == ["bought", "unknown"]
    assert world.look(uuid)["state"] == "cancel"
    many = [str(number) for number in range(21)]
    assert problem(world.delete(path, uuids_=many)) == (400, "validation_error")


@pytest.mark.parametrize(
    ("query", "cancelled"),
    [
        ({}, ["usdt", "sell", "buy2", "buy1"]),
        ({"cancel_side": "ask"}, ["sell"]),
        ({"cancel_side": "bid"}, ["usdt", "buy2", "buy1"]),
        ({"pairs": "KRW-BTC"}, ["sell", "buy2", "buy1"]),
        ({"excluded_pairs": "KRW-BTC,KRW-XRP"}, ["usdt"]),
        ({"pairs": "KRW-BTC,KRW-USDT", "excluded_pairs": "KRW-BTC"}, ["usdt"]),
        ({"quote_currencies": "BTC,USDT"}, []),
        ({"quote_currencies": "KRW", "count": 2}, ["usdt", "sell"]),
        ({"count": 2, "order_by": "asc"}, ["buy1", "buy2"]),
    ],
)
def test_open_orders_are_cancelled_by_conditions(
    world: World, query: dict[str, Any], cancelled: list[str]
) -> None:
    world.look(world.order(**MARKET_BUY)["uuid"])
    world.rest("buy1")
    world.rest("buy2")
    world.rest("sell", side="ask", price="500000000", volume="0.00003")
    world.rest("usdt", market="KRW-USDT")

    answer = world.delete("/v1/orders/open", **query).json()
    world.pass_time()

    assert names(answer["success"]["orders"]) == cancelled
    assert answer["success"]["count"] == len(cancelled)
    assert answer["failed"] == {"count": 0, "orders": []}
    left = {"usdt", "sell", "buy2", "buy1"} - set(cancelled)
    assert set(names(world.get("/v1/orders/open").json())) == left


@pytest.mark.parametrize(
    "query",
    [
        {"pairs": "KRW-BTC", "quote_currencies": "KRW"},
        {"pairs": ",".join(f"KRW-X{number}" for number in range(21))},
        {"count": 301},
        {"cancel_side": "both"},
    ],
)
def test_bulk_cancellations_asked_wrongly_are_refused(
    world: World, query: dict[str, Any]
) -> None:
    answer = world.delete("/v1/orders/open", **query)

    assert problem(answer) == (400, "invalid_parameter")


def test_nothing_is_cancelled_in_a_maintenance(world: World) -> None:
    uuid = world.rest("resting")
    world.pass_time()
    world.get("/v1/accounts")
    world.house.conditions.change(market="KRW-BTC", offline=True)

    one = world.delete("/v1/order", uuid=uuid)
    every = world.delete("/v1/orders/open").json()

    assert problem(one) == (403, "market_offline")
    assert names(every["failed"]["orders"]) == ["resting"]


# --- cancel and new ----------------------------------------------------------------


def _replaced(world: World, **asked: Any) -> Any:
    new = {"new_ord_type": "limit", "new_price": "99000000", "new_volume": "0.002"}
    return world.post("/v1/orders/cancel_and_new", **{**new, **asked})


def test_an_order_is_replaced_once_it_is_cancelled(world: World) -> None:
    old = world.rest("old")

    answer = _replaced(
        world,
        prev_order_identifier="old",
        new_identifier="new",
        new_smp_type="none",
        new_time_in_force="post_only",
    )
    early = world.get("/v1/order", identifier="new")
    new = world.look(answer.json()["new_order_uuid"])

    assert answer.status_code == 201
    assert (answer.json()["uuid"], answer.json()["state"]) == (old, "wait")
    assert answer.json()["new_order_identifier"] == "new"
    assert problem(early) == (404, "order_not_found")
    assert world.get("/v1/order", uuid=old).json()["state"] == "cancel"
    assert (new["price"], new["volume"]) == ("99000000", "0.002")
    assert (new["identifier"], new["time_in_force"]) == ("new", "post_only")
    assert new["market"], new["side"] == ("KRW-BTC", "bid")


def test_a_replacement_may_take_what_is_left_and_the_money_of_the_old(
    world: World,
) -> None:
    old = world.rest("all-in", volume="0.9")

    answer = _replaced(world, prev_order_uuid=old, new_volume="remain_only").json()
    new = world.look(answer["new_order_uuid"])

    assert (new["volume"], new["state"]) == ("0.9", "wait")
    assert "new_order_identifier" not in answer


def test_an_order_that_fills_first_is_not_replaced(world: World) -> None:
    uuid = world.order(**MARKET_BUY)["uuid"]

    answer = _replaced(world, prev_order_uuid=uuid, new_identifier="never").json()

    assert world.look(uuid)["executed_volume"] != "0"
    for name in ({"uuid": answer["new_order_uuid"]}, {"identifier": "never"}):
        assert problem(world.get("/v1/order", **name)) == (404, "order_not_found")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"prev_order_uuid": ""}, (400, "validation_error")),
        ({"prev_order_identifier": "unknown"}, (404, "order_not_found")),
        ({"new_identifier": "old"}, (400, "invalid_parameter")),
        ({"new_identifier": "used"}, (400, "duplicated_identifier")),
        ({"new_price": "99000500"}, (400, "invalid_price_bid")),
        ({"new_price": None}, (400, "create_bid_error")),
        ({"new_ord_type": None}, (400, "validation_error")),
        ({"new_volume": "rest"}, (400, "invalid_parameter")),
        ({"new_time_in_force": "gtc"}, (400, "invalid_time_in_force")),
    ],
)
def test_a_replacement_asked_wrongly_leaves_the_old_order(
    world: World, asked: dict[str, Any], expected: tuple[int, str]
) -> None:
    old = world.rest("old")
    world.rest("used")
    if not any(name.startswith("prev") for name in asked):
        asked = {**asked, "prev_order_uuid": old}

    assert problem(_replaced(world, **asked)) == expected
    assert world.look(old)["state"] == "wait"


def test_what_is_left_of_won_is_no_volume(world: World) -> None:
    uuid = world.order(**MARKET_BUY)["uuid"]

    answer = _replaced(world, prev_order_uuid=uuid, new_volume="remain_only")

    assert problem(answer) == (400, "invalid_parameter")
    assert world.look(uuid)["executed_volume"] == "0.00003736"
