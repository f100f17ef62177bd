"""How calls are let in and refused, on an exchange whose clock the test turns."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
import requests

from deploy.simulator.exchange.venue import instant
from deploy.simulator.rest.auth import TRADING, Scope
from deploy.simulator.rest.limits import FIRST_BLOCK_MS, PATIENCE
from deploy.simulator.server import EXCHANGE
from tests.unit.exchange_world import (
    ACCESS,
    SECRET,
    START_MS,
    World,
    exchange,
    problem,
    signed,
)

HOME = "127.0.0.1"


@pytest.fixture
def world() -> Iterator[World]:
    with exchange(factor=1.0) as running:
        yield running


@pytest.fixture
def roomy() -> Iterator[World]:
    with exchange() as running:
        yield running


def _remaining(answer: requests.Response) -> str:
    return str(answer.headers["Remaining-Req"])


def _keep_going(world: World) -> requests.Response:
    """Call until patience ends; return the last refusal."""
    for _ in range(30 + PATIENCE):
        answer = world.get("/v1/accounts")
    return answer


# --- how many calls are left -------------------------------------------------------


def test_every_answer_says_what_is_left(world: World) -> None:
    found = world.get("/v1/accounts")
    unknown_order = world.get("/v1/order", uuid="nobody")
    unsigned = world.send("GET", "/v1/accounts")
    unknown_path = world.send("GET", "/v1/nowhere")
    other_method = world.send("PUT", "/v1/orders")
    unknown_market = world.send("GET", "/v1/ticker?markets=KRW-NOPE")

    assert [_remaining(found), _remaining(unknown_order)] == [
        "group=default; min=1800; sec=29",
        "group=default; min=1800; sec=28",
    ]
    # Whoever is not known counts for the address.
    assert [_remaining(one) for one in (unsigned, unknown_path, other_method)] == [
        "group=default; min=1800; sec=29",
        "group=default; min=1800; sec=28",
        "group=default; min=1800; sec=27",
    ]
    assert _remaining(unknown_market) == "group=ticker; min=600; sec=9"


def test_keys_of_a_pocket_share_their_calls_and_pockets_do_not(world: World) -> None:
    keys, now = world.house.keys, instant(START_MS)
    keys.add(access_key="second", secret=SECRET, now=now, pocket=ACCESS)
    keys.add(access_key="apart", secret=SECRET, now=now)
    world.house.venue.open_account(account="apart", krw=world.cash)

    left = [
        _remaining(world.call("GET", "/v1/accounts", query={}, access_key=name))
        for name in (ACCESS, "second", "apart")
    ]

    assert [text.rpartition("=")[2] for text in left] == ["29", "28", "29"]


def test_group_names_can_have_their_side_before_them(world: World) -> None:
    world.assume(group_names="dotted")

    assert _remaining(world.get("/v1/accounts")) == (
        "group=exchange.default; min=1800; sec=29"
    )
    assert _remaining(world.send("GET", "/v1/ticker")) == "group=ticker; min=600; sec=9"


def test_the_second_after_the_last_call_is_answered_again(world: World) -> None:
    answers = [world.get("/v1/accounts") for _ in range(31)]
    world.pass_time(ms=1_000)

    assert [one.status_code for one in answers] == [200] * 30 + [429]
    assert problem(answers[-1]) == (429, "too_many_requests")
    assert _remaining(answers[-1]) == "group=default; min=1800; sec=0"
    assert world.get("/v1/accounts").status_code == 200


def test_a_pocket_that_keeps_going_is_blocked_and_let_in_again(world: World) -> None:
    last = _keep_going(world)
    blocked = world.get("/v1/orders/chance", market="KRW-BTC")
    public = world.send("GET", "/v1/ticker?markets=KRW-NOPE")
    world.pass_time(ms=FIRST_BLOCK_MS)
    released = world.get("/v1/accounts")

    assert problem(last) == (429, "too_many_requests")
    assert problem(blocked) == (418, "blocked")
    assert "10초" in blocked.json()["error"]["message"]
    assert _remaining(blocked) == "group=default; min=1800; sec=0"
    assert public.status_code == 404  # the address is another matter
    assert released.status_code == 200


@pytest.mark.parametrize(
    ("shape", "too_many", "blocked"),
    [
        (
            "error",
            b'{"error":{"name":"too_many_requests"',
            b'{"error":{"name":"blocked"',
        ),
        ("flat", b'{"name":"too_many_requests"', b'{"name":"blocked"'),
        ("text", b"Too many API requests.", "요청 수".encode()),
    ],
)
def test_refusals_of_too_many_calls_come_in_each_shape(
    world: World, shape: str, too_many: bytes, blocked: bytes
) -> None:
    world.assume(limit_body=shape)

    assert _keep_going(world).content.startswith(too_many)
    assert world.get("/v1/accounts").content.startswith(blocked)


def test_a_web_page_gets_one_quotation_call_in_ten_seconds(world: World) -> None:
    def get(path: str) -> int:
        headers = {"Origin": "https://example.com"}
        return world.send("GET", path, headers=headers).status_code

    statuses = [get("/v1/ticker"), get("/v1/ticker"), get("/v1/orderbook")]
    world.pass_time(ms=10_000)

    assert statuses == [400, 429, 429]
    assert get("/v1/orderbook") == 400
    assert world.send("GET", "/v1/ticker").status_code == 400


def test_all_open_orders_can_be_cancelled_once_in_two_seconds(world: World) -> None:
    first, second = world.delete("/v1/orders/open"), world.delete("/v1/orders/open")
    world.pass_time(ms=2_000)

    assert (first.status_code, second.status_code) == (200, 429)
    assert _remaining(first) == "group=order-cancel-all; min=30; sec=0"
    assert world.delete("/v1/orders/open").status_code == 200


# --- who may do what ---------------------------------------------------------------


@pytest.mark.parametrize(("method", "path"), list(EXCHANGE))
def test_each_call_needs_its_own_right_and_no_other(
    roomy: World, method: str, path: str
) -> None:
    needed = EXCHANGE[method, path][1]
    now = instant(START_MS)
    for name, scopes in (
        ("fitting", [] if needed is None else [needed]),
        ("others", [scope for scope in Scope if scope is not needed]),
    ):
        roomy.house.keys.add(
            access_key=name, secret=SECRET, now=now, pocket=ACCESS, scopes=scopes
        )

    fitting = roomy.call(method, path, query={}, access_key="fitting")
    others = roomy.call(method, path, query={}, access_key="others")

    assert fitting.status_code in (200, 400)
    if needed is None:
        assert others.status_code == 200
    else:
        assert problem(others) == (401, "out_of_scope")


def test_a_key_works_from_its_addresses_until_its_last_day(roomy: World) -> None:
    keys, now = roomy.house.keys, instant(START_MS)
    for name, addresses in (("here", [HOME]), ("elsewhere", ["10.0.0.1"])):
        keys.add(
            access_key=name,
            secret=SECRET,
            now=now,
            pocket=ACCESS,
            allowed_ips=addresses,
            expire_at=now + timedelta(hours=1),
        )

    def call(name: str) -> requests.Response:
        return roomy.call("GET", "/v1/accounts", query={}, access_key=name)

    assert call("here").status_code == 200
    assert problem(call("elsewhere")) == (401, "no_authorization_ip")
    roomy.pass_time(ms=3_600_000)
    assert problem(call("here")) == (401, "expired_access_key")


def test_keys_are_listed_with_what_they_may_do(roomy: World) -> None:
    keys, now = roomy.house.keys, instant(START_MS)
    keys.add(
        access_key="manager",
        secret=SECRET,
        now=now,
        pocket=ACCESS,
        scopes=[Scope.MANAGE_POCKETS],
        allowed_ips=[HOME],
        expire_at=now + timedelta(days=30),
    )
    keys.add(access_key="old", secret=SECRET, now=now, pocket=ACCESS, expire_at=now)
    keys.add(access_key="stranger", secret=SECRET, now=now)

    def call(path: str, **query: str) -> list[dict[str, object]]:
        answer = roomy.call("GET", path, query=query, access_key="manager")
        return list(answer.json())

    (pocket,) = call("/v1/pockets")
    (group,) = call("/v1/pockets/api_keys")
    (with_old,) = call("/v1/pockets/api_keys", include_expired="true")

    assert pocket == {"uuid": group["uuid"], "name": ACCESS, "type": "main"}
    assert group["keys"] == [
        {
            "access_key": ACCESS,
            "permissions": sorted(TRADING),
            "allowed_ips": [],
            "created_at": "2026-05-29T05:27:00+09:00",
            "expired_at": "2027-05-29T05:27:00+09:00",
        },
        {
            "access_key": "manager",
            "permissions": ["manage_pockets"],
            "allowed_ips": [HOME],
            "created_at": "2026-05-29T05:27:00+09:00",
            "expired_at": "2026-06-28T05:27:00+09:00",
        },
    ]
    assert isinstance(with_old["keys"], list)
    assert [key["access_key"] for key in with_old["keys"]] == [ACCESS, "manager", "old"]
    assert call("/v1/pockets/api_keys", uuids_="somebody-else") == []
    assert [one["access_key"] for one in call("/v1/api_keys")] == [
        ACCESS,
        "manager",
        "old",
    ]


def test_a_key_that_may_look_at_withdrawals_is_told_that_none_is_possible(
    roomy: World,
) -> None:
    roomy.house.keys.add(
        access_key="looker",
        secret=SECRET,
        now=instant(START_MS),
        pocket=ACCESS,
        scopes=[Scope.VIEW_WITHDRAWALS],
    )

    answer = roomy.call(
        "GET",
        "/v1/withdraws/chance",
        query={"currency": "KRW"},
        access_key="looker",
    ).json()

    assert answer["account"]["balance"] == str(roomy.cash)
    assert answer["withdraw_limit"]["can_withdraw"] is False


# --- what is no call at all --------------------------------------------------------


def test_unknown_paths_and_methods_are_refused_in_upbits_shape(roomy: World) -> None:
    other = roomy.send("PUT", "/v1/orders")
    options = roomy.send("OPTIONS", "/v1/orders")

    assert problem(roomy.send("GET", "/v1/nowhere")) == (404, 404)
    assert problem(other) == (405, 405)
    assert options.status_code == 405
    assert options.headers["Allow"] == other.headers["Allow"] == "GET,HEAD,POST"


def test_head_answers_as_get_without_the_body(roomy: World) -> None:
    answer = roomy.send("HEAD", "/v1/accounts", headers=signed())

    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["Remaining-Req"].startswith("group=default")
    assert roomy.send("HEAD", "/v1/accounts").status_code == 401


def test_a_very_long_body_is_refused(roomy: World) -> None:
    answer = roomy.post("/v1/orders", market="K" * 70_000)

    assert problem(answer) == (413, "bad_request")


def test_parameters_that_were_not_signed_are_refused(roomy: World) -> None:
    def get(text: str) -> requests.Response:
        path = "/v1/orders/chance?market=KRW-BTC"
        return roomy.send("GET", path, headers=signed(text))

    assert get("market=KRW-BTC").status_code == 200
    assert problem(get("")) == (401, "invalid_query_payload")
    assert problem(get("market=KRW-ETH")) == (401, "invalid_query_payload")


def test_bodies_instead_of_queries_are_read_unless_strict(roomy: World) -> None:
    order = roomy.order(
        market="KRW-BTC",
        side="bid",
        ord_type="limit",
        price="100000000",
        volume="0.001",
    )
    text = f"uuid={order['uuid']}"

    def get() -> requests.Response:
        form = {"uuid": order["uuid"]}
        return roomy.send("GET", "/v1/order", headers=signed(text), data=form)

    def delete() -> requests.Response:
        body = {"uuid": order["uuid"]}
        return roomy.send("DELETE", "/v1/order", headers=signed(text), json=body)

    assert (get().status_code, delete().status_code) == (200, 200)
    roomy.assume(bodies="strict")
    assert problem(get()) == (400, "validation_error")
    assert problem(delete()) == (400, "QUERY_PARAMETER_NOT_SUPPORTED")


def test_our_own_failure_looks_like_one_of_the_exchange(
    roomy: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**_: object) -> None:
        raise RuntimeError("broken on purpose")

    monkeypatch.setattr(roomy.house.venue.engine, "wallets", fail)

    assert problem(roomy.get("/v1/accounts")) == (500, "internal_server_error")
