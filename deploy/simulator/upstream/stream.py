"""Listening to the upstream's public WebSocket for the markets that matter.

What a second subscription on one connection does is not certain, so another set of
markets means another connection. The new one speaks before the old one is closed: the
markets on both lose nothing, and trades told twice count once.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final
from uuid import uuid4

import aiohttp

from deploy.simulator.rest.errors import UpbitProblem
from deploy.simulator.upstream.feed import UpstreamFeed
from deploy.simulator.upstream.reads import book_of, deal_of
from deploy.simulator.upstream.rest import UpstreamAway, UpstreamRest

PATH: Final = "/websocket/v1"
HEARTBEAT_SECONDS: Final = 10.0
FIRST_FRAME_SECONDS: Final = 3.0
LOOK_SECONDS: Final = 0.2
FIRST_PAUSE_SECONDS, LAST_PAUSE_SECONDS = 1.0, 15.0
STEADY_SECONDS: Final = 30.0
"""A connection that lived this long is not held against the next one."""
_BROKEN: Final = (KeyError, TypeError, ValueError, ArithmeticError)
log = logging.getLogger("simulator")


class _Link:
    """One connection and the markets it was asked for."""

    def __init__(
        self, *, codes: frozenset[str], socket: aiohttp.ClientWebSocketResponse
    ) -> None:
        self.codes = codes
        self.socket = socket
        self.since = time.monotonic()
        self.speaks = asyncio.Event()
        self.task: asyncio.Task[None] | None = None


class UpstreamStream:
    """Keeps one connection for the markets that are wanted."""

    def __init__(
        self,
        *,
        rest: UpstreamRest,
        feed: Callable[[str], UpstreamFeed],
        on_change: Callable[[], None],
        now_ms: Callable[[], int],
    ) -> None:
        self._rest, self._feed, self._on_change = rest, feed, on_change
        self._now_ms = now_ms
        self._links: list[_Link] = []
        self._pause = FIRST_PAUSE_SECONDS
        self._again_at = 0.0
        self.heard_ms = 0
        """When the last frame came."""

    async def keep(self, wanted: Callable[[], frozenset[str]]) -> None:
        """Listen to the wanted markets until cancelled."""
        try:
            while True:
                codes = wanted()
                if codes <= self._codes():
                    if not codes:
                        await self._drop(self._links)
                elif time.monotonic() >= self._again_at:
                    await self._renew(codes)
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            await self._drop(self._links)

    def _codes(self) -> frozenset[str]:
        return self._links[-1].codes if self._links else frozenset()

    async def _renew(self, codes: frozenset[str]) -> None:
        """Change over to a new connection; the old one stays if that fails."""
        try:
            link = await self._open(codes)
        except (UpstreamAway, UpbitProblem) as error:
            if self._pause == FIRST_PAUSE_SECONDS:  # said once, not all night
                log.info("no stream of the upstream (%s); its ticker is polled", error)
            self._rest_a_while()
            return
        old, self._links = self._links, [*self._links, link]
        for code in codes:
            self._feed(code).streamed = True
        await self._drop(old)
        self._on_change()

    def _rest_a_while(self) -> None:
        self._again_at = time.monotonic() + self._pause
        self._pause = min(self._pause * 2, LAST_PAUSE_SECONDS)

    async def _open(self, codes: frozenset[str]) -> _Link:
        """Return a connection that has said its first word."""
        socket = await self._rest.connect(PATH, heartbeat=HEARTBEAT_SECONDS)
        link = _Link(codes=codes, socket=socket)
        link.task = asyncio.create_task(self._read(link))
        try:
            async with asyncio.timeout(FIRST_FRAME_SECONDS):
                await socket.send_json(_subscription(codes))
                await link.speaks.wait()
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            await self._end(link)
            raise UpstreamAway("its stream says nothing") from error
        except BaseException:
            await self._end(link)
            raise
        if link.task.done():
            raise UpstreamAway("its stream ended at once")
        return link

    async def _read(self, link: _Link) -> None:
        """Pass frames on until the connection ends."""
        try:
            async for message in link.socket:
                if message.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY):
                    self._take(link, message.data)
        except (*_BROKEN, aiohttp.ClientError, OSError) as error:
            log.warning("the upstream's stream is given up: %r", error)
        finally:
            await link.socket.close()
            link.speaks.set()
            self._lose(link)

    def _take(self, link: _Link, data: str | bytes) -> None:
        frame = json.loads(data, parse_float=Decimal)
        self.heard_ms = self._now_ms()
        if not isinstance(frame, dict) or "error" in frame:
            raise ValueError(f"it said {frame!s:.200}")
        kind = frame.get("type")
        if frame.get("code") not in link.codes:
            return
        if kind == "orderbook":
            self._feed(frame["code"]).offered(book_of(frame))
        # A snapshot's trade is an old one: it may have been before an order.
        elif kind == "trade" and frame.get("stream_type") != "SNAPSHOT":
            self._feed(frame["code"]).traded([deal_of(frame)])
        link.speaks.set()

    def _lose(self, link: _Link) -> None:
        """Note which markets nobody listens to any more."""
        if link not in self._links:
            return
        self._links.remove(link)
        for code in link.codes - self._codes():
            self._feed(code).lost()
        if not self._links:
            if time.monotonic() - link.since > STEADY_SECONDS:
                self._pause = FIRST_PAUSE_SECONDS
            self._rest_a_while()
        self._on_change()

    async def _drop(self, links: list[_Link]) -> None:
        for link in list(links):
            await self._end(link)

    async def _end(self, link: _Link) -> None:
        if link.task is not None:
            link.task.cancel()
            await asyncio.wait([link.task])


def _subscription(codes: frozenset[str]) -> list[dict[str, Any]]:
    names = sorted(codes)
    return [
        {"ticket": str(uuid4())},
        {"type": "trade", "codes": names},
        {"type": "orderbook", "codes": names},
        {"format": "DEFAULT"},
    ]
