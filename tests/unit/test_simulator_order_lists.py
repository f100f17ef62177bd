"""Orders looked up and listed over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from deploy.simulator.exchange.venue import instant
from tests.unit.exchange_world import (
    MARKET_BUY,
    SECRET,
    START_MS,
    World,
    exchange,
    names,
    problem,
)

DAY_MS = 86_400_000


@pytest.fixture
def world() -> Iterator[World]:
    with exchange() as running:
        yield running


def _listed(world: World, path: str, **query: Any) -> list[str]:
    answer = world.get(path, **query)
    assert answer.status_code == 200, answer.text
    return names(answer.json())


def test_the_uuid_wins_over_the_identifier(world: World) -> None:
    first, _ = world.rest("first"), world.rest("second")

    found = world.get("/v1/order", uuid=first, identifier="second").json()

    assert found["identifier"] == "first"
    assert problem(world.get("/v1/order")) == (400, "validation_error")
    assert problem(world.get("/v1/order", uuid="x", identifier="first")) == (
        404,
        "order_not_found",
    )


def test_orders_of_another_pocket_are_not_found(world: World) -> None:
    uuid = world.rest("mine")
    world.house.keys.add(access_key="other", secret=SECRET, now=instant(START_MS))
    world.house.venue.open_account(account="other", krw=world.cash)

    def call(method: str, path: str, **query: Any) -> Any:
        return world.call(method, path, query=query, access_key="other")

    for query in ({"uuid": uuid}, {"identifier": "mine"}):
        for method in ("GET", "DELETE"):
            answer = call(method, "/v1/order", **query)
            assert problem(answer) == (404, "order_not_found")
    for path in ("/v1/orders/open", "/v1/orders/closed", "/v1/orders"):
        assert call("GET", path).json() == []
    assert call("GET", "/v1/orders/uuids", uuids_=[uuid]).json() == []
    assert call("DELETE", "/v1/orders/open").json()["success"]["count"] == 0


def test_orders_are_found_by_up_to_a_hundred_ids_of_one_kind(world: World) -> None:
    uuids = [world.rest("first"), world.rest("second", market="KRW-USDT")]
    path = "/v1/orders/uuids"

    assert _listed(world, path, uuids_=uuids) == ["second", "first"]
    assert _listed(world, path, identifiers_=["first", "second", "unknown"]) == [
        "second",
        "first",
    ]
    assert _listed(world, path, uuids_=uuids, order_by="asc") == ["first", "second"]
    assert _listed(world, path, uuids_=uuids, market="KRW-BTC") == ["first"]
    for query in (
        {},
        {"uuids_": uuids, "identifiers_": ["first"]},
        {"uuids_": [str(number) for number in range(101)]},
    ):
        assert problem(world.get(path, **query)) == (400, "validation_error")


def test_open_orders_come_in_pages_newest_first(world: World) -> None:
    for number in range(5):
        world.rest(f"n{number}")
    world.rest("other", market="KRW-USDT")
    path = "/v1/orders/open"

    assert _listed(world, path)[:2] == ["other", "n4"]
    btc = {"market": "KRW-BTC", "limit": 2}
    assert _listed(world, path, page=1, **btc) == ["n4", "n3"]
    assert _listed(world, path, page=3, **btc) == ["n0"]
    assert _listed(world, path, page=4, **btc) == []
    assert _listed(world, path, page=2, order_by="asc", **btc) == ["n2", "n3"]
    assert _listed(world, path, state="watch") == []
    assert len(_listed(world, path, states_=["wait", "watch"])) == 6


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/v1/orders/open", {"limit": 101}),
        ("/v1/orders/open", {"limit": 0}),
        ("/v1/orders/open", {"page": "first"}),
        ("/v1/orders/open", {"state": "done"}),
        ("/v1/orders/open", {"order_by": "up"}),
        ("/v1/orders/closed", {"limit": 1001}),
        ("/v1/orders/closed", {"state": "wait"}),
        ("/v1/orders/closed", {"state": "done", "states_": ["cancel"]}),
        ("/v1/orders/closed", {"start_time": "yesterday"}),
        ("/v1/orders/closed", {"start_time": "9" * 30}),
        ("/v1/orders/closed", {"start_time": "9999-12-31T00:00:00Z"}),
        ("/v1/orders/closed", {"end_time": "0001-01-01T00:00:00Z"}),
        (
            "/v1/orders/closed",
            {"start_time": "2026-05-01T00:00:00Z", "end_time": "2026-05-09T00:00:00Z"},
        ),
        (
            "/v1/orders/closed",
            {"start_time": "2026-05-02T00:00:00Z", "end_time": "2026-05-01T00:00:00Z"},
        ),
    ],
)
def test_lists_asked_wrongly_are_refused(
    world: World, path: str, query: dict[str, Any]
) -> None:
    assert problem(world.get(path, **query)) == (400, "invalid_parameter")


def _closed_on_days(world: World) -> dict[str, int]:
    """Buy something on each of some days; return when, by name."""
    made = {}
    for day in (0, 5, 9, 12):
        world.now_ms = START_MS + day * DAY_MS
        world.look(world.order(**MARKET_BUY, identifier=f"day{day}")["uuid"])
        made[f"day{day}"] = START_MS + day * DAY_MS
    return made


def test_closed_orders_are_those_made_within_seven_days(world: World) -> None:
    made = _closed_on_days(world)
    path, ninth = "/v1/orders/closed", instant(made["day9"])
    as_text = (ninth - timedelta(hours=1)).isoformat()

    assert _listed(world, path) == ["day12", "day9"]
    assert _listed(world, path, start_time=made["day0"]) == ["day5", "day0"]
    assert _listed(world, path, end_time=made["day9"]) == ["day9", "day5"]
    assert _listed(world, path, start_time=as_text) == ["day12", "day9"]
    window = {"start_time": made["day5"], "end_time": made["day9"]}
    assert _listed(world, path, **window) == ["day9", "day5"]
    assert _listed(world, path, order_by="asc", **window) == ["day5", "day9"]
    assert _listed(world, path, limit=1, **window) == ["day9"]
    assert _listed(world, path, state="done", **window) == []
    assert _listed(world, path, states_=["done", "cancel"], **window) == [
        "day9",
        "day5",
    ]


def test_an_order_made_long_ago_is_not_among_the_closed_of_this_week(
    world: World,
) -> None:
    uuid = world.rest("old")
    world.now_ms += 10 * DAY_MS
    world.delete("/v1/order", uuid=uuid)

    assert world.look(uuid)["state"] == "cancel"
    assert _listed(world, "/v1/orders/closed") == []
    assert _listed(world, "/v1/orders/closed", start_time=START_MS) == ["old"]


def test_the_old_list_answers_until_it_is_gone(world: World) -> None:
    world.rest("waiting")
    world.look(world.order(**MARKET_BUY, identifier="bought")["uuid"])
    path = "/v1/orders"

    assert _listed(world, path, market="KRW-BTC") == ["waiting"]
    assert _listed(world, path, state="cancel") == ["bought"]
    assert _listed(world, path, states_=["wait", "cancel"]) == ["bought", "waiting"]
    world.assume(old_orders="gone")
    assert problem(world.get(path)) == (404, 404)


@pytest.mark.parametrize(("lag", "milliseconds"), [("short", 500), ("long", 5_000)])
def test_a_new_order_can_be_invisible_for_a_while(
    world: World, lag: str, milliseconds: int
) -> None:
    world.assume(lookup_lag=lag)
    world.order(**MARKET_BUY, identifier="new")
    world.pass_time(ms=milliseconds - 1)

    assert problem(world.get("/v1/order", identifier="new")) == (404, "order_not_found")
    assert _listed(world, "/v1/orders/uuids", identifiers_=["new"]) == []
    assert _listed(world, "/v1/orders/closed") == []
    world.pass_time(ms=1)
    assert world.get("/v1/order", identifier="new").json()["state"] == "cancel"
    assert _listed(world, "/v1/orders/uuids", identifiers_=["new"]) == ["new"]
