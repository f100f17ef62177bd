"""Paper trading on another exchange's prices: a second simulator is that exchange."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from common.money import KRW_TICKS, plain
from deploy.ports import free_ports
from tests.system.simulator_process import (
    Simulator,
    ended,
    eventually,
    problem,
    signed,
    start,
)

MARKET = "KRW-BTC"
PACE = ("--rate-factor", "20")
AT_ONCE = ("--latency", "0")
"""Whoever sees a paper order sees it where it meets the market."""


@pytest.fixture(scope="module")
def upstream() -> Iterator[Simulator]:
    # Its limits are its own, so that its counts can be told from ours.
    simulator = start("--seed", "11", "--faults", "--rate-factor", "30")
    yield simulator
    simulator.stop()


@pytest.fixture(scope="module")
def paper(upstream: Simulator) -> Iterator[Simulator]:
    simulator = start("--upstream", upstream.url, *PACE, *AT_ONCE)
    yield simulator
    simulator.stop()


def last_minute() -> str:
    """Return the end of the last closed minute, as candle calls write it."""
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    return f"{now - timedelta(minutes=1):%Y-%m-%dT%H:%M:%S}"


def resting_bid(paper: Simulator, *, below: str = "0.99") -> tuple[str, Decimal]:
    """Order coins a little below the price; return the order's uuid and price."""
    price = KRW_TICKS.floor(price=paper.price(MARKET) * Decimal(below))
    with paper.client() as client:
        order = client.orders.create(
            market=MARKET,
            side="bid",
            ord_type="limit",
            price=plain(price),
            volume="0.001",
        )
    return str(order.uuid), price


def state_of(paper: Simulator, uuid: str) -> str:
    return str(paper.get("/v1/order", uuid=uuid).json()["state"])


def somebody_trades(upstream: Simulator, price: Decimal) -> None:
    on_tick = plain(KRW_TICKS.floor(price=price))
    upstream.operate("trades", market=MARKET, price=on_tick, volume="0.5")


def stream(simulator: Simulator, path: str = "", **more: Any) -> ClientConnection:
    address = simulator.url.replace("http", "ws", 1)
    return connect(f"{address}/websocket/v1{path}", **more)


# --- the market is the upstream's -----------------------------------------------------


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/v1/market/all", {"is_details": "true"}),
        ("/v1/candles/minutes/1", {"market": MARKET, "to": last_minute(), "count": 9}),
        ("/v1/candles/days", {"market": MARKET, "to": "2026-01-01T09:00:00+09:00"}),
        ("/v1/orderbook/instruments", {"markets": f"{MARKET},KRW-ETH"}),
        ("/v1/ticker/all", {"quote_currencies": "BTC"}),
        ("/v1/ticker", {"markets": "KRW-NOPE"}),
        ("/v1/ticker", {}),
        ("/v1/candles/minutes/7", {"market": MARKET}),
    ],
)
def test_answers_are_the_upstreams_byte_for_byte(
    upstream: Simulator, paper: Simulator, path: str, query: dict[str, Any]
) -> None:
    theirs = upstream.public(path, **query)

    ours = paper.public(path, **query)

    assert (ours.status_code, ours.content) == (theirs.status_code, theirs.content)
    for name in ("Content-Type", "Remaining-Req"):
        assert ours.headers[name].split("; sec")[0] in theirs.headers[name]


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("/v1/ticker", {"markets": f"{MARKET},KRW-ETH"}),
        ("/v1/orderbook", {"markets": MARKET, "count": 5}),
        ("/v1/trades/ticks", {"market": MARKET, "count": 3}),
    ],
)
def test_what_moves_is_the_upstreams_as_well(
    upstream: Simulator, paper: Simulator, path: str, query: dict[str, Any]
) -> None:
    def seen(simulator: Simulator) -> str:
        # When a book was written is another instant at every call.
        return re.sub(r'"timestamp":\d+', "", simulator.public(path, **query).text)

    eventually(lambda: seen(upstream) == seen(paper))


