"""ccxt as a judge: orders over its REST client, unmodified but for the address.

What ccxt is known to misread is pinned as well: against the real exchange it misreads the
same answers in the same way.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import uuid4

import ccxt
import pytest

from tests.system.judge_world import (
    BUSY,
    HASTY,
    QUIET,
    TRADER,
    Exchange,
    Key,
    ccxt_client,
    eventually,
    exchange,
    facts,
    flood,
    next_second,
)

BTC, HUNT = "BTC/KRW", "HUNT/KRW"
MORE_THAN_THERE_IS = 10_000
"""Coins; one level of the thin market has some hundreds."""


@pytest.fixture(scope="module")
def upbit() -> Iterator[Exchange]:
    with exchange() as running:
        yield running


@pytest.fixture(scope="module")
def client(upbit: Exchange) -> ccxt.upbit:
    return ccxt_client(upbit, TRADER)


def _ended(client: ccxt.upbit, order: dict[str, Any]) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        seen: dict[str, Any] = client.fetch_order(order["id"])
        return seen if seen["status"] != "open" else None

    return eventually(look)


def _bought(client: ccxt.upbit, won: int, symbol: str = BTC) -> dict[str, Any]:
    accepted = client.create_order(
        symbol, "market", "buy", None, None, {"cost": won, "clientOrderId": _name()}
    )
    return _ended(client, accepted)


def _name() -> str:
    return f"ccxt-{uuid4()}"[:36]


# --- orders -------------------------------------------------------------------------


def test_a_market_buy_is_filled_and_called_canceled(client: ccxt.upbit) -> None:
    before = client.fetch_balance()

    order = _bought(client, 50_000)

    assert (order["type"], order["side"]) == ("market", "buy")
    assert order["status"] == "canceled"
    assert order["filled"] > 0
    assert order["info"]["trades_count"] == len(order["trades"]) > 0
    spent = sum(Decimal(one["info"]["funds"]) for one in order["trades"])
    fee = Decimal(order["info"]["paid_fee"])
    assert spent <= 50_000
    assert fee == spent * Decimal("0.0005")
    after = client.fetch_balance()
    assert _won(before) - _won(after) == spent + fee


def _won(balance: dict[str, Any]) -> Decimal:
    krw = next(one for one in balance["info"] if one["currency"] == "KRW")
    return Decimal(krw["balance"]) + Decimal(krw["locked"])


def test_a_market_sell_is_closed(client: ccxt.upbit) -> None:
    bought = _bought(client, 30_000)

    sold = _ended(client, client.create_order(BTC, "market", "sell", bought["filled"]))

    assert sold["status"] == "closed"
    assert sold["filled"] == bought["filled"]
    assert sold["remaining"] == 0
    assert "price" not in sold["info"]


def test_closed_orders_miss_every_filled_market_buy(client: ccxt.upbit) -> None:
    bought = _bought(client, 20_000)
    sold = _ended(client, client.create_order(BTC, "market", "sell", bought["filled"]))

    closed = {one["id"] for one in client.fetch_closed_orders(BTC)}
    canceled = {one["id"] for one in client.fetch_canceled_orders(BTC)}

    # ccxt asks for state=done only; a filled market buy ended with state=cancel.
    assert sold["id"] in closed
    assert bought["id"] not in closed
    assert bought["id"] in canceled


def test_a_resting_order_is_open_until_its_cancellation_arrives(
    client: ccxt.upbit,
) -> None:
    name = _name()
    order = client.create_order(
        BTC, "limit", "buy", 0.001, 100_000_000, {"clientOrderId": name}
    )

    listed = [one["id"] for one in client.fetch_open_orders(BTC)]
    by_name = client.private_get_order({"identifier": name})
    locked = client.fetch_balance()["KRW"]["used"]
    answer = client.cancel_order(order["id"])
    ended = _ended(client, order)

    assert (order["status"], order["clientOrderId"]) == ("open", name)
    assert order["id"] in listed
    assert by_name["uuid"] == order["id"]
    assert locked == 100_050
    assert answer["status"] == "open"  # the wish is received, nothing more
    assert (ended["status"], ended["filled"], ended["remaining"]) == (
        "canceled",
        0,
        0.001,
    )
    with pytest.raises(ccxt.OrderNotFound):
        client.cancel_order(order["id"])


def test_a_limit_order_takes_what_there_is_and_the_rest_is_canceled(
    upbit: Exchange, client: ccxt.upbit
) -> None:
    price = float(upbit.best(QUIET)["ask_price"])
    order = client.create_order(HUNT, "limit", "buy", MORE_THAN_THERE_IS, price)

    partly = eventually(lambda: _filled(client, order))
    client.cancel_order(order["id"])
    ended = _ended(client, order)

    assert (partly["status"], ended["status"]) == ("open", "canceled")
    assert 0 < ended["filled"] < MORE_THAN_THERE_IS
    assert ended["remaining"] == pytest.approx(MORE_THAN_THERE_IS - ended["filled"])
    assert ended["average"] == price


def _filled(client: ccxt.upbit, order: dict[str, Any]) -> dict[str, Any] | None:
    seen: dict[str, Any] = client.fetch_order(order["id"])
    return seen if seen["filled"] else None


def test_a_resting_order_is_filled_in_parts(
    upbit: Exchange, client: ccxt.upbit
) -> None:
    price = upbit.inside(QUIET)
    order = client.create_order(HUNT, "limit", "buy", 100, float(price))
    eventually(lambda: upbit.orders(TRADER)[order["id"]]["arrived"])

    upbit.trade(QUIET, price, Decimal(30))
    partly = client.fetch_order(order["id"])
    upbit.trade(QUIET, price, Decimal(90))
    ended = client.fetch_order(order["id"])

    assert (partly["status"], partly["filled"], partly["remaining"]) == ("open", 30, 70)
    assert (ended["status"], ended["filled"]) == ("closed", 100)
    assert [one["amount"] for one in ended["trades"]] == [30, 70]


def test_ioc_keeps_what_it_got_and_fok_gets_nothing(
    upbit: Exchange, client: ccxt.upbit
) -> None:
    asked = (HUNT, "limit", "buy", MORE_THAN_THERE_IS)
    price = float(upbit.best(QUIET)["ask_price"])

    killed = client.create_order(*asked, price, {"timeInForce": "FOK"})
    killed = _ended(client, killed)
    taken = client.create_order(*asked, price, {"timeInForce": "IOC"})
    taken = _ended(client, taken)

    assert (killed["status"], killed["filled"]) == ("canceled", 0)
    assert killed["timeInForce"] == "FOK"
    assert taken["status"] == "canceled"
    assert 0 < taken["filled"] < MORE_THAN_THERE_IS


def test_post_only_rests_or_is_canceled_but_never_takes(
    upbit: Exchange, client: ccxt.upbit
) -> None:
    best = upbit.best(BUSY)
    taker = client.create_order(
        BTC,
        "limit",
        "buy",
        0.001,
        float(best["ask_price"]) + 100_000,
        {"postOnly": True},
    )
    maker = client.create_order(
        BTC, "limit", "buy", 0.001, 100_000_000, {"postOnly": True}
    )

    ended = _ended(client, taker)
    resting = client.fetch_order(maker["id"])
    client.cancel_order(maker["id"])
    _ended(client, maker)

    assert (ended["status"], ended["filled"]) == ("canceled", 0)
    assert resting["status"] == "open"
    assert resting["timeInForce"] == "POST_ONLY"


def test_best_orders_buy_by_won_and_sell_by_coins(client: ccxt.upbit) -> None:
    best = {"ordType": "best", "timeInForce": "IOC"}
    bought = _ended(
        client,
        client.create_order(BTC, "market", "buy", None, None, {**best, "cost": 50_000}),
    )

    sold = _ended(
        client, client.create_order(BTC, "market", "sell", bought["filled"], None, best)
    )

    assert bought["info"]["ord_type"] == sold["info"]["ord_type"] == "best"
    assert 0 < bought["cost"] <= 50_000
    assert sold["filled"] == bought["filled"]


def test_an_edited_order_is_canceled_and_a_new_one_rests(client: ccxt.upbit) -> None:
    old = client.create_order(BTC, "limit", "buy", 0.001, 100_000_000)
    name = _name()

    edited = client.edit_order(
        old["id"], BTC, "limit", "buy", 0.002, 90_000_000, {"newClientOrderId": name}
    )
    ended = _ended(client, old)
    new = eventually(lambda: _found(client, edited["id"]))
    client.cancel_order(new["id"])
    _ended(client, new)

    assert (ended["status"], edited["clientOrderId"]) == ("canceled", name)
    assert (new["status"], new["amount"], new["price"]) == ("open", 0.002, 90_000_000)
    assert new["clientOrderId"] == name


def _found(client: ccxt.upbit, uuid: str) -> dict[str, Any] | None:
    try:
        seen: dict[str, Any] = client.fetch_order(uuid)
    except ccxt.OrderNotFound:
        return None
    return seen


def test_a_test_order_books_nothing(client: ccxt.upbit) -> None:
    before = client.fetch_balance()["info"]

    tested = client.create_order(
        BTC, "limit", "buy", 0.001, 100_000_000, {"test": True}
    )

    assert tested["id"]
    assert client.fetch_balance()["info"] == before
    with pytest.raises(ccxt.OrderNotFound):
        client.fetch_order(tested["id"])


# --- refusals -----------------------------------------------------------------------

BID = {"market": BUSY, "side": "bid", "ord_type": "limit"}
REFUSALS = {
    "insufficient_funds_bid": {**BID, "price": "100000000", "volume": "1"},
    "insufficient_funds_ask": {
        "market": "KRW-XRP",
        "side": "ask",
        "ord_type": "market",
        "volume": "1000",
    },
    "under_min_total_bid": {**BID, "price": "100000000", "volume": "0.00001"},
    "over_krw_funds_bid": {**BID, "price": "100000000", "volume": "11"},
    "invalid_price_bid": {**BID, "price": "100000123.4", "volume": "0.001"},
    "notfoundmarket": {
        "market": "KRW-NOPE",
        "side": "bid",
        "ord_type": "price",
        "price": "6000",
    },
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refusal_keeps_its_name_but_rarely_its_meaning(
    client: ccxt.upbit, name: str
) -> None:
    with pytest.raises(ccxt.ExchangeError, match=name) as refusal:
        client.private_post_orders(REFUSALS[name])

    # Only missing funds have a class of their own in ccxt; the rest looks like a crash.
    funds = name.startswith("insufficient_funds")
    assert refusal.type is (ccxt.InsufficientFunds if funds else ccxt.ExchangeError)


def test_a_price_between_ticks_goes_out_as_it_is_and_is_refused(
    client: ccxt.upbit,
) -> None:
    with pytest.raises(ccxt.ExchangeError, match="invalid_price_bid"):
        client.create_order(BTC, "limit", "buy", 0.001, 150_000_123.4)


def test_a_repeated_client_order_id_is_refused(client: ccxt.upbit) -> None:
    again = {"cost": 6_000, "clientOrderId": _name()}
    client.create_order(BTC, "market", "buy", None, None, again)

    with pytest.raises(ccxt.ExchangeError, match="duplicated_identifier") as refusal:
        client.create_order(BTC, "market", "buy", None, None, again)

    assert refusal.type is ccxt.ExchangeError


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
    with pytest.raises(ccxt.AuthenticationError, match=name):
        ccxt_client(upbit, key).fetch_balance()


def test_a_trading_key_may_not_see_deposits_and_withdrawals(
    client: ccxt.upbit,
) -> None:
    for ask in (client.fetch_deposits, client.fetch_withdrawals):
        with pytest.raises(ccxt.PermissionDenied, match="out_of_scope"):
            ask()
    with pytest.raises(ccxt.PermissionDenied, match="out_of_scope"):
        client.fetch_currency("BTC")


def test_too_many_calls_look_like_any_other_error(upbit: Exchange) -> None:
    hasty = ccxt_client(upbit, HASTY, enableRateLimit=False)

    order = (BTC, "limit", "buy", 0.001, 100_000_000)
    next_second()

    with pytest.raises(ccxt.ExchangeError, match="too_many_requests") as refusal:
        flood(lambda: hasty.create_order(*order, {"test": True}))

    # A name in the body goes before the status: ccxt does not see a rate limit.
    assert refusal.type is ccxt.ExchangeError


# --- the truth ----------------------------------------------------------------------


def test_what_ccxt_was_told_is_the_exchanges_truth(
    upbit: Exchange, client: ccxt.upbit
) -> None:
    told = [
        one["info"]
        for ask in (
            client.fetch_open_orders,
            client.fetch_closed_orders,
            client.fetch_canceled_orders,
        )
        for one in ask(limit=100)
    ]
    balances = {
        row["currency"]: (Decimal(row["balance"]), Decimal(row["locked"]))
        for row in client.fetch_balance()["info"]
    }

    assert facts(told) == facts(upbit.orders(TRADER).values())
    assert balances == upbit.balances(TRADER)
