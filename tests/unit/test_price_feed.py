"""Prices told by a line or read without one: how old they are, what is read again."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.line_stub import StubLines, eventually
from user_project.exchanges import price_feed, streams
from user_project.exchanges.adapter import ExchangeAdapter, Unavailable
from user_project.exchanges.price_feed import KNOWN_FOR, TOLD_FOR, PriceBoard, PriceFeed
from user_project.exchanges.streams import Alive, Line, OrderNotice
from user_project.trading.orders import PriceQuote

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
BTC, ETH, GONE = "KRW-BTC", "KRW-ETH", "KRW-GONE"


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


def quote(price: str = "100", *, market: str = BTC, at: datetime = NOW) -> PriceQuote:
    return PriceQuote(market=market, price=Decimal(price), received_at=at)


def age(board: PriceBoard, *, at: datetime, market: str = BTC) -> timedelta:
    known = board.quote(market)
    assert known is not None
    return at - known.received_at


class TestBoard:
    def test_a_told_price_ages(self) -> None:
        board = PriceBoard()
        board.tell(quote())

        assert age(board, at=NOW + seconds(3)) == seconds(3)

    def test_an_answered_ping_makes_it_as_young_as_the_ping(self) -> None:
        board = PriceBoard()
        board.cover([BTC])
        board.tell(quote())

        board.prove(at=NOW + seconds(2))

        assert age(board, at=NOW + seconds(3)) == seconds(1)

    @pytest.mark.parametrize(
        ("told_at", "kept"),
        [("2026-11-23T23:59:55+00:00", True), ("2026-11-23T23:59:58+00:00", False)],
    )
    def test_a_new_day_has_another_close_before_it(
        self, told_at: str, kept: bool
    ) -> None:
        at = datetime.fromisoformat(told_at)
        board = PriceBoard()
        board.cover([BTC])
        board.tell(replace(quote(at=at), previous_close=Decimal(80)))

        board.prove(at=at + seconds(3))

        known = board.quote(BTC)
        assert known is not None
        assert known.previous_close == (Decimal(80) if kept else None)

    def test_a_line_is_not_believed_for_ever(self) -> None:
        board = PriceBoard()
        board.cover([BTC])
        board.tell(quote())

        board.prove(at=NOW + seconds(60))

        assert age(board, at=NOW + seconds(60)) == seconds(60) - TOLD_FOR

    @pytest.mark.parametrize("covered", [[], [ETH]])
    def test_a_line_proves_only_what_it_tells(self, covered: list[str]) -> None:
        board = PriceBoard()
        board.cover(covered)
        board.tell(quote())

        board.prove(at=NOW + seconds(2))

        assert age(board, at=NOW + seconds(3)) == seconds(3)

    def test_the_proof_of_a_lost_line_is_void(self) -> None:
        board = PriceBoard()
        board.cover([BTC])
        board.tell(quote())
        board.prove(at=NOW + seconds(2))

        board.cover([])
        board.cover([BTC])

        assert age(board, at=NOW + seconds(3)) == seconds(3)

    def test_an_older_quote_replaces_no_younger_one(self) -> None:
        board = PriceBoard()

        assert board.tell(quote("100"))
        assert not board.tell(quote("99", at=NOW - seconds(1)))
        assert not board.tell(quote("100", at=NOW + seconds(1)))
        assert board.tell(quote("101", at=NOW + seconds(2)))

        assert board.quote(BTC) == quote("101", at=NOW + seconds(2))

    def test_what_no_line_tells_is_always_to_be_read(self) -> None:
        board = PriceBoard()
        board.tell(quote())

        assert board.untold([BTC, ETH], now=NOW) == [BTC, ETH]

    def test_what_a_line_has_not_told_lately_is_read_again(self) -> None:
        board = PriceBoard()
        board.cover([BTC, ETH])
        board.tell(quote())
        board.tell(quote(market=ETH, at=NOW + seconds(3)))
        board.prove(at=NOW + seconds(5))

        assert board.untold([BTC, ETH], now=NOW + seconds(4.9)) == []
        assert board.untold([BTC, ETH], now=NOW + seconds(5)) == [BTC]

    @given(told=st.integers(0, 20), proven=st.integers(0, 20), covered=st.booleans())
    def test_a_price_is_never_older_than_told_nor_younger_than_proven(
        self, told: int, proven: int, covered: bool
    ) -> None:
        board = PriceBoard()
        board.cover([BTC] if covered else [])
        board.tell(quote(at=NOW + seconds(told)))
        board.prove(at=NOW + seconds(proven))

        known = board.quote(BTC)

        assert known is not None
        shown = (known.received_at - NOW).total_seconds()
        assert told <= shown <= max(told, proven)
        assert shown <= told + TOLD_FOR.total_seconds()


class Exchange:
    """Reads and lines of an exchange, as far as a feed uses it."""

    def __init__(self) -> None:
        self.lines = StubLines()
        self.now = NOW
        self.prices = {BTC: "100", ETH: "50"}
        self.reads: list[list[str]] = []
        self.is_away = False
        self.during_read: Any = lambda: None

    def clock(self) -> datetime:
        return self.now

    def get_prices(self, *, markets: Sequence[str]) -> dict[str, PriceQuote]:
        self.reads.append(list(markets))
        if self.is_away:
            raise Unavailable("HTTP 500")
        self.during_read()
        self.now += seconds(0.1)
        return {
            market: quote(self.prices[market], market=market, at=self.now)
            for market in markets
            if market in self.prices
        }

    def stream_prices(self, *, markets: Sequence[str]) -> Line:
        return self.lines.open(markets=markets)


@pytest.fixture
def exchange() -> Exchange:
    return Exchange()


def feed_of(exchange: Exchange, **options: Any) -> PriceFeed:
    adapter = cast(ExchangeAdapter, exchange)
    return PriceFeed(adapter=adapter, clock=exchange.clock, **options)


class TestFeed:
    """Without threads: the test is the line and the reader."""

    @pytest.fixture
    def feed(self, exchange: Exchange) -> PriceFeed:
        feed = feed_of(exchange)
        feed.want([BTC, ETH])
        return feed

    def listen(self, feed: PriceFeed, exchange: Exchange) -> None:
        """Let a line open that tells what has a price."""
        feed.read_untold()
        assert feed._open_line() is not None
        feed.opened(at=exchange.now)

    def test_without_a_line_everything_is_read_each_time(
        self, exchange: Exchange, feed: PriceFeed
    ) -> None:
        feed.read_untold()
        feed.read_untold()

        assert exchange.reads == [[BTC, ETH]] * 2
        assert {m: q.price for m, q in feed.quotes().items()} == {BTC: 100, ETH: 50}

    def test_what_the_line_tells_is_not_read(
        self, exchange: Exchange, feed: PriceFeed
    ) -> None:
        self.listen(feed, exchange)
        exchange.now += seconds(4)
        feed.hear(quote("101"), at=exchange.now, pinged_at=exchange.now)

        exchange.now += seconds(3)
        feed.read_untold()

        assert exchange.reads == [[BTC, ETH], [ETH]]
        assert exchange.lines.asked == [(BTC, ETH)]

    def test_a_told_price_is_as_old_as_its_arrival(
        self, exchange: Exchange, feed: PriceFeed
    ) -> None:
        self.listen(feed, exchange)
        exchange.now += seconds(1)

        feed.hear(quote("101"), at=exchange.now, pinged_at=NOW)

        assert feed.quotes()[BTC] == quote("101", at=exchange.now)

    def test_a_quiet_coin_stays_fresh_while_pings_are_answered(
        self, exchange: Exchange, feed: PriceFeed
    ) -> None:
        self.listen(feed, exchange)
        told_at = exchange.now

        for _ in range(4):
            pinged_at = exchange.now
            exchange.now += seconds(1)
            feed.hear(Alive(), at=exchange.now, pinged_at=pinged_at)

        assert feed.quotes()[ETH].received_at == told_at + seconds(3)
        assert len(exchange.reads) == 1

    def test_a_line_that_swallows_trades_is_found_out_by_reading(
        self, exchange: Exchange, feed: PriceFeed
    ) -> None:
        self.listen(feed, exchange)
        feed.take()
        exchange.prices[ETH] = "40"

        for _ in range(6):
            exchange.now += seconds(1)
            feed.hear(Alive(), at=exchange.now, pinged_at=exchange.now)
            feed.read_untold()

        assert feed.take()[ETH].price == 40

    def test_a_line_that_swallows_trades_is_replaced(
        self,
        exchange: Exchange,
        feed: PriceFeed,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        reopened: list[datetime] = []
        monkeypatch.setattr(
            feed._listener, "reopen", lambda: reopened.append(exchange.now)
        )
        self.listen(feed, exchange)
        exchange.prices[ETH] = "40"

        for _ in range(11):
            exchange.now += seconds(1)
            feed.read_untold()

        assert len(reopened) == 1
        assert reopened[0] - NOW >= 2 * TOLD_FOR
        assert "the line tells nothing of KRW-ETH" in caplog.text

    def test_a_line_that_tells_just_after_a_read_is_kept(
        self, exchange: Exchange, feed: PriceFeed, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        reopened: list[datetime] = []
        monkeypatch.setattr(
            feed._listener, "reopen", lambda: reopened.append(exchange.now)
        )
        self.listen(feed, exchange)
        exchange.prices[ETH] = "40"
        exchange.now += seconds(6)
        feed.read_untold()

        feed.hear(quote("40", market=ETH), at=exchange.now, pinged_at=NOW)
        exchange.now += seconds(6)
        feed.read_untold()

        assert reopened == []

    def test_failing_reads_are_logged_once(
        self, exchange: Exchange, feed: PriceFeed, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)
        exchange.is_away = True
        for _ in range(3):
            feed.read_untold()
        exchange.is_away = False
        feed.read_untold()

        texts = [record.message for record in caplog.records]
        assert texts == ["no prices: HTTP 500", "prices are read again"]

    def test_what_the_line_told_during_a_read_is_younger(
        self, exchange: Exchange, feed: PriceFeed
    ) -> None:
        self.listen(feed, exchange)
        exchange.now += seconds(6)

        def trade() -> None:
            exchange.now += seconds(0.05)
            feed.hear(quote("102"), at=exchange.now, pinged_at=NOW)

        exchange.during_read = trade
        feed.read_untold()

        assert feed.quotes()[BTC].price == 102
        assert feed.quotes()[ETH].price == 50

    def test_changes_are_taken_once_and_only_the_last_of_each(
        self, exchange: Exchange, feed: PriceFeed
    ) -> None:
        self.listen(feed, exchange)
        first = feed.take()

        for price in ("101", "102", "103"):
            feed.hear(quote(price), at=exchange.now, pinged_at=NOW)
        feed.hear(quote("50", market=ETH), at=exchange.now, pinged_at=NOW)

        assert set(first) == {BTC, ETH}
        assert {m: q.price for m, q in feed.take().items()} == {BTC: 103}
        assert feed.take() == {}

    def test_a_market_without_a_price_is_never_subscribed(
        self, exchange: Exchange, feed: PriceFeed
    ) -> None:
        feed.want([BTC, GONE])

        self.listen(feed, exchange)

        assert exchange.lines.asked == [(BTC,)]
        feed.read_untold()
        assert exchange.reads[-1] == [GONE]

    def test_a_quiet_coin_stays_subscribed_while_reads_fail(
        self, exchange: Exchange, feed: PriceFeed
    ) -> None:
        self.listen(feed, exchange)
        exchange.is_away = True
        exchange.now += KNOWN_FOR + seconds(1)

        feed._open_line()

        assert exchange.lines.asked[-1] == (BTC, ETH)

    def test_a_coin_that_is_gone_is_dropped_when_the_line_was_lost(
        self, exchange: Exchange, feed: PriceFeed
    ) -> None:
        self.listen(feed, exchange)
        del exchange.prices[ETH]
        exchange.now += KNOWN_FOR + seconds(1)
        feed.lost()
        feed.read_untold()

        feed._open_line()

        assert exchange.lines.asked[-1] == (BTC,)

    def test_what_was_heard_is_known_and_silence_too(
        self, exchange: Exchange, feed: PriceFeed
    ) -> None:
        assert feed.heard_at is None
        feed.read_untold()
        read_at = exchange.now
        exchange.is_away = True
        exchange.now += seconds(30)
        feed.read_untold()

        assert feed.heard_at == read_at
        feed.hear(Alive(), at=exchange.now, pinged_at=NOW)
        assert feed.heard_at == exchange.now

    def test_prices_of_unwanted_markets_are_kept_back(
        self, exchange: Exchange, feed: PriceFeed
    ) -> None:
        self.listen(feed, exchange)
        feed.want([BTC])

        assert set(feed.quotes()) == set(feed.take()) == {BTC}

    def test_a_notice_of_an_order_is_no_price(
        self, exchange: Exchange, feed: PriceFeed
    ) -> None:
        feed.hear(OrderNotice(identifier="x", market=BTC), at=NOW, pinged_at=NOW)

        assert feed.quotes() == {}


class TestThreads:
    @pytest.fixture
    def running(
        self, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[PriceFeed]:
        monkeypatch.setattr(price_feed, "READ_EVERY_SECONDS", 0.01)
        monkeypatch.setattr(streams, "LISTEN_SECONDS", 0.002)
        monkeypatch.setattr(streams, "_pause", lambda failures: 0.01)
        self.rang = threading.Event()
        feed = feed_of(exchange, rang=self.rang)
        feed.start()
        yield feed
        feed.stop()

    def test_it_reads_then_listens_and_rings(
        self, exchange: Exchange, running: PriceFeed
    ) -> None:
        running.want([BTC])
        eventually(running.quotes)
        running.want([BTC])
        line = exchange.lines.number(1)
        self.rang.clear()

        line.say(quote("105"))

        assert self.rang.wait(5)
        eventually(lambda: running.quotes()[BTC].price == 105)

    def test_another_wish_is_another_line(
        self, exchange: Exchange, running: PriceFeed
    ) -> None:
        def subscribed_to(*markets: str) -> bool:
            running.want(markets)
            return bool(exchange.lines.asked) and exchange.lines.asked[-1] == markets

        eventually(lambda: subscribed_to(BTC))
        eventually(lambda: subscribed_to(BTC, ETH))
        eventually(lambda: subscribed_to(ETH))

        eventually(lambda: all(line.closed for line in exchange.lines.opened[:-1]))
        assert not exchange.lines.opened[-1].closed

    def test_while_no_line_can_be_had_prices_are_read(
        self, exchange: Exchange, running: PriceFeed
    ) -> None:
        exchange.lines.failures = [Unavailable("refused")] * 1000
        running.want([BTC])
        eventually(lambda: len(exchange.reads) > 3)
        exchange.prices[BTC] = "90"

        eventually(lambda: running.quotes()[BTC].price == 90)

    def test_reading_goes_on_after_any_trouble(
        self, exchange: Exchange, running: PriceFeed
    ) -> None:
        def explode() -> None:
            exchange.during_read = lambda: None
            raise KeyError("never seen before")

        exchange.during_read = explode

        running.want([BTC])

        eventually(running.quotes)
