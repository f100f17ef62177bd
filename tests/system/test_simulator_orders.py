"""Orders through the official client, unmodified, against a running simulator."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from upbit import BadRequestError, NotFoundError, PermissionDeniedError, Upbit

from common.money import plain, truncate_volume
from tests.system.simulator_process import (
    KRW,
    Simulator,
    ended,
    eventually,
    problem,
    running,
)

LIMIT = {"market": "KRW-BTC", "side": "bid", "ord_type": "limit"}


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    options = ("--seed", "3", "--rate-factor", "50", "--speed", "60", "--faults")
    with running(*options) as one:
        yield one


@pytest.fixture
def upbit(simulator: Simulator) -> Iterator[Upbit]:
    with simulator.client() as client:
        yield client


def _name(start: str) -> str:
    return f"{start}-{uuid4()}"[:36]


def _rest(simulator: Simulator, upbit: Upbit, market: str, identifier: str) -> str:
    """Let a buy of 20,000 won rest; return its uuid."""
    price = simulator.low_price(market)
    order = upbit.orders.create(
        market=market,
        side="bid",
        ord_type="limit",
        price=price,
        volume=plain(truncate_volume(20_000 / Decimal(price))),
        identifier=identifier,
    )
    return str(order.uuid)


def test_a_market_buy_and_sell_through_the_official_client(upbit: Upbit) -> None:
    identifier = _name("buy")

    accepted = upbit.orders.create(
        market="KRW-BTC",
        side="bid",
        ord_type="price",
        price="50000",
        identifier=identifier,
        smp_type="cancel_taker",
    )
    bought = ended(upbit, accepted.uuid)
    sale = upbit.orders.create(
        market="KRW-BTC",
        side="ask",
        ord_type="market",
        volume=str(bought.executed_volume),
    )
    sold = ended(upbit, sale.uuid)

    assert (accepted.state, accepted.executed_volume) == ("wait", "0")
    assert (accepted.locked, accepted.reserved_fee) == ("50025", "25")
    assert (bought.state, bought.identifier) == ("cancel", identifier)
    assert bought.smp_type == "cancel_taker"
    assert bought.trades is not None
    assert bought.trades_count == len(bought.trades) >= 1
    funds = sum((Decimal(str(one.funds)) for one in bought.trades), Decimal(0))
    assert funds <= 50_000
    assert Decimal(str(bought.paid_fee)) == funds * Decimal("0.0005")
    rest = 50_000 - funds
    assert Decimal(str(bought.locked)) == rest + rest * Decimal("0.0005")
    assert (sold.state, sold.remaining_volume, sold.price) == ("done", "0", None)


def test_a_resting_order_is_found_listed_and_cancelled(
    simulator: Simulator, upbit: Upbit
) -> None:
    identifier = _name("rest")
    uuid = _rest(simulator, upbit, "KRW-ETH", identifier)

    open_ids = [one.uuid for one in upbit.orders.list_open(market="KRW-ETH")]
    found = upbit.orders.list_by_uuids(identifiers=[identifier, "unknown"])
    snapshot = upbit.orders.cancel(identifier=identifier)
    gone = ended(upbit, uuid)
    closed = upbit.orders.list_closed(market="KRW-ETH", states=["cancel"])

    assert uuid in open_ids
    assert [one.uuid for one in found] == [uuid]
    assert snapshot.state == "wait"
    assert (gone.state, gone.executed_volume) == ("cancel", "0")
    assert uuid in [one.uuid for one in closed]
    with pytest.raises(NotFoundError) as failure:
        upbit.orders.cancel(uuid=uuid)
    assert failure.value.name == "order_not_found"


def test_a_marketable_limit_order_gets_the_better_price(
    simulator: Simulator, upbit: Upbit
) -> None:
    limit = simulator.price("KRW-BTC") * 2 // 1000 * 1000

    order = upbit.orders.create(
        market="KRW-BTC",
        side="bid",
        ord_type="limit",
        price=str(limit),
        volume="0.0001",
    )
    filled = ended(upbit, order.uuid)

    assert filled.state == "done"
    assert filled.trades is not None
    assert Decimal(str(filled.trades[0].price)) < limit * Decimal("0.7")


def test_orders_are_tried_without_being_placed(
    simulator: Simulator, upbit: Upbit
) -> None:
    identifier = _name("try")
    before = upbit.accounts.list()

    tried = upbit.orders.test_create(
        market="KRW-BTC",
        side="bid",
        ord_type="limit",
        price=simulator.low_price("KRW-BTC"),
        volume="0.001",
        identifier=identifier,
    )

    assert (tried.state, tried.identifier) == ("wait", identifier)
    assert upbit.accounts.list() == before
    with pytest.raises(NotFoundError):
        upbit.orders.retrieve(identifier=identifier)


def test_an_order_is_replaced_through_the_official_client(
    simulator: Simulator, upbit: Upbit
) -> None:
    old, new = _name("old"), _name("new")
    uuid = _rest(simulator, upbit, "KRW-ETH", old)

    answer = upbit.orders.cancel_and_new(
        prev_order_identifier=old,
        new_ord_type="limit",
        new_price=simulator.low_price("KRW-ETH"),
        new_volume="remain_only",
        new_identifier=new,
    )
    assert ended(upbit, uuid).state == "cancel"
    replacement = upbit.orders.retrieve(identifier=new)
    upbit.orders.cancel(identifier=new)

    assert answer.uuid == uuid
    assert (replacement.state, replacement.volume) == ("wait", answer.volume)
    assert replacement.uuid == answer.new_order_uuid


def test_many_orders_are_cancelled_at_once(simulator: Simulator, upbit: Upbit) -> None:
    uuids = [_rest(simulator, upbit, "KRW-SOL", _name("many")) for _ in range(4)]

    some = upbit.orders.cancel_by_uuids(uuids=[*uuids[:2], str(uuid4())])
    rest = upbit.orders.cancel_open(pairs="KRW-SOL", cancel_side="bid")
    states = {ended(upbit, uuid).state for uuid in uuids}

    assert (some.success.count, some.failed.count) == (2, 1)
    assert set(uuids[2:]) <= {one.uuid for one in rest.success.orders}
    assert states == {"cancel"}


def test_the_official_client_pages_through_open_orders(
    simulator: Simulator, upbit: Upbit
) -> None:
    uuids = [_rest(simulator, upbit, "KRW-XRP", _name("page")) for _ in range(5)]

    found = [one.uuid for one in upbit.orders.list_open(market="KRW-XRP", limit=2)]
    upbit.orders.cancel_open(pairs="KRW-XRP")

    assert found == uuids[::-1]


def test_money_is_conserved_over_the_wire(upbit: Upbit) -> None:
    bought = upbit.orders.create(
        market="KRW-XRP", side="bid", ord_type="price", price="77777.7"
    )
    ended(upbit, bought.uuid)

    orders = [
        upbit.orders.retrieve(uuid=str(one.uuid))
        for one in (*upbit.orders.list_closed(limit=1000), *upbit.orders.list_open())
    ]
    spent, fees = Decimal(0), Decimal(0)
    for one in orders:
        fees += Decimal(str(one.paid_fee))
        for trade in one.trades or ():
            spent += Decimal(str(trade.funds)) * (1 if one.side == "bid" else -1)
    krw = next(one for one in upbit.accounts.list() if one.currency == "KRW")

    owned = Decimal(krw.balance) + Decimal(krw.locked)
    assert owned + spent + fees == KRW


def test_an_order_answers_strings_and_leaves_out_what_does_not_apply(
    simulator: Simulator,
) -> None:
    answer = simulator.post(
        {"market": "KRW-BTC", "side": "bid", "ord_type": "price", "price": "6000"}
    )

    order = answer.json()
    assert answer.status_code == 201
    assert order["trades_count"] == 0
    assert order["created_at"].endswith("+09:00")
    for absent in ("volume", "remaining_volume", "identifier", "trades"):
        assert absent not in order
    for text in ("price", "locked", "reserved_fee", "paid_fee", "executed_volume"):
        assert isinstance(order[text], str)


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({**LIMIT, "price": "90000500", "volume": "0.001"}, "invalid_price_bid"),
        ({**LIMIT, "price": "90000000", "volume": "0.00001"}, "under_min_total_bid"),
        ({**LIMIT, "price": "90000000", "volume": "11"}, "insufficient_funds_bid"),
        ({**LIMIT, "price": "90000000", "volume": "12"}, "over_krw_funds_bid"),
        (
            {**LIMIT, "market": "KRW-NOPE", "price": "1000", "volume": "9"},
            "notfoundmarket",
        ),
    ],
)
def test_an_order_that_breaks_a_rule_is_refused_by_name(
    simulator: Simulator, body: dict[str, str], name: str
) -> None:
    assert problem(simulator.post(body)) == (400, name)


def test_a_repeated_identifier_is_refused(upbit: Upbit) -> None:
    order: dict[str, Any] = {
        **{"market": "KRW-BTC", "side": "bid", "ord_type": "price"},
        **{"price": "6000", "identifier": _name("once")},
    }
    first = upbit.orders.create(**order)
    ended(upbit, first.uuid)

    with pytest.raises(BadRequestError) as failure:
        upbit.orders.create(**order)

    assert failure.value.name == "duplicated_identifier"
    found = upbit.orders.retrieve(identifier=order["identifier"])
    assert found.uuid == first.uuid


def test_a_market_in_maintenance_takes_no_orders_until_it_resumes(
    simulator: Simulator, upbit: Upbit
) -> None:
    order: dict[str, Any] = {
        **{"market": "KRW-TRX", "side": "bid", "ord_type": "price"},
        "price": "6000",
    }
    simulator.operate("markets/KRW-TRX", offline=True)

    with pytest.raises(PermissionDeniedError) as failure:
        upbit.orders.create(**order)
    simulator.operate("markets/KRW-TRX", offline=False)
    bought = ended(upbit, upbit.orders.create(**order).uuid)

    assert failure.value.name == "market_offline"
    assert Decimal(bought.executed_volume) > 0


def test_a_resting_order_fills_when_somebody_sells_to_it(
    simulator: Simulator, upbit: Upbit
) -> None:
    uuid = _rest(simulator, upbit, "KRW-ETH", _name("fill"))
    order = upbit.orders.retrieve(uuid=uuid)
    part = plain(truncate_volume(Decimal(str(order.volume)) * Decimal("0.4")))

    def sold() -> bool:
        # The order has to arrive before somebody can sell to it.
        simulator.operate("trades", market="KRW-ETH", price=order.price, volume=part)
        return upbit.orders.retrieve(uuid=uuid).state == "done"

    eventually(sold)
    filled = upbit.orders.retrieve(uuid=uuid)

    assert filled.trades is not None
    assert {one.price for one in filled.trades} == {order.price}
    # Where somebody sold before it arrived, it met that price in the book at once.
    assert filled.trades_count == len(filled.trades) >= 1
    sold_to_it = sum(Decimal(str(one.volume)) for one in filled.trades)
    assert sold_to_it == Decimal(str(order.volume))
