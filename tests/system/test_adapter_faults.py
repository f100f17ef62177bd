"""Whatever goes wrong on the way: the adapter asks once and says what it left open."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx
import pytest

from deploy.simulator.faults.kinds import KINDS, LATE_SIGNS, Way
from tests.system.adapter_world import (
    SECRET,
    Exchange,
    adapter_at,
    eventually,
    exchange,
    new_identifier,
)
from user_project.exchanges import upbit_wire
from user_project.exchanges.adapter import (
    Ambiguous,
    ExchangeError,
    KeyRefused,
    NotFound,
    RateLimited,
    Unavailable,
)
from user_project.exchanges.upbit import UpbitAdapter
from user_project.trading.orders import OrderKind, OrderRequest, OrderView, Side

MARKET = "KRW-BTC"
CREATE, CANCEL, LOOK_UP = "POST /v1/orders", "DELETE /v1/order", "GET /v1/order"
HANG_SECONDS, PATIENCE = 3, httpx.Timeout(1, connect=1)
NOW_AND_LATER = {"late": 2, "delay": 0.3}
"""Seconds of faults whose duration matters here."""

TOO_FAST = {"accept_then_429", "accept_then_418", "reject_429", "reject_418"}
BAD_KEY = {"no_authorization_ip", "expired_access_key"}
HARMLESS = {"accept_without_remaining", "accept_dotted_remaining", "delay"}


def kinds(endpoint: str, *ways: Way) -> list[str]:
    return [
        name
        for name, kind in KINDS.items()
        if kind.way in ways and kind.suits(endpoint=endpoint)
    ]


@pytest.fixture(scope="module")
def running() -> Iterator[Exchange]:
    with exchange() as running:
        yield running


@dataclass(frozen=True, slots=True)
class World:
    """A new account, its adapter, and what the exchange knows."""

    exchange: Exchange
    account: str
    adapter: UpbitAdapter

    def orders(self) -> dict[str, dict[str, Any]]:
        """Return the account's orders by identifier."""
        ledger = self.exchange.admin("GET", f"ledger?account={self.account}")
        return {o["identifier"]: o for o in ledger["accounts"][self.account]["orders"]}

    def received(self, endpoint: str) -> list[dict[str, Any]]:
        """Return the calls of an endpoint."""
        return self.exchange.received(endpoint)

    def sent(self, identifier: str) -> int:
        """Return how often an order was sent."""
        calls = self.received(CREATE)
        return sum(call["identifier"] == identifier for call in calls)

    def arm(self, kind: str, endpoint: str, **more: object) -> None:
        """Let the next call of an endpoint go wrong."""
        seconds = NOW_AND_LATER.get(kind, HANG_SECONDS if "hang" in kind else None)
        body = {"kind": kind, "endpoint": endpoint, "nth": [1], **more}
        body |= {"seconds": seconds} if seconds else {}
        self.exchange.admin("POST", "faults", body)


