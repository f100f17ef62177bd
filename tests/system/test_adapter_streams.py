"""Live lines to a real exchange process: told, disturbed, lost, and found again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.system.adapter_world import (
    Exchange,
    adapter_at,
    eventually,
    exchange,
    new_identifier,
)
from user_project.exchanges.order_feed import OrderFeed
from user_project.exchanges.price_feed import PriceFeed
from user_project.exchanges.upbit import UpbitAdapter
from user_project.trading.orders import OrderKind, OrderRequest, Side

MARKET, QUIET = "KRW-BTC", "KRW-HUNT"
"""The second one trades about once an hour."""
VOLUME = Decimal("0.0002")


@pytest.fixture(scope="module")
def running() -> Iterator[Exchange]:
    with exchange() as running:
        yield running


@pytest.fixture
def adapter(running: Exchange) -> Iterator[UpbitAdapter]:
    with closing(adapter_at(running.url)) as adapter:
        yield adapter
    running.admin("DELETE", "faults")


@pytest.fixture
def prices(adapter: UpbitAdapter) -> Iterator[PriceFeed]:
    """A feed of both markets that has heard its first prices by line."""
    feed = PriceFeed(adapter=adapter)
    feed.start()
    try:
        eventually(lambda: follows(feed))
        yield feed
    finally:
        feed.stop()


def follows(feed: PriceFeed) -> bool:
    """Want both markets, as the watcher does each second; tell whether a line has them."""
    feed.want([MARKET, QUIET])
    return feed._subscribed == {MARKET, QUIET} and len(feed.quotes()) == 2


def price_of(feed: PriceFeed, market: str = MARKET) -> Decimal:
    return feed.quotes()[market].price


def price_now(adapter: UpbitAdapter) -> Decimal:
    return adapter.get_prices(markets=[MARKET])[MARKET].price


def trade(running: Exchange, adapter: UpbitAdapter, *, ticks: int) -> Decimal:
    """Let somebody trade some ticks off the last price; return that price."""
    last = price_now(adapter)
    price = last + ticks * adapter.get_rules(market=MARKET).tick_size(last)
    running.admin(
        "POST", "trades", {"market": MARKET, "price": f"{price:f}", "volume": "0.001"}
    )
    return price


def arm(running: Exchange, kind: str, stream: str, **more: Any) -> None:
    """Let the next message of a stream go wrong."""
    body = {"kind": kind, "endpoint": f"ws {stream}", "times": 1, **more}
    running.admin("POST", "faults", body)


class TestPrices:
    def test_a_trade_is_told_within_a_moment_and_not_read(
        self, running: Exchange, adapter: UpbitAdapter, prices: PriceFeed
    ) -> None:
        price = trade(running, adapter, ticks=3)

        eventually(lambda: price_of(prices) == price, within=3)

    def test_a_quiet_coin_stays_fresh_and_what_is_told_is_not_asked_for_again(
        self, running: Exchange, prices: PriceFeed
    ) -> None:
        def age() -> timedelta:
            return datetime.now(UTC) - prices.quotes()[QUIET].received_at

        asked = len(running.received("GET /v1/ticker"))
        seen = []
        for _ in range(40):
            threading.Event().wait(0.2)
            seen.append(age())

        # A ping a second; a read every five. Far below the 5 s that forbid an order.
        assert sorted(seen)[len(seen) // 2] < timedelta(seconds=3)
        # Two coins, at most one read in five seconds for both.
        assert len(running.received("GET /v1/ticker")) - asked <= 3

    @pytest.mark.parametrize("kind", ["lost", "duplicate", "out_of_order", "close"])
    def test_a_disturbed_line_ends_at_the_right_price(
        self, running: Exchange, adapter: UpbitAdapter, prices: PriceFeed, kind: str
    ) -> None:
        arm(running, kind, "ticker", market=MARKET)

        before = price_of(prices)
        trade(running, adapter, ticks=5)
        trade(running, adapter, ticks=-9)

        eventually(lambda: price_of(prices) != before)
        eventually(lambda: price_of(prices) == price_now(adapter))

    def test_a_line_that_falls_silent_is_replaced(
        self, running: Exchange, adapter: UpbitAdapter, prices: PriceFeed
    ) -> None:
        opened = len(running.received("GET /websocket/v1"))
        arm(running, "silent", "ticker", market=MARKET, seconds=60)

        trade(running, adapter, ticks=4)

        eventually(lambda: len(running.received("GET /websocket/v1")) > opened)
        eventually(lambda: price_of(prices) == price_now(adapter))


class TestOrders:
    @pytest.fixture
    def orders(self, adapter: UpbitAdapter) -> Iterator[OrderFeed[str]]:
        """A feed whose line is open."""
        feed: OrderFeed[str] = OrderFeed()
        feed.follow({"ours": adapter})
        eventually(lambda: feed.take().opened)
        yield feed
        feed.stop()

    def low_buy(self, adapter: UpbitAdapter) -> OrderRequest:
        price = price_now(adapter) * Decimal("0.7")
        return OrderRequest(
            identifier=new_identifier(),
            market=MARKET,
            side=Side.BID,
            kind=OrderKind.LIMIT,
            price=adapter.get_rules(market=MARKET).floor_tick(price),
            volume=VOLUME,
        )

    def test_placing_and_cancelling_are_told_by_name(
        self, adapter: UpbitAdapter, orders: OrderFeed[str]
    ) -> None:
        request = self.low_buy(adapter)

        placed = adapter.place_limit_order(request=request)
        # That it was accepted is told apart: its sender has the answer already.
        eventually(lambda: request.identifier in orders.take().accepted)
        adapter.cancel_order(uuid=placed.uuid)

        eventually(lambda: request.identifier in orders.take().identifiers)

    def test_a_fill_is_told(
        self, adapter: UpbitAdapter, orders: OrderFeed[str]
    ) -> None:
        request = OrderRequest(
            identifier=new_identifier(),
            market=MARKET,
            side=Side.BID,
            kind=OrderKind.MARKET,
            funds=Decimal(10_000),
        )

        adapter.place_market_order(request=request)

        eventually(lambda: request.identifier in orders.take().identifiers)

    def test_a_closed_line_comes_back_and_says_so(
        self, running: Exchange, adapter: UpbitAdapter, orders: OrderFeed[str]
    ) -> None:
        arm(running, "close", "myOrder")

        adapter.place_limit_order(request=self.low_buy(adapter))

        eventually(lambda: orders.take().opened == {"ours"})
        request = self.low_buy(adapter)
        adapter.place_limit_order(request=request)
        eventually(lambda: request.identifier in orders.take().accepted)


def test_an_exchange_that_restarts_is_found_again() -> None:
    with exchange() as running, closing(adapter_at(running.url)) as adapter:
        prices, orders = PriceFeed(adapter=adapter), OrderFeed[str]()
        prices.start()
        orders.follow({"ours": adapter})
        eventually(lambda: follows(prices))
        eventually(lambda: orders.take().opened)
        port = int(running.url.rpartition(":")[2])
    heard_at = prices.heard_at

    with exchange(port=port) as running:
        eventually(lambda: orders.take().opened, within=60)
        eventually(lambda: prices.heard_at != heard_at, within=60)
        eventually(lambda: len(running.received("GET /websocket/v1")) > 0, within=60)

    prices.stop()
    orders.stop()
