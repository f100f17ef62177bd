"""The Upbit adapter against the simulator's real process: the contract, over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import requests

pytest.register_assert_rewrite("tests.adapter_contract")

from tests.adapter_contract import AdapterContract, World  # noqa: E402  # rewritten first
from tests.system.adapter_world import (  # noqa: E402
    SECRET,
    Exchange,
    adapter_at,
    exchange,
    new_identifier,
)
from user_project.exchanges.adapter import KeyRefused, Refused, Right  # noqa: E402
from user_project.trading.orders import OrderRequest, Outcome  # noqa: E402

CALM = "KRW-HUNT"
"""A coin that trades about once an hour: what the book says stays for a test."""
TRADING = ["view_account", "view_orders", "make_orders"]


OTHERWISE = {
    "numbers": "padded",
    "absent_amounts": "null",
    "created_at": "microseconds",
    "executed_funds": "present",
    "group_names": "dotted",
    "limit_body": "text",
    "lookup_lag": "short",
    "cancel_finished": "bad_request",
    "burn_refused": "yes",
    "burn_tested": "yes",
    "bodies": "strict",
    "old_orders": "gone",
    "smp_default": "none",
}
"""The other answer to each open question that an adapter could stumble over."""


@pytest.fixture(scope="module")
def running() -> Iterator[Exchange]:
    with exchange() as running:
        yield running


@pytest.fixture(scope="module")
def otherwise() -> Iterator[Exchange]:
    options = [f"--assume={name}={value}" for name, value in OTHERWISE.items()]
    with exchange(*options) as running:
        yield running


def open_account(running: Exchange, **changes: Any) -> str:
    """Give out a key of a new account with ten million won; return its name."""
    name = new_identifier()
    body = {"access_key": name, "secret_key": SECRET, "krw": "10000000", **changes}
    running.admin("POST", "accounts", body)
    return name


class HttpWorld(World):
    """A new account of a running simulator."""

    def __init__(self, running: Exchange) -> None:
        self.account = name = open_account(running)
        self._running = running
        self.adapter = adapter_at(running.url, access_key=name, pocket=name)
        self.market = CALM

    def best_ask(self) -> Decimal:
        answer = requests.get(
            f"{self._running.url}/v1/orderbook", params={"markets": CALM}, timeout=20
        )
        return Decimal(str(answer.json()[0]["orderbook_units"][0]["ask_price"]))

    def has_met_the_market(self, request: OrderRequest) -> bool:
        ledger = self._running.admin("GET", f"ledger?account={self.account}")
        orders = ledger["accounts"][self.account]["orders"]
        names = {o["identifier"] for o in orders if o["arrived"]}
        return request.identifier in names

    def trade(self, *, price: Decimal, volume: Decimal | None = None) -> None:
        size = Decimal(10**6) if volume is None else volume
        body = {"market": CALM, "price": f"{price:f}", "volume": f"{size:f}"}
        self._running.admin("POST", "trades", body)


class TestUpbitOverHttp(AdapterContract):
    """Every rule, through the official SDK, over a socket."""

    @pytest.fixture
    def world(self, running: Exchange) -> Iterator[World]:
        world = HttpWorld(running)
        with closing(world.adapter):
            yield world


class TestUpbitReadOtherwise(AdapterContract):
    """The same, should every undocumented question be answered the other way."""

    @pytest.fixture
    def world(self, otherwise: Exchange) -> Iterator[World]:
        world = HttpWorld(otherwise)
        with closing(world.adapter):
            yield world


class TestKeys:
    """What only an exchange with keys can show."""

    def report(self, running: Exchange, name: str, **keys: str) -> Any:
        options = {"access_key": name, "pocket": name, **keys}
        with closing(adapter_at(running.url, **options)) as adapter:
            return adapter.check_key()

    def test_prices_need_no_key_but_balances_do(self, running: Exchange) -> None:
        nobody = adapter_at(running.url, access_key="", secret_key="")

        with closing(nobody):
            prices = nobody.get_prices(markets=[CALM])

            assert set(prices) == {CALM}
            with pytest.raises(KeyRefused):
                nobody.get_balances()

    @pytest.mark.parametrize(
        ("keys", "name"),
        [
            ({"access_key": "somebody-else"}, "invalid_access_key"),
            ({"secret_key": "x" * 40}, "jwt_verification"),
        ],
    )
    def test_a_wrong_key_fails_its_check_by_name(
        self, running: Exchange, keys: dict[str, str], name: str
    ) -> None:
        report = self.report(running, open_account(running), **keys)

        assert not report.accepted
        assert report.message.startswith(name)

    def test_a_trading_key_proves_its_rights_without_ordering(
        self, running: Exchange
    ) -> None:
        name = open_account(running)

        report = self.report(running, name)

        assert report.has >= {
            Right.VIEW_BALANCES,
            Right.VIEW_ORDERS,
            Right.PLACE_ORDERS,
        }
        assert not report.is_harmless
        ledger = running.admin("GET", f"ledger?account={name}")["accounts"][name]
        assert (ledger["orders"], ledger["burned"]) == ([], [])

    @pytest.mark.parametrize(
        ("scopes", "missing"),
        [
            (TRADING[:2], (Right.PLACE_ORDERS,)),
            ([TRADING[0], TRADING[2]], (Right.VIEW_ORDERS,)),
            (TRADING[1:], (Right.VIEW_BALANCES,)),
        ],
    )
    def test_a_right_that_is_missing_is_found_missing(
        self, running: Exchange, scopes: list[str], missing: tuple[Right, ...]
    ) -> None:
        report = self.report(running, open_account(running, scopes=scopes))

        assert report.missing == missing

    def test_a_key_that_manages_pockets_proves_that_it_is_harmless(
        self, running: Exchange
    ) -> None:
        scopes = [*TRADING, "manage_pockets"]
        name = open_account(running, scopes=scopes, allowed_ips=["127.0.0.1"])

        report = self.report(running, name)

        assert report.is_harmless
        assert report.allowed_ips == ("127.0.0.1",)

    @pytest.mark.parametrize("scope", ["withdraw", "deposit", "transfer"])
    def test_a_right_to_move_money_is_found(
        self, running: Exchange, scope: str
    ) -> None:
        scopes = [*TRADING, "manage_pockets", scope]

        report = self.report(running, open_account(running, scopes=scopes))

        assert report.excess == (Right(scope),)

    def test_a_key_that_sees_withdrawals_is_found(self, running: Exchange) -> None:
        name = open_account(running, scopes=[*TRADING, "view_withdrawals"])

        assert self.report(running, name).withdraw_refused is False

    def test_a_key_of_another_address_says_where_we_come_from(
        self, running: Exchange
    ) -> None:
        name = open_account(running, allowed_ips=["203.0.113.7"])

        report = self.report(running, name)

        assert report.message.startswith("no_authorization_ip")
        assert report.egress == "127.0.0.1"

    def test_the_days_left_are_told(self, running: Exchange) -> None:
        now = datetime.now(UTC)
        soon = (now + timedelta(days=7, hours=2)).isoformat()
        name = open_account(running, expire_at=soon)

        assert self.report(running, name).days_left(now=now) == 7


class TestMarketsThatChange:
    """What the exchange's operator can do to a market."""

    @pytest.fixture
    def world(self, running: Exchange) -> Iterator[HttpWorld]:
        world = HttpWorld(running)
        with closing(world.adapter):
            yield world
        self.change(running, offline=False, bid_fee=None, ticks=None)

    def off_the_tens(self, world: HttpWorld) -> OrderRequest:
        """Return a buy whose price ends in five won."""
        request = world.limit_buy()
        assert request.price is not None
        return replace(request, price=request.price // 10 * 10 - 5)

    def change(self, running: Exchange, **switches: Any) -> None:
        running.admin("POST", f"markets/{CALM}", switches)

    @pytest.mark.parametrize("tick", ["0.5", "5"])
    def test_the_tick_told_rules_the_present_band(
        self, running: Exchange, world: HttpWorld, tick: str
    ) -> None:
        self.change(running, ticks=[["1000", "5"], ["100", tick], ["0", "0.1"]])

        rules = world.adapter.get_rules(market=CALM)

        assert rules.tick_size(world.best_ask()) == Decimal(tick)
        assert rules.tick_size(Decimal(50)) == Decimal("0.1")

    def test_an_order_off_the_new_grid_is_followed_and_cancelled(
        self, running: Exchange, world: HttpWorld
    ) -> None:
        request = self.off_the_tens(world)
        assert request.price is not None
        world.rest(request)
        world.trade(price=request.price, volume=Decimal(1))
        self.change(running, ticks=[["0", "10"]])

        partly = world.when(request, lambda view: view.executed_volume > 0)
        world.adapter.cancel_order(uuid=partly.uuid)
        ended = world.ended(request)

        assert (partly.price, partly.outcome) == (request.price, Outcome.PARTIAL)
        assert (ended.outcome, ended.executed_volume) == (Outcome.CANCELLED, 1)

    def test_an_order_off_the_new_grid_fills_but_no_new_one_is_taken(
        self, running: Exchange, world: HttpWorld
    ) -> None:
        request = self.off_the_tens(world)
        assert request.price is not None
        world.rest(request)
        self.change(running, ticks=[["0", "10"]])

        with pytest.raises(Refused) as caught:
            world.place(replace(request, identifier=new_identifier()))
        world.trade(price=request.price // 10 * 10)
        view = world.ended(request)

        assert caught.value.name == "invalid_price_bid"
        assert (view.outcome, view.executed_volume) == (Outcome.FILLED, request.volume)

    def test_a_fee_that_changes_is_read(
        self, running: Exchange, world: HttpWorld
    ) -> None:
        self.change(running, bid_fee="0.0025")

        assert world.adapter.get_rules(market=CALM).bid_fee == Decimal("0.0025")

    def test_maintenance_refuses_for_now(
        self, running: Exchange, world: HttpWorld
    ) -> None:
        request = world.limit_buy()
        self.change(running, offline=True)

        with pytest.raises(Refused) as caught:
            world.place(request)
        with closing(adapter_at(running.url, access_key=world.account)) as fresh:
            rules = fresh.get_rules(market=CALM)

        assert caught.value.name == "market_offline"
        assert not rules.is_active