@pytest.fixture
def world(running: Exchange, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Return an account that no earlier block holds back, and an impatient adapter."""
    monkeypatch.setattr(upbit_wire, "TIMEOUT", PATIENCE)
    name = new_identifier()
    opened = {"access_key": name, "secret_key": SECRET, "krw": 10_000_000}
    running.admin("POST", "accounts", opened)
    adapter = adapter_at(running.url, access_key=name, pocket=name)
    with closing(adapter):
        yield World(running, name, adapter)
    running.admin("DELETE", "faults")


@pytest.fixture
def adapter(world: World) -> UpbitAdapter:
    return world.adapter


def low_buy(adapter: UpbitAdapter) -> OrderRequest:
    """Return a buy that rests for long."""
    price = adapter.get_prices(markets=[MARKET])[MARKET].price * Decimal("0.7")
    return OrderRequest(
        identifier=new_identifier(),
        market=MARKET,
        side=Side.BID,
        kind=OrderKind.LIMIT,
        price=adapter.get_rules(market=MARKET).floor_tick(price),
        volume=Decimal("0.0002"),
    )


def expected(kind: str) -> type[ExchangeError] | None:
    """Return how an order or a cancellation must end for its caller."""
    if kind in HARMLESS:
        return None
    if kind in TOO_FAST:
        return RateLimited
    return KeyRefused if kind in BAD_KEY else Ambiguous


def ask(call: object, error: type[ExchangeError] | None) -> None:
    assert callable(call)
    if error is None:
        call()
        return
    with pytest.raises(error):
        call()


@pytest.mark.parametrize("kind", kinds(CREATE, Way.ACCEPT, Way.SLOW))
def test_an_accepted_order_is_sent_once_and_exists_once(
    kind: str, world: World, adapter: UpbitAdapter
) -> None:
    request = low_buy(adapter)
    world.arm(kind, CREATE)

    ask(lambda: adapter.place_limit_order(request=request), expected(kind))

    assert world.sent(request.identifier) == 1
    assert world.orders()[request.identifier]["state"] == "wait"


@pytest.mark.parametrize("kind", kinds(CREATE, Way.REJECT))
def test_a_rejected_order_is_sent_once_and_never_exists(
    kind: str, world: World, adapter: UpbitAdapter
) -> None:
    request = low_buy(adapter)
    world.arm(kind, CREATE)

    ask(lambda: adapter.place_limit_order(request=request), expected(kind))

    assert world.sent(request.identifier) == 1
    assert request.identifier not in world.orders()


@pytest.mark.parametrize("sign", LATE_SIGNS)
def test_an_order_that_arrives_late_is_sent_once_and_then_exists_once(
    sign: str, world: World, adapter: UpbitAdapter
) -> None:
    request = low_buy(adapter)
    world.arm("late", CREATE, sign=sign)

    with pytest.raises(Ambiguous):
        adapter.place_limit_order(request=request)
    early = world.orders()
    eventually(lambda: request.identifier in world.orders())

    assert request.identifier not in early
    assert world.sent(request.identifier) == 1
    assert adapter.get_order(identifier=request.identifier).is_open


def test_an_order_delivered_twice_exists_once(
    world: World, adapter: UpbitAdapter
) -> None:
    request = low_buy(adapter)
    world.arm("duplicate_delivery", CREATE)

    with pytest.raises(Ambiguous) as caught:
        adapter.place_limit_order(request=request)

    assert caught.value.name == "duplicated_identifier"
    assert world.sent(request.identifier) == 1
    assert adapter.get_order(identifier=request.identifier).is_open


@pytest.mark.parametrize(
    "kind", kinds(CANCEL, Way.ACCEPT, Way.REJECT, Way.LATE, Way.TWICE, Way.SLOW)
)
def test_a_cancellation_is_sent_once_and_says_what_it_left_open(
    kind: str, world: World, adapter: UpbitAdapter
) -> None:
    order = adapter.place_limit_order(request=low_buy(adapter))
    before = len(world.received(CANCEL))
    world.arm(kind, CANCEL, **({"sign": "reset"} if kind == "late" else {}))

    def cancel() -> None:
        adapter.cancel_order(uuid=order.uuid)

    if kind in ("duplicate_delivery", "accept_without_uuid", "accept_wrong_identifier"):
        _whatever(cancel)
    else:
        ask(cancel, expected(kind))

    assert len(world.received(CANCEL)) == before + 1
    name = str(order.identifier)
    if KINDS[kind].way is Way.REJECT:
        assert world.orders()[name]["state"] == "wait"
    else:
        eventually(lambda: world.orders()[name]["state"] == "cancel")


def _whatever(cancel: object) -> None:
    assert callable(cancel)
    try:
        cancel()
    except Ambiguous:
        pass


@pytest.mark.parametrize(
    "kind", kinds(LOOK_UP, Way.ACCEPT, Way.REJECT, Way.ALTER, Way.SLOW)
)
def test_a_look_up_never_mistakes_trouble_for_a_missing_order(
    kind: str, world: World, adapter: UpbitAdapter
) -> None:
    order = adapter.place_limit_order(request=low_buy(adapter))
    orders = len(world.received(CREATE))
    world.arm(kind, LOOK_UP)

    seen = _looked_up(adapter, str(order.identifier))

    if isinstance(seen, NotFound):
        assert kind in ("false_404", "delayed_visibility")
    elif isinstance(seen, OrderView):
        assert seen.uuid == order.uuid
    else:
        assert isinstance(seen, Unavailable | RateLimited | KeyRefused)
    assert len(world.received(CREATE)) == orders


def _looked_up(adapter: UpbitAdapter, identifier: str) -> OrderView | ExchangeError:
    try:
        return adapter.get_order(identifier=identifier)
    except ExchangeError as error:
        return error
