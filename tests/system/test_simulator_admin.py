"""What an operator does by hand, and the ledger that shows it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from deploy.ports import free_ports
from deploy.simulator.exchange.assumptions import CHOICES
from tests.system.faults_world import (
    KRW,
    MARKET,
    SECRET,
    Simulator,
    Trader,
    error_of,
    eventually,
    new_name,
    new_trader,
    running,
    settled,
)

D = Decimal


@pytest.fixture(scope="module")
def process() -> Iterator[Simulator]:
    with running("--faults") as simulator:
        yield simulator


@pytest.fixture
def simulator(process: Simulator) -> Iterator[Simulator]:
    yield settled(process)
    process.told("POST", "maintenance", {"on": False})
    process.told(
        "POST",
        f"markets/{MARKET}",
        {"offline": False, "delisted": False, "bid_fee": None, "ticks": None},
    )


@pytest.fixture
def trader(simulator: Simulator) -> Trader:
    return new_trader(simulator)


def _own(simulator: Simulator, trader: Trader, above: int = 0) -> dict[str, Any]:
    """Return a resting buy that the owner made by hand, *above* the others' (KRW)."""
    body = {
        "account": trader.name,
        "market": MARKET,
        "side": "bid",
        "ord_type": "limit",
        "price": str(simulator.low_price() + above),
        "volume": "0.01",
    }
    return dict(simulator.told("POST", "orders", body))


def _trade(simulator: Simulator, price: object, volume: str) -> None:
    body = {"market": MARKET, "price": str(price), "volume": volume}
    simulator.told("POST", "trades", body)


# --- accounts, keys, funds -----------------------------------------------------------


def test_an_account_can_be_opened_while_it_runs(simulator: Simulator) -> None:
    name = new_name("trader")
    body = {
        "access_key": name,
        "secret_key": SECRET,
        "krw": "12345.678",
        "scopes": ["view_account"],
        "expire_at": "2099-01-01T00:00+09:00",
    }

    told = simulator.told("POST", "accounts", body)

    assert SECRET not in str(told)
    trader = Trader(simulator, name)
    (krw,) = trader.call("GET", "/v1/accounts").json()
    assert (krw["currency"], krw["balance"]) == ("KRW", "12345.678")
    assert error_of(trader.order()) == (401, "out_of_scope")
    (key,) = trader.call("GET", "/v1/api_keys").json()
    assert key["expire_at"].startswith("2099-01-01T00:00:00")


def test_a_second_key_opens_the_same_pocket(
    simulator: Simulator, trader: Trader
) -> None:
    second = new_trader(simulator, pocket=trader.name, krw=0)
    uuid = trader.order().json()["uuid"]

    assert second.call("GET", "/v1/order", uuid=uuid).status_code == 200
    assert trader.truth()["deposits"] == [{"currency": "KRW", "amount": str(KRW)}]


def test_a_key_can_be_bound_to_addresses(simulator: Simulator) -> None:
    elsewhere = new_trader(simulator, allowed_ips=["203.0.113.7"])
    here = new_trader(simulator, allowed_ips=["203.0.113.7", "127.0.0.1"])

    answer = elsewhere.call("GET", "/v1/accounts")

    assert error_of(answer) == (401, "no_authorization_ip")
    assert here.call("GET", "/v1/accounts").status_code == 200


def test_a_key_can_be_over_or_taken_back(simulator: Simulator, trader: Trader) -> None:
    over = new_trader(simulator, expire_at="2020-01-01")
    simulator.told("POST", f"keys/{trader.name}/revoke")

    assert error_of(over.call("GET", "/v1/accounts")) == (401, "expired_access_key")
    assert error_of(trader.call("GET", "/v1/accounts")) == (401, "invalid_access_key")
    assert simulator.admin("POST", f"keys/{trader.name}/revoke").status_code == 404


def test_the_owner_brings_and_takes_money(simulator: Simulator, trader: Trader) -> None:
    for currency, amount in (("BTC", "0.5"), ("KRW", "-1000000.01")):
        body = {"account": trader.name, "currency": currency, "amount": amount}
        simulator.told("POST", "funds", body)

    truth = trader.truth()
    assert truth["balances"]["BTC"]["balance"] == "0.5"
    assert truth["balances"]["KRW"]["balance"] == "8999999.99"
    assert [one["amount"] for one in truth["deposits"]] == [
        *(str(KRW), "0.5", "-1000000.01")
    ]


