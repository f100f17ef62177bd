"""Who may listen to what, how often one may speak, and in which order orders are told."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import requests
from aiohttp import web
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from deploy.simulator.exchange.venue import instant
from deploy.simulator.house import HOUSE
from deploy.simulator.rest.auth import KEY_LIFE, Scope
from deploy.simulator.streams.connection import Times
from deploy.simulator.streams.endpoints import add_streams
from tests.unit.exchange_world import ACCESS, SECRET, World, exchange, signed
from user_project.trading.matching_orders import Level, NewOrder, OrderType
from user_project.trading.orders import Side

PATIENCE_SECONDS = 20.0
PUBLIC, PRIVATE = "/websocket/v1", "/websocket/v1/private"
LISTING = {"method": "LIST_SUBSCRIPTIONS"}
BUY = {"market": "KRW-BTC", "side": "bid", "ord_type": "price", "price": "50000"}


@pytest.fixture
def world() -> Iterator[World]:
    with exchange() as made:
        yield made


def _connect(
    world: World, path: str = PRIVATE, *, access_key: str = ACCESS, **more: Any
) -> ClientConnection:
    headers = signed(access_key=access_key) if path == PRIVATE else {}
    return connect(
        world.url.replace("http", "ws") + path,
        additional_headers=headers | more.pop("headers", {}),
        **more,
    )


def _say(socket: ClientConnection, *parts: dict[str, Any]) -> None:
    socket.send(json.dumps([{"ticket": "t"}, *parts]))


def _next(socket: ClientConnection) -> Any:
    return json.loads(socket.recv(timeout=PATIENCE_SECONDS), parse_float=Decimal)


def _listening(socket: ClientConnection, *parts: dict[str, Any]) -> Any:
    """Subscribe, and wait until it has been done."""
    _say(socket, *parts, LISTING)
    return _next(socket)["result"]


def _refusal(socket: ClientConnection, *parts: dict[str, Any]) -> str:
    _say(socket, *parts)
    return str(_next(socket)["error"]["name"])


# --- orders ------------------------------------------------------------------------


def test_an_order_is_told_although_nobody_asks_for_it(world: World) -> None:
    best = Level(Decimal(100_000_000), Decimal("0.0001"))
    asks = (best, Level(Decimal(101_000_000), Decimal(10)))
    world.feeds["KRW-BTC"].asks = asks
    with _connect(world) as socket:
        _listening(socket, {"type": "myOrder"})
        uuid = world.order(**BUY)["uuid"]
        waiting = _next(socket)
        world.pass_time()
        first, second, ended = (_next(socket) for _ in range(3))

    states = [row["state"] for row in (waiting, first, second, ended)]
    assert states == ["wait", "trade", "trade", "cancel"]
    assert {row["uuid"] for row in (waiting, first, second, ended)} == {uuid}
    assert (first["price"], first["volume"]) == (100_000_000, Decimal("0.0001"))
    assert second["price"] == 101_000_000
    assert first["volume"] + second["volume"] == ended["executed_volume"]
    assert first["trade_fee"] + second["trade_fee"] == ended["paid_fee"]


def test_each_step_of_an_order_comes_before_its_wallets(world: World) -> None:
    with _connect(world) as socket:
        _listening(socket, {"type": "myAsset"}, {"type": "myOrder"})
        world.order(**BUY)
        world.pass_time()
        told = [_next(socket)["type"] for _ in range(6)]

    assert told == ["myOrder", "myAsset"] * 3


def test_all_connections_of_a_pocket_are_told(world: World) -> None:
    world.house.keys.add(
        access_key="second",
        secret=SECRET,
        now=instant(world.now_ms),
        pocket=ACCESS,
    )
    with _connect(world) as one, _connect(world, access_key="second") as two:
        _listening(one, {"type": "myOrder"})
        _listening(two, {"type": "myOrder"})
        world.order(**BUY)

        assert _next(one) == _next(two)


def test_only_the_named_markets_are_told(world: World) -> None:
    with _connect(world) as socket:
        _listening(socket, {"type": "myOrder", "codes": ["KRW-USDT"]})
        world.order(**BUY)
        wanted = world.order(**{**BUY, "market": "KRW-USDT"})["uuid"]

        assert _next(socket)["uuid"] == wanted


def test_nothing_is_made_up_for_after_a_reconnection(world: World) -> None:
    with _connect(world) as socket:
        _listening(socket, {"type": "myOrder"}, {"type": "myAsset"})
    world.look(world.order(**BUY)["uuid"])
    with _connect(world) as socket:
        _listening(socket, {"type": "myOrder"}, {"type": "myAsset"})
        late = world.order(**BUY)["uuid"]
        first, wallets = _next(socket), _next(socket)

    assert (first["uuid"], first["state"]) == (late, "wait")
    assert [row["currency"] for row in wallets["assets"]] == ["KRW"]


# --- who may -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("scopes", "allowed"),
    [
        ({Scope.VIEW_ORDERS}, "myOrder"),
        ({Scope.VIEW_ACCOUNT}, "myAsset"),
        ({Scope.MAKE_ORDERS}, None),
    ],
)
def test_a_key_hears_only_what_it_may_see(
    world: World, scopes: set[Scope], allowed: str | None
) -> None:
    world.assume(stream_error="stays")
    world.house.keys.add(
        access_key="narrow", secret=SECRET, now=instant(world.now_ms), scopes=scopes
    )
    world.house.venue.open_account(account="narrow", krw=Decimal(0))
    with _connect(world, access_key="narrow") as socket:
        for kind in ("myOrder", "myAsset"):
            if kind == allowed:
                assert _listening(socket, {"type": kind}) == [{"type": kind}]
            else:
                assert _refusal(socket, {"type": kind}) == "INVALID_AUTH"


def test_a_key_that_is_gone_hears_nothing_new(world: World) -> None:
    world.assume(stream_error="stays")
    world.house.keys.add(
        access_key="gone", secret=SECRET, now=instant(world.now_ms), pocket=ACCESS
    )
    with _connect(world, access_key="gone") as revoked, _connect(world) as expired:
        world.house.keys.revoke(access_key="gone")
        first = _refusal(revoked, {"type": "myOrder"})
        world.pass_time(ms=KEY_LIFE // timedelta(milliseconds=1))
        second = _refusal(expired, {"type": "myOrder"})

    assert (first, second) == ("INVALID_AUTH", "INVALID_AUTH")


def test_private_types_need_the_private_address(world: World) -> None:
    with _connect(world, PUBLIC) as socket:
        assert _refusal(socket, {"type": "myAsset"}) == "INVALID_AUTH"
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=PATIENCE_SECONDS)

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1000


# --- how often ---------------------------------------------------------------------


def test_who_does_not_stop_asking_is_shut_out_for_a_while() -> None:
    with exchange(factor=1.0) as world, _connect(world, PUBLIC) as socket:
        answers = []
        for _ in range(16):
            _say(socket, LISTING)
            answers.append(_next(socket))
        names = [row["error"]["name"] for row in answers if "error" in row]
        world.pass_time(ms=60_000)
        _say(socket, LISTING)
        forgiven = _next(socket)

    assert len(answers) - len(names) == 5
    assert names == ["Too Many Requests"] * 10 + ["I'm a teapot"]
    assert "result" in forgiven


@pytest.mark.parametrize("path", [PUBLIC, PRIVATE])
def test_a_web_page_connects_once_in_ten_seconds(path: str) -> None:
    page = {"Origin": "https://example.com"}
    with exchange(factor=1.0) as world:
        with _connect(world, path, headers=page):
            pass
        with pytest.raises(InvalidStatus) as refused:
            _connect(world, path, headers=page)
        world.pass_time(ms=10_000)
        with _connect(world, path, headers=page):
            pass

    assert refused.value.response.status_code == 429


def test_handshakes_are_counted_per_address_and_per_pocket() -> None:
    with exchange(factor=1.0) as world:
        for _ in range(5):
            _connect(world, PUBLIC).close()
        with pytest.raises(InvalidStatus) as refused:
            _connect(world, PUBLIC)
        with _connect(world) as socket:
            mine = _listening(socket)

    assert refused.value.response.status_code == 429
    assert mine == []


def test_a_plain_call_is_no_handshake(world: World) -> None:
    answer = requests.get(world.url + PUBLIC, timeout=20)

    assert answer.status_code == 400
    assert answer.json()["error"]["name"] == 400


# --- silence -----------------------------------------------------------------------


@contextmanager
def _alone(times: Times) -> Iterator[tuple[World, asyncio.AbstractEventLoop]]:
    """Serve the streams and nothing beside them."""
    world, loop = World(factor=1000.0), asyncio.new_event_loop()
    app = web.Application()
    app[HOUSE] = world.house
    add_streams(app, times=times)
    runner = web.AppRunner(app)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(runner.setup(), loop).result(20)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        asyncio.run_coroutine_threadsafe(site.start(), loop).result(20)
        world.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield world, loop
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(20)
        loop.close()


def test_a_silent_connection_is_cut_off_without_a_word() -> None:
    with _alone(Times(idle=0.3)) as (world, _):
        socket = _connect(world, PUBLIC, ping_interval=None)
        with pytest.raises(ConnectionClosed) as closed:
            socket.recv(timeout=PATIENCE_SECONDS)

    assert closed.value.rcvd is None


def test_signs_of_life_keep_a_connection() -> None:
    with _alone(Times(idle=1.0, status=0.2)) as (world, _):
        socket = _connect(world, PUBLIC, ping_interval=None)
        socket.send("PING")
        told = [_next(socket) for _ in range(10)]
        socket.close()

    assert told == [{"status": "UP"}] * 10


def test_who_listens_keeps_the_matching_going() -> None:
    request = NewOrder(
        market="KRW-BTC", side=Side.BID, ord_type=OrderType.PRICE, price=Decimal(50_000)
    )
    with _alone(Times()) as (world, loop):
        venue = world.house.venue
        with _connect(world) as socket:
            _listening(socket, {"type": "myOrder"})
            loop.call_soon_threadsafe(
                lambda: venue.place(
                    account=ACCESS, request=request, now_ms=world.now_ms
                )
            )
            states = [_next(socket)["state"]]
            world.pass_time()
            states += [_next(socket)["state"] for _ in range(2)]

    assert states == ["wait", "trade", "cancel"]