def test_our_own_limits_count_although_answers_are_shared(upstream: Simulator) -> None:
    slow = start("--upstream", upstream.url)

    def refused() -> bool:
        calls = [slow.public("/v1/ticker", markets=MARKET) for _ in range(15)]
        return 429 in {call.status_code for call in calls}

    try:
        eventually(refused)
    finally:
        slow.stop()


# --- paper orders on its trades -------------------------------------------------------


def test_a_market_buy_takes_the_upstreams_offers(paper: Simulator) -> None:
    asks = paper.public("/v1/orderbook", markets=MARKET).json()[0]["orderbook_units"]

    with paper.client() as client:
        order = client.orders.create(
            market=MARKET, side="bid", ord_type="price", price="10000"
        )
        done = ended(client, order.uuid)

    assert Decimal(str(done.executed_volume)) > 0
    assert done.trades is not None
    paid = Decimal(str(done.trades[0].price))
    assert abs(paid / Decimal(str(asks[0]["ask_price"])) - 1) < Decimal("0.05")


def test_a_resting_order_fills_at_the_upstreams_trade(
    upstream: Simulator, paper: Simulator
) -> None:
    uuid, price = resting_bid(paper)
    eventually(lambda: state_of(paper, uuid) == "wait")

    somebody_trades(upstream, price * Decimal("0.995"))

    with paper.client() as client:
        filled = ended(client, uuid)
    assert filled.state == "done"
    assert filled.trades is not None
    assert Decimal(str(filled.trades[0].price)) == price


def test_nothing_but_public_questions_reaches_the_upstream(
    upstream: Simulator, paper: Simulator
) -> None:
    resting_bid(paper)
    paper.public("/v1/ticker", markets=MARKET)

    calls = upstream.public("/simulator/requests").json()

    seen = {(one["method"], one["path"].partition("?")[0]) for one in calls}
    private = ("/v1/orders", "/v1/accounts", "/v1/api_keys", "/websocket/v1/private")
    assert seen
    assert {method for method, path in seen if path.startswith("/v1")} == {"GET"}
    assert not [path for _, path in seen if path.startswith(private)]
    accounts = upstream.public("/simulator/ledger").json()["accounts"]
    assert [one["orders"] for one in accounts.values()] == [[]]


def test_an_unknown_market_is_refused_as_one(paper: Simulator) -> None:
    answer = paper.post(
        {"market": "KRW-NOPE", "side": "bid", "ord_type": "price", "price": "10000"}
    )

    assert problem(answer) == (400, "notfoundmarket")


# --- streams --------------------------------------------------------------------------


def test_public_frames_are_passed_on_both_ways(
    upstream: Simulator, paper: Simulator
) -> None:
    asked = [
        {"ticket": "t"},
        {"type": "trade", "codes": [MARKET], "is_only_realtime": True},
        {"format": "SIMPLE"},
    ]
    price = upstream.price(MARKET)
    with stream(paper) as ours, stream(upstream) as theirs:
        for socket in (ours, theirs):
            socket.send(json.dumps(asked))
            socket.send(json.dumps([{"method": "LIST_SUBSCRIPTIONS"}, {"ticket": "t"}]))
        listed = [json.loads(socket.recv(20)) for socket in (ours, theirs)]
        somebody_trades(upstream, price)
        traded = [socket.recv(20) for socket in (ours, theirs)]

    assert listed[0] == listed[1]
    assert traded[0] == traded[1]
    assert isinstance(traded[0], bytes)
    assert json.loads(traded[0])["ty"] == "trade"


def test_pings_reach_the_upstream_and_its_refusals_come_back(paper: Simulator) -> None:
    with stream(paper) as socket:
        assert socket.ping().wait(20)
        socket.send("PING")
        alive = socket.recv(20)
        socket.send("nonsense")
        refusal = json.loads(socket.recv(20))

    assert json.loads(alive) == {"status": "UP"}
    assert refusal["error"]["name"] == "WRONG_FORMAT"


def test_orders_are_told_here_and_not_there(paper: Simulator) -> None:
    with stream(paper, "/private", additional_headers=signed()) as socket:
        socket.send(json.dumps([{"ticket": "t"}, {"type": "myOrder"}]))
        socket.send("PING")
        assert json.loads(socket.recv(20)) == {"status": "UP"}
        uuid, _ = resting_bid(paper)
        told = json.loads(socket.recv(20))

    assert (told["type"], told["uuid"], told["state"]) == ("myOrder", uuid, "wait")


