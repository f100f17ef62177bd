"""Upbit's own client as a judge: `ws_stream` of `Upbit`, unmodified but for the address."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from itertools import islice
from typing import Any

import pytest
from upbit import Upbit
from upbit.types.order import Order
from websockets.exceptions import InvalidStatus

from tests.system.judge_world import (
    BUSY,
    QUIET,
    TRADER,
    Exchange,
    Key,
    eventually,
    exchange,
    next_second,
    sdk_client,
    within,
)

PATIENCE = 60


@pytest.fixture(scope="module")
def upbit() -> Iterator[Exchange]:
    with exchange() as running:
        yield running


@pytest.fixture(scope="module")
def client(upbit: Exchange) -> Iterator[Upbit]:
    with sdk_client(upbit, TRADER) as client:  # its http turns into ws by itself
        yield client


@pytest.fixture(autouse=True)
def _fresh_limits() -> None:
    """Nobody may connect more often than five times in a second."""
    next_second()


def _take(events: Iterable[Any], count: int) -> list[Any]:
    with within(PATIENCE):
        return list(islice(events, count))


def _until(events: Iterable[Any], wanted: Callable[[Any], bool]) -> list[Any]:
    seen: list[Any] = []
    with within(PATIENCE):
        for one in events:
            seen.append(one)
            if wanted(one):
                return seen
    raise AssertionError("the stream ended")


def _buy(client: Upbit, won: str) -> Order:
    return client.orders.create(market=BUSY, side="bid", ord_type="price", price=won)


# --- prices -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ticker", "trade", "orderbook", "candle"])
def test_a_stream_begins_with_a_snapshot_and_goes_on(
    upbit: Exchange, client: Upbit, kind: str
) -> None:
    best = upbit.best(BUSY)
    with getattr(client.ws_stream, kind)([BUSY]) as stream:
        (first,) = _take(stream, 1)
        upbit.trade(BUSY, best["ask_price"], Decimal("0.01"))
        (second,) = _take(stream, 1)

    assert first.type == ("candle.1s" if kind == "candle" else kind)
    assert (first.code, first.stream_type) == (BUSY, "SNAPSHOT")
    assert (second.code, second.stream_type) == (BUSY, "REALTIME")
    assert int(second.timestamp) >= int(first.timestamp)


def test_a_ticker_says_what_the_rest_of_the_exchange_says(
    upbit: Exchange, client: Upbit
) -> None:
    with client.ws_stream.ticker([QUIET]) as stream:
        (snapshot,) = _take(stream, 1)
    (row,) = upbit.get("/v1/ticker", markets=QUIET)

    assert Decimal(snapshot.trade_price) == row["trade_price"]
    assert Decimal(snapshot.prev_closing_price) == row["prev_closing_price"]
    assert snapshot.market_state == "ACTIVE"


def test_somebody_elses_trade_is_seen_at_once(upbit: Exchange, client: Upbit) -> None:
    best = upbit.best(QUIET)
    with client.ws_stream.trade([QUIET]) as stream:
        _take(stream, 1)
        upbit.trade(QUIET, best["ask_price"], Decimal("3.5"))
        (seen,) = _take(stream, 1)

    assert (Decimal(seen.trade_price), seen.trade_volume) == (best["ask_price"], "3.5")
    assert seen.stream_type == "REALTIME"


def test_a_book_can_be_asked_for_fewer_levels(client: Upbit) -> None:
    with client.ws_stream.orderbook([f"{BUSY}.5"]) as stream:
        (book,) = _take(stream, 1)

    assert len(book.orderbook_units) == 5
    assert Decimal(book.orderbook_units[0].bid_price) < Decimal(
        book.orderbook_units[0].ask_price
    )


def test_one_connection_carries_several_kinds(client: Upbit) -> None:
    with client.ws_stream.subscribe(
        ticker=[BUSY, QUIET], orderbook=[BUSY], candle={"1m": [BUSY]}
    ) as stream:
        events = _take(stream, 4)
        listed = stream.list_subscriptions()

    assert {(one.type, one.code) for one in events} == {
        ("ticker", BUSY),
        ("ticker", QUIET),
        ("orderbook", BUSY),
        ("candle.1m", BUSY),
    }
    assert {one.type for one in listed.result} == {"ticker", "orderbook", "candle.1m"}


def test_the_short_form_has_the_same_values_under_short_names(client: Upbit) -> None:
    with client.ws_stream.ticker([QUIET]) as stream:
        (long,) = _take(stream, 1)
    with client.ws_stream.ticker([QUIET], format="SIMPLE") as stream:
        (short,) = _take(stream, 1)

    assert (short.ty, short.cd, short.st) == ("ticker", QUIET, "SNAPSHOT")
    assert short.tp == long.trade_price
    assert short.pcp == long.prev_closing_price


# --- the account's own --------------------------------------------------------------


def test_a_market_buy_is_told_from_waiting_to_its_returned_rest(client: Upbit) -> None:
    with client.ws_stream.my_order([]) as stream:
        order = _buy(client, "50000")
        events = _until(stream, lambda one: one.state in ("done", "cancel"))

    assert {one.uuid for one in events} == {order.uuid}
    states = [one.state for one in events]
    assert states[-1] == "cancel"  # the few won left over came back
    traded = [one for one in events if one.state == "trade"]
    assert traded
    assert all(one.trade_uuid and one.is_maker is False for one in traded)
    funds = sum(Decimal(one.price) * Decimal(one.volume) for one in traded)
    fees = sum(Decimal(one.trade_fee) for one in traded)
    assert fees == funds * Decimal("0.0005")
    assert Decimal(events[-1].executed_funds) == funds


def test_a_resting_order_is_told_to_wait_and_then_canceled(client: Upbit) -> None:
    with client.ws_stream.my_order([BUSY]) as stream:
        order = client.orders.create(
            market=BUSY,
            side="bid",
            ord_type="limit",
            price="100000000",
            volume="0.001",
            identifier="streamed-1",
        )
        _until(stream, lambda one: one.state == "wait")
        client.orders.cancel(uuid=order.uuid)
        ended = _until(stream, lambda one: one.state == "cancel")[-1]

    assert (ended.uuid, ended.identifier) == (order.uuid, "streamed-1")
    assert (ended.ask_bid, ended.order_type) == ("BID", "limit")
    assert Decimal(ended.executed_volume) == 0


def test_a_part_of_a_resting_order_is_told_as_a_makers_trade(
    upbit: Exchange, client: Upbit
) -> None:
    price = upbit.inside(QUIET)
    with client.ws_stream.my_order([QUIET]) as stream:
        order = client.orders.create(
            market=QUIET,
            side="bid",
            ord_type="limit",
            price=f"{price:f}",
            volume="1000",
        )
        eventually(lambda: upbit.orders(TRADER)[order.uuid]["arrived"])
        upbit.trade(QUIET, price, Decimal(400))
        traded = _until(stream, lambda one: one.state == "trade")[-1]
        client.orders.cancel(uuid=order.uuid)
        ended = _until(stream, lambda one: one.state == "cancel")[-1]

    assert (traded.is_maker, Decimal(traded.volume)) == (True, 400)
    assert Decimal(traded.remaining_volume) == 600
    assert (Decimal(ended.executed_volume), Decimal(ended.remaining_volume)) == (
        400,
        600,
    )


def test_assets_are_told_as_they_change(upbit: Exchange, client: Upbit) -> None:
    with client.ws_stream.my_asset() as stream:
        order = client.orders.create(
            market=BUSY, side="bid", ord_type="limit", price="100000000", volume="0.001"
        )
        locked = _take(stream, 1)[0]
        client.orders.cancel(uuid=order.uuid)
        freed = _take(stream, 1)[0]

    (before,) = (one for one in locked.assets if one.currency == "KRW")
    (after,) = (one for one in freed.assets if one.currency == "KRW")
    assert Decimal(before.locked) == Decimal("100050")
    assert Decimal(after.balance) == Decimal(before.balance) + Decimal("100050")
    assert upbit.balances(TRADER)["KRW"] == (Decimal(after.balance), 0)


# --- trouble ------------------------------------------------------------------------


def test_a_wrong_key_is_refused_at_the_door(upbit: Exchange) -> None:
    forger = sdk_client(upbit, Key(access=TRADER.access, secret="n" * 64))

    with (
        pytest.raises(InvalidStatus) as refusal,
        forger.ws_stream.my_order([]) as stream,
    ):
        stream.recv()

    assert refusal.value.response.status_code == 401


def test_a_lost_connection_is_made_again_and_misses_what_happened_meanwhile(
    upbit: Exchange, client: Upbit
) -> None:
    later: list[Order] = []
    manager = client.ws_stream.my_order(
        [], on_reconnect=lambda: later.append(_buy(client, "6000"))
    )
    upbit.admin("faults", {"endpoint": "ws myOrder", "kind": "close", "nth": [1]})

    with manager as stream:
        missed = _buy(client, "6000")
        events = _until(stream, lambda one: later and one.state == "cancel")

    # Nothing is told again: after a gap, only asking helps.
    assert {one.uuid for one in events} == {later[0].uuid}
    assert client.orders.retrieve(uuid=missed.uuid).state == "cancel"
