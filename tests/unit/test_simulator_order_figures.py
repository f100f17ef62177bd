"""The order object over HTTP: the documented figures to the last digit."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from tests.unit.exchange_world import ACCESS, MARKET_BUY, World, exchange
from user_project.trading.matching_orders import Level

D = Decimal
LIMIT = {
    "market": "KRW-BTC",
    "side": "bid",
    "ord_type": "limit",
    "price": "155772000",
    "volume": "0.0001",
}
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


def _give(world: World, currency: str, amount: str) -> None:
    world.house.venue.engine.deposit(
        account=ACCESS, currency=currency, amount=D(amount)
    )


def _krw(world: World) -> tuple[Decimal, Decimal]:
    rows = {one["currency"]: one for one in world.get("/v1/accounts").json()}
    return D(rows["KRW"]["balance"]), D(rows["KRW"]["locked"])


# --- the worked examples of the documentation --------------------------------------


def test_a_limit_buy_just_accepted_binds_its_total_and_the_fee(world: World) -> None:
    order = world.order(**LIMIT)

    assert order == {
        "market": "KRW-BTC",
        "uuid": order["uuid"],
        "side": "bid",
        "ord_type": "limit",
        "price": "155772000",
        "state": "wait",
        "created_at": "2026-05-29T05:27:00+09:00",
        "volume": "0.0001",
        "remaining_volume": "0.0001",
        "executed_volume": "0",
        "reserved_fee": "7.7886",
        "remaining_fee": "7.7886",
        "paid_fee": "0",
        "locked": "15584.9886",
        "trades_count": 0,
        "prevented_volume": "0",
        "prevented_locked": "0",
        "smp_type": "cancel_maker",
    }
    assert world.look(order["uuid"])["trades"] == []
    assert _krw(world) == (world.cash - D("15584.9886"), D("15584.9886"))


def test_a_market_buy_used_up_ends_cancelled_and_keeps_its_rest(world: World) -> None:
    accepted = world.order(**MARKET_BUY)
    ended = world.look(accepted["uuid"])

    assert (accepted["state"], accepted["locked"]) == ("wait", "6003")
    assert accepted["reserved_fee"] == accepted["remaining_fee"] == "3"
    assert ended["state"] == "cancel"
    assert ended["executed_volume"] == "0.00003736"
    assert ended["reserved_fee"] == "3"
    assert ended["paid_fee"] == "2.99989592"
    assert ended["remaining_fee"] == "0.00010408"
    assert ended["locked"] == "0.20826408"
    assert ended["trades_count"] == 1
    assert not {"volume", "remaining_volume"} & set(ended)
    (trade,) = ended["trades"]
    assert trade == {
        "market": "KRW-BTC",
        "uuid": trade["uuid"],
        "price": "160594000",
        "volume": "0.00003736",
        "funds": "5999.79184",
        "trend": "up",
        "created_at": "2026-05-29T05:27:00.100000+09:00",
        "side": "bid",
    }
    spent = D("5999.79184") + D("2.99989592")
    assert _krw(world) == (world.cash - spent, 0)


def test_a_market_sell_is_done_and_pays_its_fee_from_the_proceeds(
    world: World,
) -> None:
    _give(world, "USDT", "5.377594")
    bids = (Level(D(1375), D(1000)),)
    world.feeds["KRW-USDT"].bids = bids

    accepted = world.order(**MARKET_SELL)
    ended = world.look(accepted["uuid"])

    assert (accepted["locked"], accepted["reserved_fee"]) == ("5.377594", "0")
    assert (ended["state"], ended["remaining_volume"]) == ("done", "0")
    assert ended["paid_fee"] == "3.697095875"
    assert "price" not in ended
    assert ended["trades"][0]["funds"] == "7394.19175"
    assert ended["trades"][0]["trend"] == "down"
    assert _krw(world) == (world.cash + D("7394.19175") - D("3.697095875"), 0)


def test_a_market_buy_waiting_shows_what_the_documentation_shows(
    world: World,
) -> None:
    order = world.order(**{**MARKET_BUY, "price": "5500"})

    assert (order["price"], order["locked"]) == ("5500", "5502.75")
    assert order["reserved_fee"] == order["remaining_fee"] == "2.75"


def test_an_order_partly_filled_and_cancelled_shows_both_parts(world: World) -> None:
    world.feeds["KRW-BTC"].asks = (Level(D(155_000_000), D("0.00004")),)
    order = world.order(**LIMIT)

    partly = world.look(order["uuid"])
    world.delete("/v1/order", uuid=order["uuid"])
    ended = world.look(order["uuid"])

    assert (partly["state"], partly["executed_volume"]) == ("wait", "0.00004")
    assert ended["state"] == "cancel"
    assert ended["executed_volume"] == "0.00004"
    assert ended["remaining_volume"] == "0.00006"
    assert _krw(world)[1] == 0


def test_a_resting_order_that_somebody_sells_to_trends_down(world: World) -> None:
    order = world.order(**LIMIT)
    world.pass_time()
    world.house.venue.inject(
        market="KRW-BTC", price=D(155_000_000), volume=D(1), now_ms=world.now_ms
    )

    (trade,) = world.look(order["uuid"])["trades"]

    assert (trade["price"], trade["side"], trade["trend"]) == (
        "155772000",
        "bid",
        "down",
    )


# --- what nobody knows for certain -------------------------------------------------


def test_amounts_can_be_padded(world: World) -> None:
    world.assume(numbers="padded")
    order = world.order(**LIMIT)

    assert order["price"] == "155772000.00000000"
    assert order["reserved_fee"] == "7.78860000"
    assert order["trades_count"] == 0
    rows = world.get("/v1/accounts").json()
    assert rows[0]["locked"] == "15584.98860000"


def test_amounts_that_do_not_apply_can_be_null(world: World) -> None:
    world.assume(absent_amounts="null")
    buy = world.order(**MARKET_BUY)
    _give(world, "USDT", "6")
    sell = world.order(**MARKET_SELL)

    assert (buy["volume"], buy["remaining_volume"]) == (None, None)
    assert sell["price"] is None
    assert "identifier" not in buy


def test_executed_funds_can_be_present(world: World) -> None:
    world.assume(executed_funds="present")
    order = world.order(**MARKET_BUY)

    assert order["executed_funds"] == "0"
    assert world.look(order["uuid"])["executed_funds"] == "5999.79184"


def test_the_answer_to_a_new_order_can_have_microseconds(world: World) -> None:
    world.assume(created_at="microseconds")
    order = world.order(**MARKET_BUY)

    assert order["created_at"] == "2026-05-29T05:27:00.000000+09:00"
    assert world.look(order["uuid"])["created_at"] == "2026-05-29T05:27:00+09:00"


@pytest.mark.parametrize(
    ("assumed", "asked", "smp_type"),
    [
        ("cancel_maker", {}, "cancel_maker"),
        ("none", {}, "none"),
        ("cancel_maker", {"smp_type": "reduce"}, "reduce"),
        ("cancel_maker", {"smp_type": "none"}, "none"),
        ("cancel_maker", {"time_in_force": "post_only"}, "none"),
    ],
)
def test_an_order_always_says_how_it_treats_its_own(
    world: World, assumed: str, asked: dict[str, str], smp_type: str
) -> None:
    world.assume(smp_default=assumed)

    order = world.order(**LIMIT, **asked)

    assert order["smp_type"] == smp_type
    assert order.get("time_in_force") == asked.get("time_in_force")
