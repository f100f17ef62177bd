"""Another Upbit behind this one: its prices, its trades, never its orders.

Every quotation is passed through; the paper orders of this exchange are matched against
the upstream's trades. When it is away nothing is answered, traded or made up.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Final

from deploy.simulator.exchange.venue import milliseconds
from deploy.simulator.rest.errors import UpbitProblem
from deploy.simulator.upstream.feed import UpstreamFeed
from deploy.simulator.upstream.gap import read_missed
from deploy.simulator.upstream.reads import (
    Deal,
    read_book,
    read_markets,
    read_quotes,
)
from deploy.simulator.upstream.rest import UnknownMarket, UpstreamAway, UpstreamRest
from deploy.simulator.upstream.stream import UpstreamStream
from user_project.trading.matching import MatchingEngine
from user_project.trading.matching_orders import OrderRefused

POLL_SECONDS: Final = 1.0
PREPARE_SECONDS: Final = 5.0
"""Whoever orders waits no longer for a price: clients give up after ten."""
ASKED_SECONDS: Final = 180.0
"""So long after an order a market is listened to, even if nothing rests there."""
QUIET_MS: Final = 5_000
"""A stream that says nothing for this long is checked by asking."""
LIST_SECONDS: Final = 600.0
QUOTE_CURRENCY: Final = "KRW-"
log = logging.getLogger("simulator")


class UpstreamFeeds(Mapping[str, UpstreamFeed]):
    """The markets on which orders can be placed, each made when it is first needed."""

    def __init__(self, *, now_ms: Callable[[], int]) -> None:
        self._now_ms = now_ms
        self._feeds: dict[str, UpstreamFeed] = {}
        self.listed: frozenset[str] | None = None
        """The upstream's won markets; None until it was asked."""

    def __contains__(self, market: object) -> bool:
        if self.listed is not None:
            return market in self.listed or market in self._feeds
        # Not known yet: whoever orders is told by the upstream's own answer.
        return isinstance(market, str) and market.startswith(QUOTE_CURRENCY)

    def __getitem__(self, market: str) -> UpstreamFeed:
        if market not in self:
            raise KeyError(market)
        feed = self._feeds.get(market)
        if feed is None:
            feed = UpstreamFeed(market=market, now_ms=self._now_ms)
            self._feeds[market] = feed
        return feed

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({*(self.listed or ()), *self._feeds}))

    def __len__(self) -> int:
        return len({*(self.listed or ()), *self._feeds})


