"""One watched market: what its subscribers are sent as time goes on."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final, NamedTuple

from deploy.simulator.exchange.conditions import Condition
from deploy.simulator.house import House
from deploy.simulator.market.feed import Book
from deploy.simulator.rest.order_views import Json
from deploy.simulator.streams.asked import (
    CANDLE_UNITS,
    PUBLIC_TYPES,
    Subscription,
    book_code,
)
from deploy.simulator.streams.public import PublicData

BOOK_MS: Final = 200
"""A book is sent at most this often."""
CANDLE_MS: Final = 1000
REALTIME: Final = "REALTIME"
SNAPSHOT: Final = "SNAPSHOT"


class Topic(NamedTuple):
    """One thing of one market that can be subscribed to."""

    type: str
    market: str
    depth: int = 0
    level: Decimal = Decimal(0)


def topics_of(subscription: Subscription, /) -> list[Topic]:
    """Return what a public subscription asks for; nothing for a private one."""
    kind = subscription.type
    if kind not in PUBLIC_TYPES:
        return []
    if kind != "orderbook":
        return [Topic(kind, code) for code in subscription.codes]
    return [
        Topic(kind, *book_code(code), subscription.level) for code in subscription.codes
    ]


@dataclass(slots=True, kw_only=True)
class WatchedMarket:
    """What has been sent of one market, and what is due."""

    house: House
    data: PublicData
    seen_ms: int
    """Trades up to here have been sent."""
    _ticker_due: bool = False
    _candles_due: bool = False
    _next_books_ms: int = 0
    _next_candles_ms: int = 0
    _book: Book | None = None
    _books: dict[Topic, Any] = field(default_factory=dict)
    """The levels last sent."""
    _candles: dict[Topic, Json] = field(default_factory=dict)
    """The candles last sent."""
    _condition: Condition | None = None

    def snapshot(self, *, topic: Topic, now_ms: int) -> Json | None:
        """Return the present state, or None where there is none yet."""
        message = self._message(topic, SNAPSHOT, now_ms)
        if message is not None and topic.type == "orderbook":
            self._books.setdefault(topic, message["orderbook_units"])
        elif message is not None and topic.type in CANDLE_UNITS:
            self._candles.setdefault(topic, message | {"stream_type": REALTIME})
        return message

    def step(
        self, *, wanted: Collection[Topic], now_ms: int
    ) -> Iterator[tuple[Topic, Json]]:
        """Go on to *now_ms*; yield what to send, in order."""
        after_ms, self.seen_ms = self.seen_ms, max(self.seen_ms, now_ms)
        traded = self._is_listed() and self.data.has_traded(
            after_ms=after_ms, until_ms=self.seen_ms
        )
        topic = Topic("trade", self.data.market)
        if traded and topic in wanted:
            yield from ((topic, row) for row in self._trades(after_ms))
        self._ticker_due |= traded or self._is_switched()
        self._candles_due |= traded
        yield from self._due_ticker(wanted, now_ms)
        yield from self._due_books(wanted, now_ms)
        yield from self._due_candles(wanted, now_ms)

    def _trades(self, after_ms: int) -> list[Json]:
        return self.data.trades(after_ms=after_ms, until_ms=self.seen_ms, kind=REALTIME)

    def _is_listed(self) -> bool:
        return self.house.conditions.is_listed(market=self.data.market)

    def _is_switched(self) -> bool:
        """Tell whether the operator changed the market since the last look."""
        before, now = self._condition, self.house.conditions.of(market=self.data.market)
        self._condition = now
        return before is not None and before is not now

    def _due_ticker(
        self, wanted: Collection[Topic], now_ms: int
    ) -> Iterator[tuple[Topic, Json]]:
        topic = Topic("ticker", self.data.market)
        if self._ticker_due and topic in wanted:
            self._ticker_due = False
            message = self._message(topic, REALTIME, now_ms)
            if message is not None:
                yield topic, message

    def _due_books(
        self, wanted: Collection[Topic], now_ms: int
    ) -> Iterator[tuple[Topic, Json]]:
        if now_ms < self._next_books_ms:
            return
        topics = [topic for topic in wanted if topic.type == "orderbook"]
        before = self._book
        if topics:
            self._book = self.data.book(now_ms=now_ms)
        if self._book is before:
            return
        self._next_books_ms = now_ms + BOOK_MS
        for topic in topics:
            message = self._message(topic, REALTIME, now_ms)
            if message is None or message["orderbook_units"] == self._books.get(topic):
                continue
            self._books[topic] = message["orderbook_units"]
            yield topic, message

    def _due_candles(
        self, wanted: Collection[Topic], now_ms: int
    ) -> Iterator[tuple[Topic, Json]]:
        if not self._candles_due or now_ms < self._next_candles_ms:
            return
        self._candles_due = False
        self._next_candles_ms = now_ms + CANDLE_MS
        for topic in [one for one in wanted if one.type in CANDLE_UNITS]:
            yield from ((topic, row) for row in self._new_candles(topic, now_ms))

    def _new_candles(self, topic: Topic, now_ms: int) -> Iterator[Json]:
        """Return what changed since the last time, an ended candle before the next."""
        sent = self._candles.get(topic)
        since_ms = None if sent is None else sent["timestamp"]
        for row in self.data.candles(
            type=topic.type, since_ms=since_ms, kind=REALTIME, now_ms=now_ms
        ):
            if row != sent:
                self._candles[topic] = row
                yield row

    def _message(self, topic: Topic, kind: str, now_ms: int) -> Json | None:
        match topic.type:
            case "ticker":
                return self.data.ticker(kind=kind, now_ms=now_ms)
            case "trade":
                return self.data.last_trade(kind=kind, now_ms=now_ms)
            case "orderbook":
                return self.data.orderbook(
                    depth=topic.depth, level=topic.level, kind=kind, now_ms=now_ms
                )
            case candle:
                rows = self.data.candles(
                    type=candle, since_ms=None, kind=kind, now_ms=now_ms
                )
                return rows[0] if rows else None
