"""Paper orders meet the upstream's trades: those heard, those missed, and no others."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import ClientTimeout, web

from deploy.simulator.exchange.conditions import Conditions
from deploy.simulator.exchange.venue import Venue
from deploy.simulator.upstream import rest as upstream_rest
from deploy.simulator.upstream import upstream
from deploy.simulator.upstream.upstream import Upstream
from tests.unit.upstream_stub import (
    MARKET,
    StubExchange,
    eventually,
    trade_frame,
    trade_row,
)
from user_project.trading.matching_orders import (
    NewOrder,
    Order,
    OrderRefused,
    OrderType,
    State,
)
from user_project.trading.orders import Side

D = Decimal
OWNER = "owner"
OTHER = "KRW-ETH"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Exchange:
    """A paper exchange on a stub's market."""

    def __init__(self, stub: StubExchange) -> None:
        self.stub = stub
        self.upstream = Upstream(url=stub.url, now_ms=now_ms, factor=100)
        self.venue = Venue(
            feeds=self.upstream.feeds, conditions=Conditions(), latency_ms=1
        )
        self.venue.open_account(account=OWNER, krw=D(10_000_000))

    async def bid(
        self, price: int, *, market: str = MARKET, kind: OrderType = OrderType.LIMIT
    ) -> str:
        """Order coins for 100,000 won as a client would; return the order's uuid."""
        await self.upstream.prepare(market=market)
        is_limit = kind is OrderType.LIMIT
        request = NewOrder(
            market=market,
            side=Side.BID,
            ord_type=kind,
            price=D(price) if is_limit else D(100_000),
            volume=D(100_000) / price if is_limit else None,
        )
        order = self.venue.place(account=OWNER, request=request, now_ms=now_ms())
        return order.uuid

    def order(self, uuid: str) -> Order:
        self.venue.advance(now_ms=now_ms())
        return self.venue.engine.order(uuid=uuid)

    def is_filled(self, uuid: str) -> bool:
        return self.order(uuid).state is State.DONE

    async def rests(self, uuid: str) -> None:
        await eventually(lambda: self.order(uuid).arrived)
        assert self.order(uuid).state is State.WAIT

    async def is_streaming(self, *, market: str = MARKET) -> None:
        feed = self.upstream.feeds[market]
        await eventually(lambda: feed.streamed and not feed.is_behind)

    def happens(self, number: int, price: int, *, ms: int | None = None) -> Any:
        """Let the upstream trade; return the trade as its stream tells it."""
        ms = ms or now_ms()
        self.stub.trades.append(trade_row(number, price, ms=ms))
        return trade_frame(number, price, ms=ms)


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait longer than a busy machine ever stalls, where waiting is not the point."""
    patient = ClientTimeout(total=60, sock_connect=60)
    monkeypatch.setattr(upstream_rest, "TIMEOUT", patient)
    monkeypatch.setattr(upstream, "PREPARE_SECONDS", 60.0)


def with_exchange(
    scenario: Callable[[Exchange], Awaitable[None]], **stub_fields: Any
) -> StubExchange:
    """Run *scenario* on a paper exchange beside its upstream."""

    async def run() -> StubExchange:
        async with StubExchange(**stub_fields) as stub:
            exchange = Exchange(stub)
            async with exchange.upstream.running(engine=exchange.venue.engine):
                await scenario(exchange)
        return stub

    return asyncio.run(run())


def test_a_market_order_takes_the_upstreams_book() -> None:
    async def scenario(exchange: Exchange) -> None:
        uuid = await exchange.bid(100_000, kind=OrderType.PRICE)
        await eventually(lambda: exchange.order(uuid).trades)

        assert exchange.order(uuid).trades[0].price == 100_100

    with_exchange(scenario)


def test_a_resting_order_fills_at_a_trade_that_is_heard() -> None:
    async def scenario(exchange: Exchange) -> None:
        uuid = await exchange.bid(99_000)
        await exchange.rests(uuid)
        await exchange.is_streaming()

        await exchange.stub.say(exchange.happens(1, 98_000))
        await eventually(lambda: exchange.is_filled(uuid))

        assert exchange.order(uuid).trades[0].price == 99_000

    with_exchange(scenario)


def test_the_last_trade_before_the_stream_began_fills_nothing() -> None:
    async def scenario(exchange: Exchange) -> None:
        uuid = await exchange.bid(99_000)
        await exchange.rests(uuid)
        await exchange.is_streaming()
        old = now_ms() - 60_000

        await exchange.stub.say(trade_frame(1, 50_000, ms=now_ms(), kind="SNAPSHOT"))
        await exchange.stub.say(trade_frame(2, 60_000, ms=old))
        await exchange.stub.say(exchange.happens(3, 99_500))
        feed = exchange.upstream.feeds[MARKET]
        await eventually(lambda: feed.price(at_ms=now_ms()) == 99_500)

        await exchange.rests(uuid)

    with_exchange(scenario, price=100_000, trades=[trade_row(9, 99_900, ms=now_ms())])


def test_trades_are_polled_where_there_is_no_stream() -> None:
    async def scenario(exchange: Exchange) -> None:
        uuid = await exchange.bid(99_000)
        await exchange.rests(uuid)

        exchange.happens(1, 98_000)
        exchange.happens(2, 100_000)
        await eventually(lambda: exchange.is_filled(uuid))

    stub = with_exchange(scenario, streams=False)

    assert stub.connections == []


def test_what_was_traded_while_the_upstream_was_away_is_made_up_for() -> None:
    async def scenario(exchange: Exchange) -> None:
        uuid = await exchange.bid(99_000)
        await exchange.rests(uuid)
        await exchange.is_streaming()
        await exchange.stub.go()
        await eventually(lambda: exchange.upstream.away)
        exchange.happens(1, 98_000)
        exchange.happens(2, 100_000)
        await exchange.rests(uuid)

        await exchange.stub.come()
        await eventually(lambda: exchange.is_filled(uuid))

    with_exchange(scenario)


def test_a_new_order_never_meets_what_was_missed_before_it() -> None:
    async def scenario(exchange: Exchange) -> None:
        first = await exchange.bid(99_000)
        await exchange.rests(first)
        await exchange.is_streaming()
        exchange.stub.streams = False
        await exchange.stub.go()
        await eventually(lambda: exchange.upstream.away)
        exchange.happens(1, 98_000)
        exchange.happens(2, 100_000)
        await exchange.stub.come()

        second = await exchange.bid(99_500)
        await eventually(lambda: exchange.is_filled(first))
        await exchange.rests(second)
        asked = exchange.stub.paths().count("/v1/ticker")
        polled = asked + 2
        await eventually(lambda: exchange.stub.paths().count("/v1/ticker") >= polled)

        assert exchange.order(second).state is State.WAIT

    with_exchange(scenario)


def test_orders_kept_over_a_restart_meet_what_came_after_them() -> None:
    async def run() -> list[State]:
        async with StubExchange(streams=False) as stub:
            exchange = Exchange(stub)
            placed = now_ms()
            for price in (99_000, 97_500):
                feed = exchange.upstream.feeds[MARKET]
                feed.inject(price=D(100_000), volume=D(1), at_ms=placed)
                request = NewOrder(
                    market=MARKET,
                    side=Side.BID,
                    ord_type=OrderType.LIMIT,
                    price=D(price),
                    volume=D(1),
                )
                exchange.venue.place(account=OWNER, request=request, now_ms=placed)
            exchange.happens(1, 90_000, ms=placed - 1000)
            exchange.happens(2, 98_000, ms=placed + 1)
            exchange.venue.advance(now_ms=placed + 10)
            async with exchange.upstream.running(engine=exchange.venue.engine):
                first, second = exchange.venue.engine.waiting(market=MARKET)
                await eventually(lambda: exchange.is_filled(first.uuid))
                return [exchange.order(one.uuid).state for one in (first, second)]

    assert asyncio.run(run()) == [State.DONE, State.WAIT]


def test_another_market_is_heard_without_missing_the_first() -> None:
    async def scenario(exchange: Exchange) -> None:
        first = await exchange.bid(99_000)
        await exchange.rests(first)
        await exchange.is_streaming()

        await exchange.bid(99_000, market=OTHER)
        await exchange.is_streaming(market=OTHER)
        await eventually(lambda: len(exchange.stub.sockets) == 1)

        codes = [one[1]["codes"] for one in exchange.stub.subscriptions]
        assert codes == [[MARKET], [MARKET, OTHER]]
        assert exchange.stub.connections == ["open", "open", "close"]
        assert exchange.upstream.feeds[MARKET].losses == 1

    with_exchange(scenario, listed={MARKET, OTHER})


def test_a_delisted_market_does_not_silence_the_others() -> None:
    async def scenario(exchange: Exchange) -> None:
        await exchange.rests(await exchange.bid(99_000, market=OTHER))
        uuid = await exchange.bid(99_000)
        await exchange.rests(uuid)
        exchange.stub.listed = {MARKET}

        exchange.happens(1, 98_000)
        await eventually(lambda: exchange.is_filled(uuid))

    with_exchange(scenario, listed={MARKET, OTHER}, streams=False)


def test_without_a_price_there_is_no_order() -> None:
    async def scenario(exchange: Exchange) -> None:
        await exchange.stub.go()

        with pytest.raises(OrderRefused) as caught:
            await exchange.bid(99_000)

        assert caught.value.name == "market_offline"

    with_exchange(scenario)


def test_an_old_price_is_no_price() -> None:
    async def scenario(exchange: Exchange) -> None:
        await exchange.bid(99_000)
        await exchange.is_streaming()
        await exchange.stub.go()
        await eventually(lambda: exchange.upstream.away)

        with pytest.raises(OrderRefused) as caught:
            await exchange.bid(99_000)

        assert caught.value.name == "market_offline"

    with_exchange(scenario)


@pytest.mark.parametrize("market", ["KRW-NOPE", "BTC-ETH"])
def test_a_market_that_the_upstream_does_not_trade_in_won_is_unknown(
    market: str,
) -> None:
    async def scenario(exchange: Exchange) -> None:
        with pytest.raises(OrderRefused) as caught:
            await exchange.bid(99_000, market=market)

        assert caught.value.name == "notfoundmarket"

    with_exchange(scenario)


def test_a_heard_market_is_not_asked_about_for_each_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upstream_rest, "SHARED_SECONDS", 0.0)

    async def scenario(exchange: Exchange) -> None:
        await exchange.bid(99_000)
        await exchange.is_streaming()
        await exchange.stub.say(exchange.happens(1, 100_000))
        await exchange.rests(await exchange.bid(99_100))
        exchange.stub.asked.clear()

        await exchange.bid(99_200)

        assert exchange.stub.paths() == []

    with_exchange(scenario)


def test_a_stream_that_fell_silent_is_checked_by_asking(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upstream_rest, "SHARED_SECONDS", 0.0)
    monkeypatch.setattr(upstream, "QUIET_MS", 0)

    async def scenario(exchange: Exchange) -> None:
        await exchange.bid(99_000)
        await exchange.is_streaming()
        exchange.stub.asked.clear()

        await exchange.bid(99_200)

        assert {"/v1/ticker", "/v1/orderbook"} <= set(exchange.stub.paths())

    with_exchange(scenario)


def test_whoever_orders_waits_only_so_long_for_a_price(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(upstream, "PREPARE_SECONDS", 0.1)

    async def scenario(exchange: Exchange) -> None:
        exchange.stub.hangs.add("/v1/orderbook")

        with pytest.raises(OrderRefused) as caught:
            await exchange.bid(99_000)

        assert caught.value.name == "market_offline"

    with_exchange(scenario)


def test_an_upstream_that_refuses_is_not_asked_about_orders() -> None:
    async def scenario(exchange: Exchange) -> None:
        blocked = web.Response(status=418, text="60 seconds")
        exchange.stub.special["/v1/ticker"] = lambda: blocked

        for _ in range(3):
            with pytest.raises(OrderRefused):
                await exchange.bid(99_000)

        assert exchange.stub.paths().count("/v1/ticker") == 1

    with_exchange(scenario)