class Upstream:
    """The upstream of a running simulator."""

    def __init__(
        self, *, url: str, now_ms: Callable[[], int], factor: float = 1.0
    ) -> None:
        self.rest = UpstreamRest(url=url, factor=factor)
        self.feeds = UpstreamFeeds(now_ms=now_ms)
        self._now_ms = now_ms
        self._nudged = asyncio.Event()
        self._stream = UpstreamStream(
            rest=self.rest,
            feed=self.feeds.__getitem__,
            on_change=self._nudged.set,
            now_ms=now_ms,
        )
        self._engine: MatchingEngine | None = None
        self._asked_at: dict[str, float] = {}
        self._unknown: set[str] = set()
        self._catching_up = asyncio.Lock()
        self._listed_at = float("-inf")

    @property
    def url(self) -> str:
        """Return the upstream's address."""
        return self.rest.url

    @property
    def away(self) -> str | None:
        """Return why the upstream did not answer last, or None."""
        return self.rest.away

    @contextlib.asynccontextmanager
    async def running(self, *, engine: MatchingEngine) -> AsyncIterator[None]:
        """Follow the markets in which the engine's orders rest."""
        self._engine = engine
        for market in engine.markets_waiting():
            # What was traded since its orders last met a trade may not have met them.
            orders = engine.waiting(market=market)
            seen = [order.created_at for order in orders]
            seen += [one.at for order in orders for one in order.trades]
            self.feeds[market].begin(from_ms=milliseconds(max(seen)))
        await self.rest.open()
        tasks = [
            asyncio.create_task(self._stream.keep(self._wanted)),
            asyncio.create_task(self._follow()),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self.rest.close()

    async def prepare(self, *, market: str) -> None:
        """Bring a market's price and book up to date before an order meets them.

        Raises OrderRefused: notfoundmarket, or market_offline when there is no price.
        """
        if market not in self.feeds:
            return  # the venue refuses it
        self._asked_at[market] = time.monotonic()
        if self._is_fresh(market):
            return
        try:
            async with asyncio.timeout(PREPARE_SECONDS):
                await self._refresh(market)
        except UnknownMarket as error:
            self._asked_at.pop(market, None)
            raise OrderRefused("notfoundmarket", "존재하지 않는 마켓입니다.") from error
        except (UpstreamAway, UpbitProblem, TimeoutError) as error:
            raise _no_price() from error

    async def _refresh(self, market: str) -> None:
        quotes, book = await asyncio.gather(
            read_quotes(self.rest, markets=[market]),
            read_book(self.rest, market=market),
        )
        if not quotes:
            raise UpstreamAway(f"{market} never traded")
        feed = self.feeds[market]
        feed.quoted(quotes[0])
        feed.offered(book)
        if not self._rests(market):
            # Nothing waits here, so nothing before this trade matters.
            feed.begin(from_ms=quotes[0].traded_ms + 1)
        elif feed.is_behind:
            # What was missed was before the new order and must not meet it.
            await self._catch_up(market)

    def _is_fresh(self, market: str) -> bool:
        feed = self.feeds[market]
        # By the wall clock: a machine that slept has heard nothing meanwhile.
        is_heard = self._now_ms() - self._stream.heard_ms < QUIET_MS
        has_price = feed.price(at_ms=self._now_ms()) is not None
        return feed.streamed and is_heard and has_price and not feed.is_behind

    def _rests(self, market: str) -> bool:
        return market in self._waiting()

    def _waiting(self) -> frozenset[str]:
        return (
            frozenset(self._engine.markets_waiting()) if self._engine else frozenset()
        )

    def _wanted(self) -> frozenset[str]:
        """Return the markets worth listening to."""
        now = time.monotonic()
        self._asked_at = {
            market: at
            for market, at in self._asked_at.items()
            if now - at < ASKED_SECONDS
        }
        wanted = (self._waiting() | self._asked_at.keys()) - self._unknown
        return frozenset(market for market in wanted if market in self.feeds)

    # --- beside the stream --------------------------------------------------------

    async def _follow(self) -> None:
        """Poll what no stream tells, and make up for what was missed."""
        while True:
            try:
                await self._look()
            except (UpstreamAway, UpbitProblem):
                pass  # said once by the reader; tried again with the next look
            except Exception:
                log.exception("following the upstream failed; it is tried again")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(POLL_SECONDS):
                    await self._nudged.wait()
            self._nudged.clear()

    async def _look(self) -> None:
        wanted = self._wanted()
        await self._poll(frozenset(m for m in wanted if not self.feeds[m].streamed))
        for market in sorted(wanted):
            if self.feeds[market].is_behind:
                await self._catch_up(market)
        if time.monotonic() - self._listed_at > LIST_SECONDS:
            await self._read_list()

    async def _read_list(self) -> None:
        names = await read_markets(self.rest)
        self.feeds.listed = frozenset(n for n in names if n.startswith(QUOTE_CURRENCY))
        self._unknown.clear()
        self._listed_at = time.monotonic()

    async def _poll(self, markets: frozenset[str]) -> None:
        if not markets:
            return
        try:
            quotes = await read_quotes(self.rest, markets=sorted(markets))
        except UnknownMarket:
            # One unknown name spoils the whole call: find out which.
            if len(markets) == 1:
                self._unknown |= markets
                return
            for market in sorted(markets):
                await self._poll(frozenset({market}))
            return
        for quote in quotes:
            if quote.market in markets:
                self.feeds[quote.market].quoted(quote)

    async def _catch_up(self, market: str) -> None:
        """Let orders meet the trades that nobody listened to."""
        feed = self.feeds[market]
        async with self._catching_up:
            # What is missed during the reading needs another reading.
            known = feed.losses if feed.streamed else feed.losses - 1
            deals: list[Deal] = []
            if (
                self._rests(market)
                and feed.is_behind
                and (feed.streamed or feed.has_news)
            ):
                deals = await read_missed(
                    self.rest,
                    market=market,
                    since_ms=feed.since_ms,
                    now_ms=self._now_ms(),
                )
            feed.made_up(deals, losses=known)


def _no_price() -> OrderRefused:
    return OrderRefused(
        "market_offline", "상위 거래소의 시세를 받을 수 없어 주문을 받지 않습니다."
    )
