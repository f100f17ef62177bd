"""What an account's stream tells: every step of an order, every change of a wallet."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from upbit.types.connect_private_server_event import MyAsset, MyOrder

from deploy.simulator.streams.fields import SHORT_NAMES
from deploy.simulator.streams.private import Holdings, holdings, my_asset, my_order
from tests.unit.matching_desk import NOW, Desk
from user_project.trading.matching import MatchingEngine
from user_project.trading.matching_events import Event, Placed

D = Decimal
NOW_MS = int(NOW.timestamp() * 1000)


class Watched(Desk):
    """A desk whose account is listened to."""

    def __init__(self, **balances: str) -> None:
        self.orders: list[dict[str, Any]] = []
        self.assets: list[dict[str, Any]] = []
        self._known: Holdings = {}
        self.engine = MatchingEngine(observe=self._hear)
        self.count = 0
        self.open("owner", **balances)
        self.assets.clear()

    def _hear(self, event: Event) -> None:
        if isinstance(event, Placed):
            order = event.order
        elif hasattr(event, "uuid"):
            order = self.engine.order(uuid=event.uuid)
        else:
            order = None
        if order is not None:
            told = my_order(event=event, order=order, now_ms=NOW_MS + 161)
            self.orders += [told] if told is not None else []
        after = holdings(self.engine.wallets(account="owner"))
        changed = my_asset(
            pocket="owner", before=self._known, after=after, now_ms=NOW_MS
        )
        self._known = after
        self.assets += [changed] if changed is not None else []

    def states(self, uuid: str | None = None) -> list[str]:
        return [
            row["state"] for row in self.orders if uuid is None or row["uuid"] == uuid
        ]


def test_a_message_has_the_fields_that_the_official_client_reads() -> None:
    desk = Watched(KRW="100000")
    desk.place("bid", "price", price="50000", identifier="mine")

    assert set(desk.orders[0]) == set(MyOrder.model_fields)
    assert set(desk.assets[0]) == set(MyAsset.model_fields)
    assert set(SHORT_NAMES["myOrder"]) == set(desk.orders[0])


def test_a_market_buy_is_told_from_acceptance_to_the_rest_that_returns() -> None:
    desk = Watched(KRW="100000")
    order = desk.place("bid", "price", price="50000", identifier="mine")
    order = desk.arrive(order, ("100000000", "0.0001"), "101000000")

    wait, first, second, cancel = desk.orders
    assert [row["state"] for row in desk.orders] == ["wait", "trade", "trade", "cancel"]
    assert (wait["price"], wait["volume"], wait["executed_volume"]) == (
        D(50000),
        None,
        None,
    )
    assert (wait["locked"], wait["reserved_fee"]) == (D("50025"), D(25))
    assert (wait["trade_uuid"], wait["trade_fee"], wait["is_maker"]) == (None,) * 3
    assert wait["trade_timestamp"] is None
    assert (wait["identifier"], wait["ask_bid"]) == ("mine", "BID")
    assert (first["price"], first["volume"]) == (D(100000000), D("0.0001"))
    assert (first["trade_fee"], first["is_maker"], first["trades_count"]) == (
        D(5),
        False,
        1,
    )
    assert second["trade_uuid"] not in (None, first["trade_uuid"])
    assert cancel["locked"] == order.locked > 0
    assert cancel["price"] == D(50000)
    trades = [first, second]
    assert sum(row["volume"] for row in trades) == cancel["executed_volume"]
    assert sum(row["trade_fee"] for row in trades) == cancel["paid_fee"]
    assert (
        sum(row["price"] * row["volume"] for row in trades) == cancel["executed_funds"]
    )


def test_a_resting_sell_trades_as_maker_and_is_done() -> None:
    desk = Watched(KRW="0", BTC="1")
    order = desk.rest("ask", "100000000", "0.5")
    desk.walk("100000000", volume="0.2")
    desk.walk("100100000")

    assert desk.states(order.uuid) == ["wait", "trade", "trade", "done"]
    assert [row["is_maker"] for row in desk.orders] == [None, True, True, None]
    assert [row["remaining_volume"] for row in desk.orders] == [
        D("0.5"),
        D("0.3"),
        D(0),
        D(0),
    ]
    assert desk.orders[-1]["avg_price"] == D(100000000)
    assert (desk.orders[0]["avg_price"], desk.orders[0]["executed_volume"]) == (0, 0)


def test_the_average_is_cut_to_eight_decimals() -> None:
    desk = Watched(KRW="100000")
    desk.arrive(
        desk.place("bid", "price", price="90000"), ("7", "3"), ("11", "4"), "13"
    )

    average = desk.orders[-1]["avg_price"]
    exactly = desk.orders[-1]["executed_funds"] / desk.orders[-1]["executed_volume"]
    assert average == exactly.quantize(D("1E-8"))


@pytest.mark.parametrize(
    ("smp", "taker", "maker"),
    [
        ("cancel_maker", ["wait", "trade", "done"], ["wait", "prevented", "cancel"]),
        ("cancel_taker", ["wait", "prevented", "cancel"], ["wait"]),
        ("reduce", ["wait", "prevented", "cancel"], ["wait", "prevented"]),
        ("none", ["wait", "trade", "done"], ["wait", "trade"]),
    ],
)
def test_prevention_is_told_and_then_the_end_of_what_is_empty(
    smp: str, taker: list[str], maker: list[str]
) -> None:
    desk = Watched(KRW="100000000", BTC="1")
    resting = desk.rest("ask", "100000000", "0.2")
    coming = desk.place(
        "bid", "limit", price="100000000", volume="0.1", smp=smp, tif="ioc"
    )
    desk.arrive(coming, "100000000")

    assert desk.states(coming.uuid) == taker
    assert desk.states(resting.uuid) == maker
    prevented = [row for row in desk.orders if row["state"] == "prevented"]
    assert all(row["prevented_volume"] > 0 for row in prevented)
    assert all(row["prevented_locked"] > 0 for row in prevented)


def test_times_are_milliseconds_and_an_order_s_are_whole_seconds() -> None:
    desk = Watched(KRW="100000")
    desk.arrive(desk.place("bid", "price", price="50000"), "100000000")

    trade, ended = desk.orders[1], desk.engine.order(uuid=desk.orders[1]["uuid"])
    later = replace(ended, created_at=NOW + timedelta(milliseconds=999))
    told = my_order(event=Placed(order=later), order=later, now_ms=NOW_MS)
    assert (trade["trade_timestamp"], trade["timestamp"]) == (NOW_MS, NOW_MS + 161)
    assert trade["order_timestamp"] == NOW_MS
    assert told is not None
    assert told["order_timestamp"] == NOW_MS


def test_only_the_wallets_that_changed_are_told_with_all_their_digits() -> None:
    desk = Watched(KRW="100000", XRP="5")
    desk.arrive(desk.place("bid", "price", price="50000"), "99000000")

    locked, traded, returned = desk.assets
    assert locked["assets"] == [
        {"currency": "KRW", "balance": D(49975), "locked": D(50025)}
    ]
    assert {row["currency"] for row in traded["assets"]} == {"KRW", "BTC"}
    assert {row["currency"] for row in returned["assets"]} == {"KRW"}
    final = {
        row["currency"]: (row["balance"], row["locked"])
        for message in desk.assets
        for row in message["assets"]
    }
    known = holdings(desk.engine.wallets(account="owner"))
    assert final == {name: known[name] for name in ("KRW", "BTC")}


def test_an_account_keeps_its_asset_id() -> None:
    desk = Watched(KRW="100000")
    desk.place("bid", "price", price="5000")
    desk.place("bid", "price", price="6000")
    other = my_asset(
        pocket="other", before={}, after={"KRW": (D(1), D(0))}, now_ms=NOW_MS
    )

    assert other is not None
    assert len({row["asset_uuid"] for row in desk.assets}) == 1
    assert other["asset_uuid"] != desk.assets[0]["asset_uuid"]


def test_no_change_is_not_told() -> None:
    same: Holdings = {"KRW": (D("1.0"), D(0))}

    assert my_asset(pocket="p", before=same, after=dict(same), now_ms=NOW_MS) is None