# --- when the upstream is away --------------------------------------------------------


class Pair:
    """An upstream that comes and goes, and a paper exchange with kept state."""

    def __init__(self, directory: Path) -> None:
        self.port = free_ports(1)[0]
        self.url = f"http://127.0.0.1:{self.port}"
        self._kept, self.state = directory / "upstream", directory / "paper"
        self.upstream = self._start_upstream()
        self.paper = self.start_paper()

    def _start_upstream(self) -> Simulator:
        kept = ("--state", str(self._kept))
        return start("--seed", "11", "--faults", *PACE, *kept, port=self.port)

    def start_paper(self) -> Simulator:
        kept = ("--state", str(self.state))
        self.paper = start("--upstream", self.url, *PACE, *AT_ONCE, *kept)
        return self.paper

    def upstream_dies(self) -> None:
        self.upstream.stop(signal.SIGKILL)
        eventually(lambda: self.paper.public("/healthz").json()["away"])

    def upstream_returns(self) -> None:
        self.upstream = self._start_upstream()

    def close(self) -> None:
        for simulator in (self.paper, self.upstream):
            if simulator.process.poll() is None:
                simulator.stop()


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    it = Pair(tmp_path)
    yield it
    it.close()


def test_without_the_upstream_nothing_is_invented_and_resting_orders_wait(
    pair: Pair,
) -> None:
    uuid, price = resting_bid(pair.paper, below="0.97")
    before = pair.paper.get("/v1/accounts").json()
    pair.upstream_dies()

    for path, query in (
        ("/v1/ticker", {"markets": MARKET}),
        ("/v1/candles/days", {"market": MARKET}),
        ("/v1/market/all", {}),
    ):
        assert problem(pair.paper.public(path, **query)) == (503, 503)
    refused = pair.paper.post(
        {"market": MARKET, "side": "bid", "ord_type": "price", "price": "10000"}
    )
    assert problem(refused) == (403, "market_offline")
    with pytest.raises(InvalidStatus) as handshake:
        stream(pair.paper)
    assert handshake.value.response.status_code == 503
    assert state_of(pair.paper, uuid) == "wait"
    assert pair.paper.get("/v1/accounts").json() == before

    pair.upstream_returns()
    somebody_trades(pair.upstream, price * Decimal("0.99"))

    with pair.paper.client() as client:
        assert ended(client, uuid).state == "done"
    assert pair.paper.public("/v1/ticker", markets=MARKET).status_code == 200


def test_an_order_can_be_cancelled_while_the_upstream_is_away(pair: Pair) -> None:
    uuid, _ = resting_bid(pair.paper, below="0.9")
    pair.upstream_dies()

    with pair.paper.client() as client:
        client.orders.cancel(uuid=uuid)
        cancelled = ended(client, uuid)

    assert cancelled.state == "cancel"
    assert Decimal(str(cancelled.executed_volume)) == 0


def test_what_was_traded_while_the_paper_exchange_was_down_fills_its_orders(
    pair: Pair,
) -> None:
    uuid, price = resting_bid(pair.paper, below="0.97")
    higher = pair.paper.price(MARKET)
    eventually(lambda: state_of(pair.paper, uuid) == "wait")
    pair.paper.stop(signal.SIGKILL)
    somebody_trades(pair.upstream, price * Decimal("0.99"))
    somebody_trades(pair.upstream, higher)

    paper = pair.start_paper()

    with paper.client() as client:
        assert ended(client, uuid).state == "done"


def test_a_state_directory_belongs_to_one_market(tmp_path: Path) -> None:
    away = f"http://127.0.0.1:{free_ports(1)[0]}"
    start("--upstream", away, "--state", str(tmp_path)).stop()
    command = (sys.executable, "-m", "deploy.simulator", "--port", "1")

    for market in (("--seed", "1"), ("--upstream", "https://exchange.example")):
        refused = subprocess.run(
            [*command, "--state", str(tmp_path), *market],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

        assert refused.returncode == 2
        assert f"belongs to upstream {away}" in refused.stderr
