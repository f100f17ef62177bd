"""Faults over HTTP: what a client sees, and what really happened on the exchange."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import requests

from deploy.simulator.faults.kinds import KINDS, Way
from tests.system.faults_world import (
    KRW,
    MARKET,
    SECRET,
    SHORT_SECONDS,
    Simulator,
    Trader,
    error_of,
    eventually,
    new_name,
    new_trader,
    outward,
    running,
    settled,
)

CREATE = "POST /v1/orders"
SAID = {  # what each sign of an answer says: status and error name
    "500": (500, "internal_server_error"),
    "409": (409, "conflict"),
    "429": (429, "too_many_requests"),
    "418": (418, "blocked"),
    "error_body_200": (200, "internal_server_error"),
    "nonce_used": (401, "nonce_used"),
    "no_authorization_ip": (401, "no_authorization_ip"),
    "expired_access_key": (401, "expired_access_key"),
}


@pytest.fixture(scope="module")
def process() -> Iterator[Simulator]:
    with running("--faults") as simulator:
        yield simulator
        assert simulator.stop() == 0


@pytest.fixture
def simulator(process: Simulator) -> Simulator:
    return settled(process)


@pytest.fixture
def trader(simulator: Simulator) -> Trader:
    return new_trader(simulator)


def _check_sign(sign: str, trader: Trader, identifier: str) -> None:
    """Order once and see that the answer goes wrong as the sign says."""
    ended, answer = outward(lambda: trader.order(identifier, patience=SHORT_SECONDS))
    if sign in ("hang", "reset", "truncated"):
        assert ended == {"hang": "timeout", "reset": "reset", "truncated": "cut"}[sign]
        return
    assert answer is not None
    if sign in SAID:
        assert error_of(answer) == SAID[sign]
    elif sign == "html":
        assert answer.headers["Content-Type"].startswith("text/html")
        assert (answer.status_code, answer.text[:5]) == (200, "<!DOC")
    else:
        _check_acceptance(sign, answer, identifier)


def _check_acceptance(sign: str, answer: requests.Response, identifier: str) -> None:
    assert answer.status_code == 201
    remaining = answer.headers.get("Remaining-Req", "")
    assert (remaining == "") == (sign == "without_remaining")
    assert ("group=exchange.order;" in remaining) == (sign == "dotted_remaining")
    if sign == "malformed_json":
        with pytest.raises(ValueError, match=r"Expecting|Unterminated"):
            answer.json()
        return
    assert ("uuid" in answer.json()) == (sign != "without_uuid")
    assert (answer.json()["identifier"] == identifier) == (sign != "wrong_identifier")


def _kinds(way: Way) -> list[str]:
    return [
        name
        for name, kind in KINDS.items()
        if kind.way is way and kind.suits(endpoint=CREATE)
    ]


# --- accepted and refused with the same outward sign ---------------------------------


@pytest.mark.parametrize("kind", _kinds(Way.ACCEPT))
def test_an_accepted_order_exists_once_whatever_its_caller_hears(
    simulator: Simulator, trader: Trader, kind: str
) -> None:
    seconds = {"seconds": 30} if kind == "accept_then_hang" else {}
    simulator.add_fault(kind, times=1, **seconds)
    identifier = new_name("order")

    _check_sign(KINDS[kind].sign, trader, identifier)

    (order,) = trader.orders(identifier)
    assert order["state"] == "wait"
    (hit,) = [one for one in simulator.log() if one["identifier"] == identifier]
    assert (hit["kind"], hit["endpoint"]) == (kind, CREATE)
    assert hit["done"].startswith("done")


@pytest.mark.parametrize("kind", _kinds(Way.REJECT))
def test_a_refused_order_does_not_exist_and_its_identifier_is_free(
    simulator: Simulator, trader: Trader, kind: str
) -> None:
    seconds = {"reject_then_hang": 30, "reject_418": 0}.get(kind)
    simulator.add_fault(
        kind, times=1, **({} if seconds is None else {"seconds": seconds})
    )
    identifier = new_name("order")

    _check_sign(KINDS[kind].sign, trader, identifier)

    assert trader.orders(identifier) == []
    assert trader.order(identifier).status_code == 201
    assert len(trader.orders(identifier)) == 1
    posts = simulator.told("GET", "ledger")["posts"]
    assert posts["by_identifier"][identifier] == 2


@pytest.mark.parametrize("sign", ["500", "429", "418", "html"])
def test_nobody_can_tell_an_accepted_order_from_a_refused_one(
    simulator: Simulator, sign: str
) -> None:
    heard = []
    for kind in (f"accept_then_{sign}", f"reject_{sign}"):
        simulator.add_fault(kind, times=1)
        answer = new_trader(simulator).order(new_name("order"))
        headers = {k: v for k, v in answer.headers.items() if k != "Date"}
        heard.append((answer.status_code, answer.content, headers))

    assert heard[0] == heard[1]
    assert "Remaining-Req" in heard[0][2]


def test_a_rate_limit_that_is_feigned_leaves_no_calls(
    simulator: Simulator, trader: Trader
) -> None:
    simulator.add_fault("reject_429", times=1)

    answer = trader.order(new_name("order"))

    assert answer.headers["Remaining-Req"].endswith("sec=0")


def test_a_block_holds_for_the_whole_pocket_and_nobody_else(
    simulator: Simulator, trader: Trader
) -> None:
    other = new_trader(simulator)
    simulator.add_fault("accept_then_418", who=trader.name, times=1, seconds=60)

    trader.order(new_name("order"))

    assert error_of(trader.call("GET", "/v1/accounts")) == (418, "blocked")
    assert other.call("GET", "/v1/accounts").status_code == 200


def test_a_hanging_call_ends_without_an_answer(
    simulator: Simulator, trader: Trader
) -> None:
    simulator.add_fault("reject_then_hang", seconds=0.2)

    ended, _ = outward(lambda: trader.order(new_name("order")))

    assert ended == "closed"


def test_what_the_exchange_refuses_itself_is_refused_plainly(
    simulator: Simulator, trader: Trader
) -> None:
    simulator.add_fault("accept_then_reset")
    asked = {"market": MARKET, "side": "bid", "ord_type": "price", "price": "1"}

    answer = trader.call("POST", "/v1/orders", **asked)

    assert error_of(answer) == (400, "under_min_total_bid")
    assert "refused by the exchange itself" in simulator.log()[-1]["done"]


def test_a_struck_call_must_be_signed(simulator: Simulator, trader: Trader) -> None:
    simulator.add_fault("reject_500")

    answer = requests.post(f"{simulator.url}/v1/orders", json={}, timeout=20)

    assert error_of(answer) == (401, "no_authorization_token")
    assert simulator.told("GET", "faults")[0]["calls"] == 0


def test_quotation_names_its_errors_by_status(simulator: Simulator) -> None:
    simulator.add_fault("reject_500", "GET /v1/ticker")

    assert error_of(simulator.public("/v1/ticker", markets=MARKET)) == (500, 500)


# --- late, twice, slow ---------------------------------------------------------------


@pytest.mark.parametrize("sign", ["hang", "reset", "500"])
def test_a_late_order_is_placed_as_if_it_had_just_arrived(
    simulator: Simulator, trader: Trader, sign: str
) -> None:
    simulator.add_fault("late", sign=sign, seconds=0.5, times=1)
    identifier = new_name("order")

    _check_sign(sign, trader, identifier)

    eventually(lambda: trader.orders(identifier))
    (order,) = trader.orders(identifier)
    (received,) = [
        one
        for one in simulator.told("GET", f"requests?endpoint={CREATE}")
        if one["identifier"] == identifier
    ]
    created = datetime.fromisoformat(order["created_at"]).timestamp() * 1000
    assert created - received["at_ms"] >= 500
    assert received["status"] == (500 if sign == "500" else None)
    done = [x["done"] for x in simulator.log() if x["identifier"] == identifier]
    assert done[-1] == "done 0.5 s late: 201"


def test_whoever_sends_again_meanwhile_wins_over_the_late_order(
    simulator: Simulator, trader: Trader
) -> None:
    simulator.add_fault("late", sign="500", seconds=3, times=1)
    identifier = new_name("order")
    trader.order(identifier)

    again = trader.order(identifier)

    assert again.status_code == 201
    late = "done 3 s late: 400 duplicated_identifier"
    eventually(lambda: simulator.log()[-1]["done"] == late)
    assert len(trader.orders(identifier)) == 1


def test_a_late_order_of_a_revoked_key_is_never_placed(
    simulator: Simulator, trader: Trader
) -> None:
    simulator.add_fault("late", sign="500", seconds=3)
    identifier = new_name("order")
    trader.order(identifier)

    simulator.told("POST", f"keys/{trader.name}/revoke")

    eventually(lambda: "no longer works" in simulator.log()[-1]["done"])
    assert trader.orders(identifier) == []


def test_a_call_delivered_twice_makes_one_order_if_it_has_an_identifier(
    simulator: Simulator, trader: Trader
) -> None:
    simulator.add_fault("duplicate_delivery")
    identifier = new_name("order")

    with_identifier, without = trader.order(identifier), trader.order()

    assert error_of(with_identifier) == (400, "duplicated_identifier")
    assert without.status_code == 201
    assert len(trader.orders(identifier)) == 1
    assert len(trader.orders(None)) == 2
    posts = simulator.told("GET", "ledger")["posts"]
    assert posts["by_identifier"][identifier] == 1


def test_a_delayed_answer_is_the_true_one(simulator: Simulator, trader: Trader) -> None:
    simulator.add_fault("delay", seconds=0.5)
    before = time.monotonic()

    answer = trader.order(new_name("order"))

    assert time.monotonic() - before >= 0.5
    assert answer.status_code == 201


def test_a_cancellation_can_be_struck_too(simulator: Simulator, trader: Trader) -> None:
    identifier = new_name("order")
    trader.order(identifier)
    simulator.add_fault("reject_500", "DELETE /v1/order", nth=[1])
    simulator.add_fault("accept_then_500", "DELETE /v1/order", nth=[1])

    refused = trader.call("DELETE", "/v1/order", identifier=identifier)
    still = trader.orders(identifier)[0]["state"]
    accepted = trader.call("DELETE", "/v1/order", identifier=identifier)

    assert error_of(refused) == error_of(accepted) == (500, "internal_server_error")
    assert still == "wait"
    eventually(lambda: trader.orders(identifier)[0]["state"] == "cancel")


# --- whom and what faults strike -----------------------------------------------------


def test_faults_can_be_meant_for_one_key_pocket_or_market(
    simulator: Simulator, trader: Trader
) -> None:
    pocket, identifier = new_name("pocket"), new_name("order")
    shared = new_trader(simulator, pocket=pocket)
    trader.order(identifier)
    simulator.add_fault("lookup_500", "GET /v1/accounts", who=pocket)
    simulator.add_fault("lookup_500", "GET /v1/orders/open", who=shared.name)
    simulator.add_fault("lookup_500", "GET /v1/order", market="KRW-ETH")
    simulator.add_fault("lookup_500", "GET /v1/orders/chance", market=MARKET)

    def status(who: Trader, path: str, **asked: Any) -> int:
        return who.call("GET", path, **asked).status_code

    assert status(shared, "/v1/accounts") == 500
    assert status(trader, "/v1/accounts") == 200
    assert status(shared, "/v1/orders/open") == 500
    assert status(trader, "/v1/orders/open") == 200
    assert status(trader, "/v1/order", identifier=identifier) == 200
    assert status(trader, "/v1/orders/chance", market="KRW-ETH") == 200
    assert status(trader, "/v1/orders/chance", market=MARKET) == 500
    simulator.add_fault("lookup_500", "GET /v1/order", market=MARKET)
    assert status(trader, "/v1/order", identifier=identifier) == 500


def test_the_same_seed_strikes_the_same_calls(simulator: Simulator) -> None:
    histories = []
    for _ in range(2):
        simulator.add_fault("empty_list", "GET /v1/ticker", probability=0.5, seed=11)
        answers = [simulator.public("/v1/ticker", markets=MARKET) for _ in range(16)]
        histories.append([answer.json() == [] for answer in answers])
        simulator.told("DELETE", "faults")

    assert histories[0] == histories[1]
    assert 0 < sum(histories[0]) < 16


# --- the switch, and its end ---------------------------------------------------------


def test_without_the_switch_there_is_nothing_to_switch() -> None:
    with running() as simulator:
        statuses = {
            simulator.admin(method, path).status_code
            for method, path in (
                *(("GET", "ledger"), ("POST", "faults"), ("POST", "accounts")),
                *(("GET", "requests"), ("DELETE", "faults")),
            )
        }

    assert statuses == {404}


def test_a_late_order_and_a_hanging_call_end_with_the_process(tmp_path: Path) -> None:
    state = ("--faults", "--state", str(tmp_path))
    identifier = new_name("order")
    with running(*state) as first:
        trader = new_trader(first)
        first.add_fault("late", sign="hang", seconds=120)
        outward(lambda: trader.order(identifier, patience=SHORT_SECONDS))
        assert "120 s later" in first.log()[-1]["done"]
        assert first.stop() == 0

    with running(*state) as second:
        again = Trader(second, trader.name)

        assert again.orders(identifier) == []
        assert again.truth()["balances"]["KRW"]["balance"] == str(KRW)


def test_the_log_of_calls_has_no_secrets(simulator: Simulator, trader: Trader) -> None:
    trader.order(new_name("order"))

    text = json.dumps(
        [simulator.told("GET", "requests"), simulator.told("GET", "ledger")]
    )

    assert trader.name in text
    assert SECRET not in text
    assert "Bearer" not in text
