"""What a key check proves: by what the key may read, and by an order that books nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
import pytest
import stamina

from common.money import KRW_TICKS
from tests.unit.upbit_stub import ACCESS, StubUpbit, order, refusal, sent_body
from user_project.exchanges.adapter import (
    FORBIDDEN_RIGHTS,
    KeyReport,
    RateLimited,
    Right,
    Unavailable,
)
from user_project.exchanges.upbit_keys import TEST_PREFIX

ACCOUNTS = "/v1/accounts"
OPEN_ORDERS = "/v1/orders/open"
API_KEYS = "/v1/api_keys"
POCKET_KEYS = "/v1/pockets/api_keys"
WITHDRAWS = "/v1/withdraws/chance"
TEST_ORDERS = "/v1/orders/test"
OUT_OF_SCOPE = refusal("out_of_scope", status=401)
AWAY = refusal("internal_server_error", status=500)


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    with stamina.set_testing(True, attempts=2, cap=True):
        yield


@pytest.fixture
def exchange() -> StubUpbit:
    """Answer as Upbit does to a good trading key."""
    stub = StubUpbit()
    stub.on_json("GET", ACCOUNTS, [])
    stub.on_json("GET", OPEN_ORDERS, [])
    keys = [
        {"access_key": "another", "expire_at": "2026-01-01T00:00:00+09:00"},
        {"access_key": ACCESS, "expire_at": "2027-03-01T09:00:00+09:00"},
    ]
    stub.on_json("GET", API_KEYS, keys)
    stub.on("GET", POCKET_KEYS, OUT_OF_SCOPE)
    stub.on("GET", WITHDRAWS, OUT_OF_SCOPE)
    listed = [{"market": name} for name in ("BTC-ETH", "KRW-BTC", "KRW-ETH")]
    stub.on_json("GET", "/v1/market/all", listed)
    last = [{"market": "KRW-BTC", "trade_price": 150000500}]
    stub.on_json("GET", "/v1/ticker", last)
    stub.on_json("POST", TEST_ORDERS, order(), status_code=201)
    return stub


def pockets(*permissions: str, **changes: Any) -> list[dict[str, Any]]:
    key = {
        "access_key": ACCESS,
        "permissions": list(permissions),
        "allowed_ips": ["203.0.113.7"],
        **changes,
    }
    other = {"access_key": "another", "permissions": ["withdraw"], "allowed_ips": []}
    return [{"uuid": "pocket", "keys": [other, key]}]


def report(exchange: StubUpbit) -> KeyReport:
    return exchange.adapter().check_key()


class TestGoodKey:
    def test_rights_and_expiry_are_proven(self, exchange: StubUpbit) -> None:
        found = report(exchange)

        assert found.accepted
        assert found.expires_at == datetime(2027, 3, 1, tzinfo=UTC)
        assert found.days_left(now=datetime(2027, 2, 1, tzinfo=UTC)) == 28
        assert found.withdraw_refused is True
        assert found.has == {
            Right.VIEW_BALANCES,
            Right.VIEW_ORDERS,
            Right.PLACE_ORDERS,
        }
        assert (found.missing, found.excess) == ((), ())

    def test_the_right_to_order_is_proven_by_one_test_order(
        self, exchange: StubUpbit
    ) -> None:
        report(exchange)

        (sent,) = [request for request in exchange.requests if request.method == "POST"]
        body = sent_body(sent)
        assert sent.url.path == TEST_ORDERS
        assert body["identifier"].startswith(TEST_PREFIX)
        price, volume = Decimal(body["price"]), Decimal(body["volume"])
        assert KRW_TICKS.is_on_tick(price=price)
        assert 5_500 < price * volume < 10_000

    def test_nothing_but_the_test_order_is_ever_sent(self, exchange: StubUpbit) -> None:
        report(exchange)

        assert exchange.count("POST") == 1
        assert exchange.count("GET") == len(exchange.requests) - 1

    def test_a_market_that_is_listed_is_chosen(self, exchange: StubUpbit) -> None:
        exchange.on_json("GET", "/v1/market/all", [{"market": "KRW-ETH"}])
        last = [{"market": "KRW-ETH", "trade_price": 5000000}]
        exchange.on_json("GET", "/v1/ticker", last)

        report(exchange)

        sent = next(one for one in exchange.requests if one.method == "POST")
        assert sent_body(sent)["market"] == "KRW-ETH"


class TestPlaceOrders:
    @pytest.mark.parametrize(
        ("answer", "has", "lacks"),
        [
            (OUT_OF_SCOPE, False, True),
            (refusal("out_of_scope", status=403), False, True),
            # Money is only looked at for those who may order.
            (refusal("insufficient_funds_bid"), True, False),
            (refusal("under_min_total_bid"), True, False),
            (refusal("market_offline", status=403), False, False),
            (refusal("brand_new_rule"), False, False),
            (AWAY, False, False),
            (refusal("too_many_requests", status=429), False, False),
        ],
    )
    def test_only_an_answer_about_the_right_tells(
        self, exchange: StubUpbit, answer: httpx.Response, has: bool, lacks: bool
    ) -> None:
        exchange.on("POST", TEST_ORDERS, answer)

        found = report(exchange)

        assert (Right.PLACE_ORDERS in found.has) is has
        assert (Right.PLACE_ORDERS in found.lacks) is lacks
        assert exchange.count("POST") == 1

    def test_without_a_price_nothing_is_tested(self, exchange: StubUpbit) -> None:
        exchange.on_json("GET", "/v1/ticker", [])

        found = report(exchange)

        assert Right.PLACE_ORDERS not in found.has | found.lacks
        assert exchange.count("POST") == 0


class TestOtherRights:
    @pytest.mark.parametrize(
        ("path", "right"),
        [(ACCOUNTS, Right.VIEW_BALANCES), (OPEN_ORDERS, Right.VIEW_ORDERS)],
    )
    def test_a_missing_right_is_named(
        self, exchange: StubUpbit, path: str, right: Right
    ) -> None:
        exchange.on("GET", path, OUT_OF_SCOPE)

        found = report(exchange)

        assert found.accepted
        assert found.missing == (right,)

    @pytest.mark.parametrize(
        ("answer", "refused"),
        [
            (OUT_OF_SCOPE, True),
            (httpx.Response(200, json={"member_level": {}}), False),
            (AWAY, None),
        ],
    )
    def test_whether_withdrawals_can_be_seen(
        self, exchange: StubUpbit, answer: httpx.Response, refused: bool | None
    ) -> None:
        exchange.on("GET", WITHDRAWS, answer)

        assert report(exchange).withdraw_refused is refused

    def test_a_key_that_may_manage_pockets_shows_its_rights(
        self, exchange: StubUpbit
    ) -> None:
        told = pockets("view_account", "make_orders", "manage_pockets", "brand_new")
        exchange.on_json("GET", POCKET_KEYS, told)

        found = report(exchange)

        assert found.is_harmless
        assert found.allowed_ips == ("203.0.113.7",)

    @pytest.mark.parametrize("right", FORBIDDEN_RIGHTS)
    def test_a_right_to_move_money_is_too_much(
        self, exchange: StubUpbit, right: Right
    ) -> None:
        exchange.on_json("GET", POCKET_KEYS, pockets("view_account", right.value))

        found = report(exchange)

        assert found.excess == (right,)
        assert not found.is_harmless

    @pytest.mark.parametrize(
        "answer",
        [AWAY, httpx.Response(200, json=pockets(access_key="a third one"))],
        ids=["away", "not listed"],
    )
    def test_rights_that_are_not_told_prove_nothing(
        self, exchange: StubUpbit, answer: httpx.Response
    ) -> None:
        exchange.on("GET", POCKET_KEYS, answer)

        found = report(exchange)

        assert (found.excess, found.is_harmless) == ((), False)

    def test_an_expiry_that_is_not_told_is_unknown(self, exchange: StubUpbit) -> None:
        exchange.on("GET", API_KEYS, AWAY)

        found = report(exchange)

        assert found.expires_at is None
        assert found.days_left(now=datetime(2027, 2, 1, tzinfo=UTC)) is None


class TestRefusedKey:
    @pytest.mark.parametrize(
        "name", ["expired_access_key", "jwt_verification", "invalid_access_key"]
    )
    def test_it_is_reported_by_the_exchange_s_name(
        self, exchange: StubUpbit, name: str
    ) -> None:
        exchange.on("GET", ACCOUNTS, refusal(name, status=401))

        found = report(exchange)

        assert not found.accepted
        assert found.message.startswith(name)
        assert len(exchange.requests) == 1

    def test_a_refused_address_comes_with_our_own(self, exchange: StubUpbit) -> None:
        exchange.on("GET", ACCOUNTS, refusal("no_authorization_ip", status=401))

        found = exchange.adapter(base_url="http://127.0.0.1:9").check_key()

        assert found.message.startswith("no_authorization_ip")
        assert found.egress == "127.0.0.1"

    @pytest.mark.parametrize(
        ("answer", "meaning"),
        [
            (AWAY, Unavailable),
            (refusal("too_many_requests", status=429), RateLimited),
        ],
    )
    def test_an_exchange_that_does_not_answer_says_nothing(
        self, exchange: StubUpbit, answer: httpx.Response, meaning: type[Exception]
    ) -> None:
        exchange.on("GET", ACCOUNTS, answer)

        with pytest.raises(meaning):
            report(exchange)
