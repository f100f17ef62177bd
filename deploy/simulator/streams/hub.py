"""Who is connected and what they want, and the one task that serves them all.

Markets nobody subscribed to cost nothing. The task rests at least as long as it worked,
so that orders are still answered when more is subscribed to than one core can send.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable
from typing import Final

from deploy.simulator.house import House
from deploy.simulator.streams.asked import Subscription
from deploy.simulator.streams.connection import Connection
from deploy.simulator.streams.frames import Message
from deploy.simulator.streams.public import PublicData
from deploy.simulator.streams.watched import Topic, WatchedMarket, topics_of

ROUND_SECONDS: Final = 0.05
SLICE_SECONDS: Final = 0.005
"""The longest that others wait for the task."""
Asked = list[tuple[Topic, Subscription]]
log = logging.getLogger("simulator")


class Hub:
    """All connections of one simulator."""

    def __init__(self, *, house: House, clock: Callable[[], float]) -> None:
        self._house = house
        self._clock = clock
        self._listings = {one.market: one for one in house.listings}
        self._connections: set[Connection] = set()
        self._wanted: dict[str, dict[Topic, set[Connection]]] = {}
        self._watched: dict[str, WatchedMarket] = {}

    def join(self, connection: Connection) -> None:
        """Serve a connection from now on."""
        self._connections.add(connection)

    def leave(self, connection: Connection) -> None:
        """Forget a connection and all it wanted."""
        self._connections.discard(connection)
        self._unsubscribe(connection)

    def private(self, *, pocket: str) -> list[Connection]:
        """Return the connections that see a pocket's orders."""
        return [one for one in self._connections if one.pocket == pocket]

    async def subscribe(
        self, connection: Connection, wanted: tuple[Subscription, ...]
    ) -> None:
        """Add to or replace what a connection gets, and send it the snapshots."""
        if self._house.assumptions.second_subscription == "replaces":
            self._unsubscribe(connection)
        connection.subscriptions += [one for one in wanted if one.realtime]
        for market, asked in _by_market(wanted).items():
            self._begin(connection, market, asked)
            # Snapshots of all markets take longer than others may wait.
            await asyncio.sleep(0)

    def _begin(self, connection: Connection, market: str, asked: Asked) -> None:
        is_listed = self._house.conditions.is_listed(market=market)
        if market not in self._house.tapes or not is_listed:
            return
        now_ms = self._present()
        # The others first see what the snapshot shows, then this one begins after it.
        watched = self._step(market, now_ms)
        topics = self._wanted.setdefault(market, defaultdict(set))
        for topic, subscription in asked:
            data = None
            if subscription.snapshot:
                data = watched.snapshot(topic=topic, now_ms=now_ms)
            if data is not None:
                connection.send(Message(data))
            if subscription.realtime:
                topics[topic].add(connection)
        connection.flush()
        self._tidy(market)

    def _unsubscribe(self, connection: Connection) -> None:
        for market in list(self._wanted):
            for topic in list(self._wanted[market]):
                self._wanted[market][topic].discard(connection)
            self._tidy(market)
        connection.subscriptions.clear()

    def _tidy(self, market: str) -> None:
        """Forget topics that nobody wants, and markets without topics."""
        topics = self._wanted.get(market, {})
        for topic in [topic for topic, takers in topics.items() if not takers]:
            del topics[topic]
        if not topics:
            self._wanted.pop(market, None)
            self._watched.pop(market, None)

    def _present(self) -> int:
        """Return the last millisecond that is over: nobody can trade in it any more."""
        return self._house.now_ms() - 1

    def _step(self, market: str, now_ms: int) -> WatchedMarket:
        """Send everybody what happened in a market up to *now_ms*."""
        watched = self._watched.get(market)
        if watched is None:
            data = PublicData(
                house=self._house,
                tape=self._house.tapes[market],
                listing=self._listings[market],
            )
            watched = WatchedMarket(house=self._house, data=data, seen_ms=now_ms)
            self._watched[market] = watched
        topics = self._wanted.get(market, {})
        for topic, row in watched.step(wanted=topics.keys(), now_ms=now_ms):
            message = Message(row)
            latest = None if topic.type == "trade" else topic
            for connection in topics[topic]:
                connection.send(message, latest=latest)
        return watched

    async def run(self) -> None:
        """Serve everybody until cancelled."""
        while True:
            began = self._clock()
            try:
                await self._round()
            except Exception:
                log.exception("a stream failed; it goes on with the next round")
            await asyncio.sleep(max(ROUND_SECONDS, self._clock() - began))

    async def _round(self) -> None:
        if any(one.pocket is not None for one in self._connections):
            self._house.venue.advance(now_ms=self._house.now_ms())
        began = self._clock()
        for market in list(self._wanted):
            if market in self._wanted:
                self._step(market, self._present())
            if self._clock() - began > SLICE_SECONDS:
                self._beat()
                await asyncio.sleep(0)
                began = self._clock()
        self._beat()

    def _beat(self) -> None:
        for connection in self._connections:
            connection.beat()


def _by_market(wanted: tuple[Subscription, ...]) -> dict[str, Asked]:
    found: dict[str, Asked] = {}
    for subscription in wanted:
        for topic in topics_of(subscription):
            found.setdefault(topic.market, []).append((topic, subscription))
    return found