def test_nobody_takes_what_is_not_there_or_is_bound(
    simulator: Simulator, trader: Trader
) -> None:
    _own(simulator, trader)
    body = {"account": trader.name, "currency": "KRW", "amount": str(-KRW)}

    answer = simulator.admin("POST", "funds", body)

    assert answer.status_code == 400
    assert trader.truth()["balances"]["KRW"]["balance"] != "0"


# --- orders and trades by hand -------------------------------------------------------


def test_an_order_by_hand_is_the_accounts_own_without_identifier(
    simulator: Simulator, trader: Trader
) -> None:
    order = _own(simulator, trader)

    (seen,) = trader.call("GET", "/v1/orders/open").json()
    assert seen["uuid"] == order["uuid"]
    assert "identifier" not in seen
    posts = simulator.told("GET", "ledger")["posts"]["by_endpoint"]
    assert "POST /simulator/orders" not in posts


def test_an_order_by_hand_is_cancelled_by_hand(
    simulator: Simulator, trader: Trader
) -> None:
    order = _own(simulator, trader)

    simulator.told("DELETE", f"orders/{order['uuid']}")

    eventually(lambda: trader.truth()["orders"][0]["state"] == "cancel")
    assert trader.truth()["balances"]["KRW"]["locked"] == "0"


def test_somebody_elses_trade_fills_what_it_reaches(
    simulator: Simulator, trader: Trader
) -> None:
    order = _own(simulator, trader, above=100_000)
    eventually(lambda: trader.truth()["orders"][0]["arrived"])

    _trade(simulator, order["price"], "0.004")
    part = trader.truth()["orders"][0]
    _trade(simulator, D(order["price"]) - 1000, "0.001")
    whole = trader.truth()["orders"][0]

    assert (part["state"], part["executed_volume"]) == ("wait", "0.004")
    assert (whole["state"], whole["executed_volume"]) == ("done", "0.01")
    trade = whole["trades"][0]
    funds = D(order["price"]) * D("0.004")
    assert D(trade["funds"]) == funds
    assert D(trade["fee"]) == funds * D("0.0005")
    assert trade["is_maker"] is True
    assert trader.truth()["balances"]["BTC"]["balance"] == "0.01"
    ticker = simulator.public("/v1/ticker", markets=MARKET).json()
    assert ticker[0]["trade_price"] == float(D(order["price"]) - 1000)


# --- markets, maintenance, assumptions -----------------------------------------------


def test_a_market_can_be_taken_offline_and_given_other_rules(
    simulator: Simulator, trader: Trader
) -> None:
    path = f"markets/{MARKET}"
    simulator.told("POST", path, {"offline": True})
    offline = trader.order()
    rules = {"offline": False, "bid_fee": "0.001", "ticks": [["0", "999983"]]}
    told = simulator.told("POST", path, rules)
    off_tick = trader.order()
    simulator.told("POST", path, {"ticks": None})

    accepted = trader.order().json()

    assert error_of(offline) == (403, "market_offline")
    assert (told["bid_fee"], told["ticks"]) == ("0.001", [["0", "999983"]])
    assert error_of(off_tick) == (400, "invalid_price_bid")
    total = D(accepted["price"]) * D(accepted["volume"])
    assert D(accepted["reserved_fee"]) == total * D("0.001")


def test_a_delisting_ends_what_is_open(simulator: Simulator, trader: Trader) -> None:
    trader.order()
    price = str(simulator.low_price())

    simulator.told("POST", f"markets/{MARKET}", {"delisted": True})

    assert trader.truth()["orders"][0]["state"] == "cancel"
    asked = {"side": "bid", "ord_type": "limit", "price": price, "volume": "0.01"}
    answer = trader.call("POST", "/v1/orders", market=MARKET, **asked)
    assert error_of(answer) == (400, "notfoundmarket")


def test_maintenance_stops_all_markets(simulator: Simulator, trader: Trader) -> None:
    simulator.told("POST", "maintenance", {"on": True})
    during = trader.order()
    simulator.told("POST", "maintenance", {"on": False})

    assert error_of(during) == (403, "market_offline")
    assert trader.order().status_code == 201


