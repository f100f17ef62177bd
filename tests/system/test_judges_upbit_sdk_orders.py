"""Upbit's own client as a judge: orders of `Upbit`, unmodified but for the address."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from upbit import (
    AuthenticationError,
    BadRequestError,
    NotFoundError,
    RateLimitError,
    Upbit,
)
from upbit.types.order import Order

from tests.system.judge_world import (
    BUSY,
    HASTY,
    QUIET,
    TRADER,
    Exchange,
    Key,
    eventually,
    exchange,
    facts,
    flood,
    next_second,
    sdk_client,
)

LOW = "100000000"
"""A bid for a bitcoin at this price rests."""
MORE = "10000"
"""Coins; one level of the thin market has some hundreds."""


@pytest.fixture(scope="module")
def upbit() -> Iterator[Exchange]:
    with exchange() as running:
        yield running


@pytest.fixture(scope="module")
def client(upbit: Exchange) -> Iterator[Upbit]:
    with sdk_client(upbit, TRADER) as client:
        yield client


@pytest.fixture(autouse=True)
def _fresh_limits() -> None:
    """Limits are per second and pocket: no test pays for the calls of the last one."""
    next_second()


def _name() -> str:
    return f"sdk-{uuid4()}"[:36]


def _ended(client: Upbit, order: Order) -> Order:
    ended = ("done", "cancel")
    eventually(lambda: client.orders.retrieve(uuid=order.uuid).state in ended)
    return client.orders.retrieve(uuid=order.uuid)


def _bought(client: Upbit, won: int, **extra: Any) -> Order:
    order = {"market": BUSY, "side": "bid", "ord_type": "price", "price": str(won)}
    return _ended(client, client.orders.create(**{**order, **extra}))


def _limit(client: Upbit, *, price: str = LOW, **extra: Any) -> Order:
    order = {"market": BUSY, "side": "bid", "ord_type": "limit", "volume": "0.001"}
    return client.orders.create(**{**order, "price": price, **extra})


# --- orders -------------------------------------------------------------------------


def test_a_market_buy_ends_with_a_rest_and_a_market_sell_without(
    client: Upbit,
) -> None:
    name = _name()
    bought = _bought(client, 50_000, identifier=name, smp_type="cancel_taker")

    sold = _ended(
        client,
        client.orders.create(
            market=BUSY,
            side="ask",
            ord_type="market",
            volume=str(bought.executed_volume),
        ),
    )

    funds = sum(Decimal(str(one.funds)) for one in bought.trades or ())
    assert (bought.state, bought.identifier) == ("cancel", name)
    assert bought.trades_count == len(bought.trades or ()) > 0
    assert Decimal(str(bought.paid_fee)) == funds * Decimal("0.0005")
    assert Decimal(str(bought.locked)) == (50_000 - funds) * Decimal("1.0005")
    assert (bought.volume, bought.remaining_volume) == (None, None)
    assert (sold.state, sold.remaining_volume, sold.price) == ("done", "0", None)


def test_a_resting_order_can_be_found_in_every_way_and_canceled(
    client: Upbit,
) -> None:
    name = _name()
    order = _limit(client, identifier=name)

    named = client.orders.retrieve(identifier=name)
    several = client.orders.list_by_uuids(uuids=[order.uuid, str(uuid4())])
    listed = [one.uuid for one in client.orders.list_open(market=BUSY)]
    snapshot = client.orders.cancel(identifier=name)
    ended = _ended(client, order)
    closed = client.orders.list_closed(market=BUSY, states=["cancel"], limit=1000)

    assert [one.uuid for one in (named, *several)] == [order.uuid] * 2
    assert order.uuid in listed
    assert (order.locked, order.reserved_fee) == ("100050", "50")
    assert snapshot.state == "wait"
    assert (ended.state, ended.executed_volume) == ("cancel", "0")
    assert order.uuid in [one.uuid for one in closed]
    with pytest.raises(NotFoundError) as refusal:
        client.orders.cancel(uuid=order.uuid)
    assert refusal.value.name == "order_not_found"


def test_a_limit_order_takes_what_there_is_and_the_rest_is_canceled(
    upbit: Exchange, client: Upbit
) -> None:
    price = upbit.best(QUIET)["ask_price"]
    order = _limit(client, market=QUIET, price=f"{price:f}", volume=MORE)

    def partly() -> Order | None:
        seen = client.orders.retrieve(uuid=order.uuid)
        return seen if seen.executed_volume != "0" else None

    open_still = eventually(partly)
    client.orders.cancel(uuid=order.uuid)
    ended = _ended(client, order)

    assert (open_still.state, ended.state) == ("wait", "cancel")
    got = Decimal(str(ended.executed_volume))
    assert 0 < got < Decimal(MORE)
    assert Decimal(str(ended.remaining_volume)) == Decimal(MORE) - got
    assert Decimal(str(ended.paid_fee)) == got * price * Decimal("0.0005")
    assert {one.price for one in ended.trades or ()} == {f"{price:f}"}


def test_ioc_keeps_what_it_got_and_fok_gets_nothing(
    upbit: Exchange, client: Upbit
) -> None:
    price = f"{upbit.best(QUIET)['ask_price']:f}"
    order = {"market": QUIET, "price": price, "volume": MORE}

    killed = _ended(client, _limit(client, **order, time_in_force="fok"))
    taken = _ended(client, _limit(client, **order, time_in_force="ioc"))

    assert (killed.state, killed.executed_volume) == ("cancel", "0")
    assert taken.state == "cancel"
    assert 0 < Decimal(str(taken.executed_volume)) < Decimal(MORE)
    assert (killed.time_in_force, taken.time_in_force) == ("fok", "ioc")


def test_post_only_never_takes_and_suffers_no_prevention(
    upbit: Exchange, client: Upbit
) -> None:
    crossing = str(int(upbit.best(BUSY)["ask_price"]) + 1_000_000)
    ended = _ended(client, _limit(client, price=crossing, time_in_force="post_only"))
    resting = _limit(client, time_in_force="post_only")
    client.orders.cancel(uuid=resting.uuid)
    _ended(client, resting)

    with pytest.raises(BadRequestError) as refusal:
        _limit(client, time_in_force="post_only", smp_type="reduce")

    assert (ended.state, ended.executed_volume) == ("cancel", "0")
    assert (resting.state, resting.time_in_force) == ("wait", "post_only")
    assert refusal.value.name == "invalid_post_only"


def test_best_orders_buy_by_won_and_sell_by_coins(client: Upbit) -> None:
    bought = _ended(
        client,
        client.orders.create(
            market=BUSY,
            side="bid",
            ord_type="best",
            price="50000",
            time_in_force="ioc",
        ),
    )

    sold = _ended(
        client,
        client.orders.create(
            market=BUSY,
            side="ask",
            ord_type="best",
            volume=str(bought.executed_volume),
            time_in_force="fok",
        ),
    )

    assert bought.state == "cancel"  # a rest of some won remains, as with a market buy
    assert Decimal(str(bought.executed_volume)) > 0
    assert (sold.state, sold.executed_volume) == ("done", bought.executed_volume)


@pytest.mark.parametrize(
    ("smp_type", "maker_loses", "taker_loses", "left"),
    [
        ("cancel_maker", "40", "0", {"taker"}),
        ("cancel_taker", "0", "50", {"maker"}),
        ("reduce", "40", "40", {"taker"}),
    ],
)
def test_two_orders_of_one_account_do_not_meet(
    upbit: Exchange,
    client: Upbit,
    smp_type: str,
    maker_loses: str,
    taker_loses: str,
    left: set[str],
) -> None:
    _bought(client, 40_000, market=QUIET)
    price = {"market": QUIET, "price": f"{upbit.inside(QUIET):f}"}
    maker = _limit(client, **price, volume="40")
    eventually(lambda: upbit.orders(TRADER)[maker.uuid]["arrived"])

    taker = _limit(client, **price, side="ask", volume="50", smp_type=smp_type)
    eventually(lambda: upbit.orders(TRADER)[taker.uuid]["arrived"])
    seen = {
        name: client.orders.retrieve(uuid=order.uuid)
        for name, order in (("maker", maker), ("taker", taker))
    }
    for name in left:
        client.orders.cancel(uuid=seen[name].uuid)
        _ended(client, seen[name])

    assert seen["maker"].prevented_volume == maker_loses
    assert seen["taker"].prevented_volume == taker_loses
    assert {name for name, one in seen.items() if one.state == "wait"} == left
    assert {one.executed_volume for one in seen.values()} == {"0"}


def test_a_replaced_order_gives_way_to_a_new_one(client: Upbit) -> None:
    old, name = _limit(client), _name()

    answer = client.orders.cancel_and_new(
        prev_order_uuid=old.uuid,
        new_ord_type="limit",
        new_price="90000000",
        new_volume="0.002",
        new_identifier=name,
    )
    ended = _ended(client, old)
    (new,) = eventually(lambda: client.orders.list_by_uuids(identifiers=[name]))
    client.orders.cancel(identifier=name)
    _ended(client, new)

    assert (answer.uuid, answer.new_order_identifier) == (old.uuid, name)
    assert (ended.state, new.state) == ("cancel", "wait")
    assert (new.uuid, new.price, new.volume) == (
        answer.new_order_uuid,
        "90000000",
        "0.002",
    )


def test_many_orders_are_canceled_at_once(client: Upbit) -> None:
    rows = [_limit(client) for _ in range(3)]

    by_ids = client.orders.cancel_by_uuids(uuids=[rows[0].uuid, str(uuid4())])
    _ended(client, rows[0])
    the_rest = client.orders.cancel_open(pairs=BUSY)

    assert [one.uuid for one in by_ids.success.orders] == [rows[0].uuid]
    assert by_ids.failed.count == 1
    assert {one.uuid for one in the_rest.success.orders} == {
        one.uuid for one in rows[1:]
    }
    assert {_ended(client, one).state for one in rows} == {"cancel"}


def test_a_test_order_books_nothing(client: Upbit) -> None:
    before = client.accounts.list()

    tested = client.orders.test_create(
        market=BUSY, side="bid", ord_type="limit", price=LOW, volume="0.001"
    )

    assert (tested.state, tested.locked) == ("wait", "100050")
    assert client.accounts.list() == before
    with pytest.raises(NotFoundError):
        client.orders.retrieve(uuid=tested.uuid)


# --- refusals -----------------------------------------------------------------------

REFUSALS = {
    "insufficient_funds_bid": {"volume": "1"},
    "under_min_total_bid": {"volume": "0.00001"},
    "over_krw_funds_bid": {"volume": "11"},
    "invalid_price_bid": {"price": "100000123"},
    "notfoundmarket": {"market": "KRW-NOPE"},
    "insufficient_funds_ask": {"side": "ask", "volume": "1"},
    "under_min_total_ask": {"side": "ask", "volume": "0.00001"},
    "invalid_time_in_force": {"time_in_force": "gtc"},
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_has_the_name_of_its_reason(client: Upbit, name: str) -> None:
    next_second()

    with pytest.raises(BadRequestError) as refusal:
        _limit(client, **REFUSALS[name])

    assert refusal.value.name == name


def test_a_repeated_identifier_is_refused_and_the_first_order_is_found(
    client: Upbit,
) -> None:
    name = _name()
    first = _bought(client, 6_000, identifier=name)

    with pytest.raises(BadRequestError) as refusal:
        _bought(client, 6_000, identifier=name)

    assert refusal.value.name == "duplicated_identifier"
    assert client.orders.retrieve(identifier=name).uuid == first.uuid


@pytest.mark.parametrize(
    ("key", "name"),
    [
        (Key(access="nobody", secret="n" * 64), "invalid_access_key"),
        (Key(access=TRADER.access, secret="n" * 64), "jwt_verification"),
    ],
)
def test_a_wrong_key_is_an_authentication_error(
    upbit: Exchange, key: Key, name: str
) -> None:
    with (
        sdk_client(upbit, key) as stranger,
        pytest.raises(AuthenticationError) as refusal,
    ):
        stranger.accounts.list()

    assert refusal.value.name == name


def test_too_many_calls_are_refused_and_counted_down_before(upbit: Exchange) -> None:
    order = {"market": BUSY, "side": "bid", "ord_type": "price", "price": "6000"}
    next_second()

    with sdk_client(upbit, HASTY) as hasty:
        answer = hasty.accounts.with_raw_response.list()
        with pytest.raises(RateLimitError) as refusal:
            flood(lambda: hasty.orders.test_create(**order))

    assert answer.headers["remaining-req"] == "group=default; min=1800; sec=29"
    assert refusal.value.name == "too_many_requests"


def test_a_client_that_repeats_by_itself_believes_its_order_failed(
    upbit: Exchange,
) -> None:
    name = _name()
    upbit.admin(
        "faults",
        {"endpoint": "POST /v1/orders", "kind": "accept_then_500", "times": 1},
    )

    # Left as it comes, the SDK sends an order again when the answer is a 500.
    with (
        sdk_client(upbit, TRADER, max_retries=2) as trusting,
        pytest.raises(BadRequestError) as refusal,
    ):
        _limit(trusting, identifier=name)

    assert refusal.value.name == "duplicated_identifier"
    rows = [row for row in upbit.orders(TRADER).values() if row["identifier"] == name]
    assert [row["state"] for row in rows] == ["wait"]
    assert upbit.admin("ledger")["posts"]["by_identifier"][name] == 2


# --- the truth ----------------------------------------------------------------------


def test_what_the_sdk_was_told_is_the_exchanges_truth(
    upbit: Exchange, client: Upbit
) -> None:
    told = [*client.orders.list_closed(limit=1000), *client.orders.list_open()]
    balances = {
        one.currency: (Decimal(one.balance), Decimal(one.locked))
        for one in client.accounts.list()
    }

    assert facts(one.to_dict() for one in told) == facts(upbit.orders(TRADER).values())
    assert balances == upbit.balances(TRADER)
