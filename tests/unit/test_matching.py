"""The matching engine follows the exchange's rules to the last digit."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.unit.matching_desk import Desk
from user_project.trading.matching_orders import (
    OrderNotFound,
    OrderRefused,
    State,
    Wallet,
)

D = Decimal


def test_a_limit_buy_locks_its_total_and_the_fee_on_it() -> None:
    desk = Desk(KRW="20000")

    order = desk.place("bid", "limit", price="155772000", volume="0.0001")

    assert (order.state, order.reserved_fee) == (State.WAIT, D("7.7886"))
    assert order.locked == D("15584.9886")
    assert desk.wallet("KRW").locked == D("15584.9886")
    assert desk.wallet("KRW").balance == D("4415.0114")


def test_a_market_buy_that_cannot_spend_its_last_won_ends_cancelled() -> None:
    desk = Desk(KRW="10000")
    order = desk.place("bid", "price", price="6000")

    done = desk.arrive(order, "160594000")

    assert done.state is State.CANCEL
    assert done.executed_volume == D("0.00003736")
    assert done.executed_funds == D("5999.79184")
    assert done.paid_fee == D("2.99989592")
    assert done.remaining_fee == D("0.00010408")
    assert done.locked == D("0.20826408")
    assert desk.wallet("KRW").locked == 0
    assert desk.wallet("KRW").balance == D("10000") - D("5999.79184") - D("2.99989592")
    assert desk.wallet("BTC").balance == D("0.00003736")


def test_a_market_buy_that_spends_everything_is_done() -> None:
    desk = Desk(KRW="10000")
    order = desk.place("bid", "price", price="6000")

    done = desk.arrive(order, "50000000")

    assert (done.state, done.locked) == (State.DONE, D(0))
    assert done.executed_volume == D("0.00012")


def test_a_market_sell_is_done_and_pays_its_fee_from_the_proceeds() -> None:
    desk = Desk(KRW="0", USDT="5.377594")
    order = desk.place(
        "ask", "market", volume="5.377594", market="KRW-USDT", last="1375"
    )

    done = desk.arrive(order, "1375")

    assert (done.state, done.remaining_volume) == (State.DONE, D(0))
    assert done.reserved_fee == 0
    assert done.paid_fee == D("3.697095875")
    assert desk.wallet("KRW").balance == D("7394.19175") - D("3.697095875")
    assert desk.wallet("USDT") == Wallet(balance=D(0), locked=D(0))


def test_a_resting_buy_fills_at_its_own_price_when_the_path_trades_through_it() -> None:
    desk = Desk(KRW="20000")
    order = desk.place("bid", "limit", price="90000000", volume="0.0001")
    desk.arrive(order, "100000000")

    filled = desk.walk("95000000", "80000000")

    assert [trade.price for trade in filled[0].trades] == [D("90000000")]
    assert filled[0].state is State.DONE
    assert desk.wallet("KRW").balance == D("20000") - D("9004.5")


@pytest.mark.parametrize(
    ("side", "limit", "touch", "miss"),
    [
        ("bid", "90000000", "90000000", "90001000"),
        ("ask", "110000000", "110000000", "109999000"),
    ],
)
def test_a_resting_order_fills_at_its_price_and_not_one_tick_before(
    side: str, limit: str, touch: str, miss: str
) -> None:
    desk = Desk(KRW="20000", BTC="0.0001")
    order = desk.place(side, "limit", price=limit, volume="0.0001")
    desk.arrive(order, "100000000")

    missed, touched = desk.walk(miss), desk.walk(touch)

    assert missed == []
    assert [o.uuid for o in touched] == [order.uuid]


@pytest.mark.parametrize(
    ("side", "limit", "current"),
    [("bid", "101000000", "100000000"), ("ask", "99000000", "100000000")],
)
def test_an_order_that_can_trade_on_arrival_gets_the_better_current_price(
    side: str, limit: str, current: str
) -> None:
    desk = Desk(KRW="20000", BTC="0.0001")
    order = desk.place(side, "limit", price=limit, volume="0.0001")

    done = desk.arrive(order, current)

    assert done.state is State.DONE
    assert done.trades[0].price == D(current)
    assert (desk.wallet("KRW").locked, desk.wallet("BTC").locked) == (D(0), D(0))


def test_an_order_meets_no_price_before_it_has_arrived() -> None:
    desk = Desk(KRW="20000")
    order = desk.place("bid", "limit", price="90000000", volume="0.0001")

    filled = desk.walk("80000000")

    assert filled == []
    assert desk.engine.find(account="owner", uuid=order.uuid).state is State.WAIT


def test_the_price_reached_first_fills_first() -> None:
    desk = Desk(KRW="100000")
    for price in ("80000000", "90000000", "85000000"):
        order = desk.place("bid", "limit", price=price, volume="0.0001")
        desk.arrive(order, "100000000")

    filled = desk.walk("70000000")

    assert [o.trades[0].price for o in filled] == [
        D("90000000"),
        D("85000000"),
        D("80000000"),
    ]


def test_a_partly_filled_buy_frees_exactly_the_rest_when_cancelled() -> None:
    desk = Desk(KRW="20000")
    order = desk.place("bid", "limit", price="90000000", volume="0.0002")
    desk.arrive(order, ("89000000", "0.00005"))

    done = desk.cancel(order)

    assert (done.state, done.executed_volume) == (State.CANCEL, D("0.00005"))
    assert done.remaining_volume == D("0.00015")
    assert desk.wallet("KRW").locked == 0
    assert desk.wallet("KRW").balance == D("20000") - D("4450") - D("2.225")


def test_a_cancelled_order_cannot_be_cancelled_or_filled_again() -> None:
    desk = Desk(KRW="20000")
    order = desk.place("bid", "limit", price="90000000", volume="0.0001")
    desk.cancel(order)

    with pytest.raises(OrderNotFound):
        desk.cancel(order)
    with pytest.raises(OrderNotFound):
        desk.arrive(order, "80000000")


def test_volume_is_cut_at_eight_decimals() -> None:
    desk = Desk(KRW="20000")

    order = desk.place("bid", "limit", price="90000000", volume="0.000100009")

    assert order.request.volume == D("0.0001")


REFUSALS = [
    ("bid", "limit", "90000500", "0.0001", "invalid_price_bid"),
    ("ask", "limit", "90000500", "0.0001", "invalid_price_ask"),
    ("bid", "limit", "90000000", "0.00005", "under_min_total_bid"),
    ("ask", "limit", "90000000", "0.00005", "under_min_total_ask"),
    ("bid", "price", "4999.99999999", None, "under_min_total_bid"),
    ("ask", "market", None, "0.00004999", "under_min_total_ask"),
    ("bid", "limit", "100000000", "10.1", "over_krw_funds_bid"),
    ("bid", "price", "1000000001", None, "over_krw_funds_bid"),
    ("ask", "limit", "100000000", "10.1", "over_krw_funds_ask"),
    ("bid", "limit", "90000000", "0.01", "insufficient_funds_bid"),
    ("bid", "price", "20000", None, "insufficient_funds_bid"),
    ("ask", "limit", "90000000", "0.00010001", "insufficient_funds_ask"),
    ("ask", "market", None, "0.5", "insufficient_funds_ask"),
    ("bid", "limit", "90000000", None, "create_bid_error"),
    ("bid", "price", "6000", "0.0001", "create_bid_error"),
    ("ask", "price", "6000", None, "create_ask_error"),
    ("bid", "market", None, "0.0001", "create_bid_error"),
    ("ask", "market", "90000000", "0.0001", "create_ask_error"),
    ("bid", "price", "0", None, "invalid_parameter"),
    ("bid", "price", "6000.000000001", None, "invalid_parameter"),
    ("bid", "limit", "90000000", "-1", "invalid_parameter"),
    ("bid", "limit", "90000000", "0.000000001", "invalid_parameter"),
]


@pytest.mark.parametrize(("side", "kind", "price", "volume", "name"), REFUSALS)
def test_a_refused_order_is_named_and_changes_nothing(
    side: str, kind: str, price: str | None, volume: str | None, name: str
) -> None:
    desk = Desk(KRW="20000", BTC="0.0001")
    before = desk.engine.wallets(account="owner")

    with pytest.raises(OrderRefused) as refusal:
        desk.place(side, kind, price=price, volume=volume, identifier="one")

    assert refusal.value.name == name
    assert desk.engine.wallets(account="owner") == before
    assert list(desk.engine.orders(account="owner")) == []
    with pytest.raises(OrderNotFound):
        desk.engine.find(account="owner", identifier="one")


def test_a_buy_needs_money_for_its_fee_too() -> None:
    desk = Desk(KRW="6002.99")

    with pytest.raises(OrderRefused, match="부족"):
        desk.place("bid", "price", price="6000")


def test_a_repeated_identifier_is_refused_even_after_the_order_has_ended() -> None:
    desk = Desk(KRW="20000")
    order = desk.place(
        "bid", "limit", price="90000000", volume="0.0001", identifier="x"
    )
    desk.cancel(order)

    with pytest.raises(OrderRefused) as refusal:
        desk.place("bid", "limit", price="90000000", volume="0.0001", identifier="x")

    assert refusal.value.name == "duplicated_identifier"


def test_two_accounts_may_use_the_same_identifier_and_see_only_their_own() -> None:
    desk = Desk(KRW="20000")
    mine = desk.place("bid", "limit", price="90000000", volume="0.0001", identifier="x")
    desk.open("other", KRW="20000")

    other = desk.place(
        "bid",
        "limit",
        price="90000000",
        volume="0.0001",
        identifier="x",
        account="other",
    )

    assert desk.engine.find(account="other", identifier="x") == other
    with pytest.raises(OrderNotFound):
        desk.engine.find(account="other", uuid=mine.uuid)


def test_uuid_wins_over_identifier() -> None:
    desk = Desk(KRW="50000")
    first = desk.place(
        "bid", "limit", price="90000000", volume="0.0001", identifier="x"
    )
    second = desk.place("bid", "limit", price="80000000", volume="0.0001")

    found = desk.engine.find(account="owner", uuid=second.uuid, identifier="x")

    assert found == second != first


def test_the_average_buy_price_weighs_by_volume() -> None:
    desk = Desk(KRW="100000")
    for price, funds in (("100000000", "10000"), ("50000000", "10000")):
        desk.arrive(desk.place("bid", "price", price=funds), price)

    average = desk.wallet("BTC").avg_buy_price

    assert average == D("66666666.66666666")