def test_open_questions_can_be_answered_another_way(
    simulator: Simulator, trader: Trader
) -> None:
    before = simulator.told("GET", "assumptions")
    simulator.told("POST", "assumptions", {"numbers": "padded"})
    (padded,) = trader.call("GET", "/v1/accounts").json()
    after = simulator.told("POST", "assumptions", {"numbers": "short"})

    assert list(before) == list(CHOICES)
    assert before["numbers"]["choices"] == ["short", "padded"]
    assert "1.00000000" in before["numbers"]["about"]
    assert all(one["about"] for one in before.values())
    assert padded["balance"] == f"{KRW}.00000000"
    assert after == before


# --- the ledger and the log ----------------------------------------------------------


def test_the_ledger_counts_every_post_and_what_was_burnt(
    simulator: Simulator, trader: Trader
) -> None:
    simulator.told("POST", "assumptions", {"burn_refused": "yes"})
    identifier = new_name("order")
    asked = {"market": MARKET, "side": "bid", "ord_type": "price", "price": "1"}
    trader.call("POST", "/v1/orders", identifier=identifier, **asked)
    simulator.told("POST", "assumptions", {"burn_refused": "no"})
    simulator.add_fault("reject_500", "POST /v1/orders")
    trader.order(identifier)

    ledger = simulator.told("GET", "ledger")

    assert ledger["accounts"][trader.name]["burned"] == [identifier]
    assert ledger["posts"]["by_identifier"][identifier] == 2
    assert ledger["invariants"] == {"hold": True, "broken": []}


def test_calls_are_logged_with_what_became_of_them(
    simulator: Simulator, trader: Trader
) -> None:
    identifier = new_name("order")
    trader.order(identifier)
    trader.call("GET", "/v1/order", identifier=identifier)
    trader.call("GET", "/v1/nothing")

    log = [
        (one["method"], one["path"], one["status"])
        for one in simulator.told("GET", "requests")[-3:]
    ]
    lookups = simulator.told("GET", "requests?endpoint=GET /v1/order")

    assert log == [
        ("POST", "/v1/orders", 201),
        ("GET", "/v1/order", 200),
        ("GET", "/v1/nothing", 404),
    ]
    assert lookups[-1]["identifier"] == identifier
    assert {one["endpoint"] for one in lookups} == {"GET /v1/order"}


# --- what cannot be ------------------------------------------------------------------

ACCOUNT = {"access_key": "new", "secret_key": SECRET, "krw": 1}
FUNDS = {"account": "?", "currency": "KRW", "amount": "1"}
ORDER = {"account": "?", "market": MARKET, "side": "bid", "ord_type": "limit"}
TRADE = {"market": MARKET, "price": "2000000", "volume": "1"}
MARKETS = f"markets/{MARKET}"


def _shape(simulator: Simulator) -> dict[str, int]:
    """Return every account and how many orders it made."""
    accounts = simulator.told("GET", "ledger")["accounts"]
    return {name: len(account["orders"]) for name, account in accounts.items()}


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        ("faults", {"kind": "reject_500"}, 400, "POST /v1/orders"),
        ("faults", [], 400, "object"),
        ("clock", {}, 400, "offset_ms is missing"),
        ("clock", {"offset_ms": 600_001}, 400, "600000"),
        ("clock", {"offset_ms": 1.5}, 400, "whole"),
        ("clock", {"offset_ms": True}, 400, "whole"),
        ("clock", {"minutes": 1}, 400, "offset_ms"),
        ("accounts", {}, 400, "access_key is missing"),
        ("accounts", {**ACCOUNT, "secret_key": ""}, 400, "secret_key"),
        ("accounts", {**ACCOUNT, "krw": "-1"}, 400, "below 0"),
        ("accounts", {**ACCOUNT, "krw": "1000000000001"}, 400, "1000000000000"),
        ("accounts", {**ACCOUNT, "krw": "many"}, 400, "decimal"),
        ("accounts", {**ACCOUNT, "krw": "NaN"}, 400, "decimal"),
        ("accounts", {**ACCOUNT, "krw": None}, 400, "krw is missing"),
        ("accounts", {**ACCOUNT, "scopes": ["rob"]}, 400, "make_orders"),
        ("accounts", {**ACCOUNT, "scopes": "make_orders"}, 400, "list"),
        ("accounts", {**ACCOUNT, "allowed_ips": [1]}, 400, "text"),
        ("accounts", {**ACCOUNT, "expire_at": "soon"}, 400, "2026-01-31"),
        ("accounts", {**ACCOUNT, "password": "x"}, 400, "secret_key"),
        ("accounts", {**ACCOUNT, "access_key": "?"}, 400, "exists"),
        ("keys/nobody/revoke", {}, 404, "nobody"),
        ("funds", {**FUNDS, "account": "nobody"}, 400, "no account 'nobody'"),
        ("funds", {**FUNDS, "amount": "1e-99999"}, 400, "decimal"),
        ("funds", {**FUNDS, "amount": "1e-17"}, 400, "16 decimals"),
        ("funds", {**FUNDS, "amount": "1000000000000001"}, 400, "1000000000000000"),
        ("funds", {**FUNDS, "amount": None}, 400, "amount is missing"),
        ("funds", {**FUNDS, "currency": 1}, 400, "currency"),
        ("orders", {**ORDER, "account": "nobody"}, 400, "no account"),
        ("orders", {**ORDER, "identifier": "x"}, 400, "no identifier"),
        ("orders", {**ORDER, "side": "long"}, 400, "side"),
        ("orders", {**ORDER, "market": "KRW-NO"}, 400, "마켓"),
        ("orders", {**ORDER, "price": "1", "volume": "1"}, 400, ""),
        ("trades", {**TRADE, "market": "KRW-NO"}, 400, "마켓"),
        ("trades", {**TRADE, "price": "2000000.5"}, 400, "ticks"),
        ("trades", {**TRADE, "volume": "0"}, 400, "above 0"),
        ("trades", {**TRADE, "volume": "1e-9"}, 400, "8 decimals"),
        ("trades", {**TRADE, "price": None}, 400, "price is missing"),
        ("markets/KRW-NO", {"offline": True}, 400, "마켓"),
        (MARKETS, {"offline": None}, 400, "true or false"),
        (MARKETS, {"offline": "yes"}, 400, "true or false"),
        (MARKETS, {"open": True}, 400, "delisting_date"),
        (MARKETS, {"delisting_date": "tomorrow"}, 400, "day"),
        (MARKETS, {"caution": ["FEAR"]}, 400, "PRICE_FLUCTUATIONS"),
        (MARKETS, {"bid_fee": "1"}, 400, "below 1"),
        (MARKETS, {"min_total": -1}, 400, "below 0"),
        (MARKETS, {"max_total": 0}, 400, "above 0"),
        (MARKETS, {"ticks": []}, 400, "ticks"),
        (MARKETS, {"ticks": [["0", "0"]]}, 400, "above 0"),
        (MARKETS, {"ticks": [["10", "1"]]}, 400, "ticks"),
        (MARKETS, {"ticks": [["0"]]}, 400, "ticks"),
        (MARKETS, {"ticks": [["0", "1"], ["10", "3"]]}, 400, "edge 10"),
        ("maintenance", {"on": "yes"}, 400, "true or false"),
        ("maintenance", {}, 400, "on is missing"),
        ("assumptions", {"weather": "fine"}, 400, "smp_default"),
        ("assumptions", {"numbers": "roman"}, 400, "padded"),
        ("assumptions", {"numbers": 1}, 400, "text"),
    ],
)
def test_what_cannot_be_is_refused_with_what_can(
    simulator: Simulator,
    trader: Trader,
    path: str,
    body: Any,
    status: int,
    said: str,
) -> None:
    if isinstance(body, dict):
        body = {k: trader.name if v == "?" else v for k, v in body.items()}
    before = _shape(simulator), trader.truth()

    answer = simulator.admin("POST", path, body)

    assert answer.status_code == status
    assert said in answer.json()["error"]["message"]
    assert SECRET not in answer.text
    assert (_shape(simulator), trader.truth()) == before


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "faults/f0"),
        ("DELETE", "orders/no-such-order"),
        ("GET", "ledger?account=nobody"),
    ],
)
def test_what_does_not_exist_is_not_found(
    simulator: Simulator, method: str, path: str
) -> None:
    assert simulator.admin(method, path).status_code == 404


def test_the_paths_without_signature_are_for_this_machine_alone() -> None:
    port = free_ports(1)[0]
    ended = subprocess.run(
        [
            *(sys.executable, "-m", "deploy.simulator", "--port", str(port)),
            *("--host", "0.0.0.0", "--faults"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert ended.returncode == 2
    assert "--host" in ended.stderr
