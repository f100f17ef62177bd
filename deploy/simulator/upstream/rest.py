"""Reading another Upbit's public market data over HTTP: no key, no order, ever."""

from __future__ import annotations

import asyncio
import json
import logging
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import aiohttp
from yarl import URL

from common.upbit import HOST_SUFFIX
from deploy.simulator.rest.errors import UpbitProblem
from deploy.simulator.upstream.pace import CONNECT, Pace

SHARED_SECONDS: Final = 0.3
"""Identical calls within this time share one answer."""
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
TIMEOUT: Final = aiohttp.ClientTimeout(total=10, sock_connect=3)
FAILURES: Final = (aiohttp.ClientError, TimeoutError, OSError)
_GROUPS: Final = {
    "market": "market",
    "ticker": "ticker",
    "candles": "candle",
    "orderbook": "orderbook",
    "trades": "trade",
}
log = logging.getLogger("simulator")


class UpstreamAway(Exception):
    """The upstream gave no usable answer; the message says why."""


class UnknownMarket(Exception):
    """The upstream lists no such market."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the upstream answered, byte for byte."""

    status: int
    body: bytes
    content_type: str
    remaining: str | None
    """Its `Remaining-Req`."""


class UpstreamRest:
    """One upstream exchange; open it inside the running loop."""

    def __init__(self, *, url: str, factor: float = 1.0) -> None:
        self.url = url
        self.away: str | None = None
        """Why the last call failed; None when it was answered."""
        self._pace = Pace(factor=factor)
        self._proxy = proxy_of(self.url)
        self._session: aiohttp.ClientSession | None = None
        self._running: dict[str, asyncio.Task[Answer]] = {}
        self._kept: dict[str, tuple[float, Answer]] = {}

    async def open(self) -> None:
        """Make the connection pool."""
        # No environment (a .netrc holds passwords), no cookies: nothing of ours goes out.
        self._session = aiohttp.ClientSession(
            timeout=TIMEOUT,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"User-Agent": "dantaro-simulator"},
        )

    async def close(self) -> None:
        """End what is under way and close the connections."""
        running = list(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    async def fetch(self, target: str, /, *, fresh: bool = False) -> Answer:
        """Return the answer to a GET of path and query, as it is.

        Identical calls share an answer unless a *fresh* one is wanted. Raises
        UpstreamAway, and UpbitProblem (429, 418) while it must not be asked.
        """
        if fresh:
            return await self._ask(target)
        until, answer = self._kept.get(target, (0.0, None))
        if answer is not None and time.monotonic() < until:
            return answer
        task = self._running.get(target)
        if task is None:
            task = asyncio.create_task(self._ask(target))
            self._running[target] = task
            task.add_done_callback(lambda done: self._ended(target, done))
        return await asyncio.shield(task)

    async def read(
        self, path: str, query: Mapping[str, str], /, *, fresh: bool = False
    ) -> Any:
        """Return an answer's JSON, its fractions as Decimal.

        Raises UpstreamAway, UnknownMarket and UpbitProblem.
        """
        answer = await self.fetch(str(URL(path).with_query(query)), fresh=fresh)
        if answer.status == 404:
            raise UnknownMarket(f"it knows none of {dict(query)}")
        if answer.status != 200:
            raise UpstreamAway(f"it answered {answer.status} to {path}")
        try:
            return json.loads(answer.body, parse_float=Decimal)
        except ValueError as error:
            raise UpstreamAway(f"it answered no JSON to {path}") from error

    async def connect(
        self, path: str, /, *, autoping: bool = True, heartbeat: float | None = None
    ) -> aiohttp.ClientWebSocketResponse:
        """Open a public WebSocket; raises UpstreamAway and UpbitProblem."""
        await self._pace.turn(group=CONNECT)
        try:
            return await self._open_session().ws_connect(
                self.url + path,
                proxy=self._proxy,
                autoping=autoping,
                heartbeat=heartbeat,
                timeout=aiohttp.ClientWSTimeout(ws_close=1.0),
                max_msg_size=0,
            )
        except aiohttp.WSServerHandshakeError as error:
            self._pace.heard(group=CONNECT, status=error.status, text="", left=None)
            raise UpstreamAway(f"it answered {error.status} to {path}") from error
        except FAILURES as error:
            raise UpstreamAway(_why(error)) from error

    async def _ask(self, target: str) -> Answer:
        group = _GROUPS.get(target.split("/")[2].split("?")[0], "market")
        await self._pace.turn(group=group)
        url = URL(self.url + target, encoded=True)
        try:
            async with self._open_session().get(
                url, proxy=self._proxy, allow_redirects=False
            ) as response:
                body = await response.read()
        except FAILURES as error:
            self._noted(_why(error))
            raise UpstreamAway(_why(error)) from error
        self._noted(None)
        remaining = response.headers.get("Remaining-Req")
        text = body[:1000].decode(errors="replace") if response.status == 418 else ""
        self._pace.heard(group=group, status=response.status, text=text, left=remaining)
        return Answer(
            status=response.status,
            body=body,
            content_type=response.headers.get("Content-Type", "application/json"),
            remaining=remaining,
        )

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the upstream is not open")
        return self._session

    def _ended(self, target: str, task: asyncio.Task[Answer]) -> None:
        del self._running[target]
        now = time.monotonic()
        self._kept = {key: one for key, one in self._kept.items() if one[0] > now}
        # Also marks a failure as seen when everybody who waited for it has gone.
        if not task.cancelled() and task.exception() is None:
            answer = task.result()
            if answer.status == 200:
                self._kept[target] = (now + SHARED_SECONDS, answer)

    def _noted(self, away: str | None) -> None:
        """Say once when the upstream goes and once when it is back."""
        if away is not None and self.away is None:
            log.warning(
                "%s does not answer (%s); no prices until it does", self.url, away
            )
        if away is None and self.away is not None:
            log.info("%s answers again", self.url)
        self.away = away


def away_problem(why: str, /) -> UpbitProblem:
    """Return quotation's answer while there is nothing to pass on."""
    text = f"The upstream exchange does not answer ({why})."
    return UpbitProblem(status=503, name=503, message=text)


def upstream_url(text: str, /) -> str:
    """Return an upstream's address; ValueError with the reason if it cannot be one.

    Only https, or a simulator on this machine: prices must not be forged on the way.
    """
    try:
        url = URL(text)
    except ValueError:
        url = URL()
    is_plain = not url.user and not url.query_string and url.path in ("", "/")
    is_local = url.scheme == "http" and url.host in LOOPBACK and url.explicit_port
    if not is_plain or not url.host or not (url.scheme == "https" or is_local):
        raise ValueError(
            f"{text} is not an exchange's address; write https://api.upbit.com or"
            " http://127.0.0.1:PORT of another simulator"
        )
    return str(url.origin())


def is_real_upbit(*, url: str) -> bool:
    """Tell whether an address is one of Upbit's own."""
    host = URL(url).host or ""
    return host == HOST_SUFFIX or host.endswith(f".{HOST_SUFFIX}")


def _why(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "timed out"
    if isinstance(error, aiohttp.ClientConnectorError):
        return error.os_error.strerror or str(error.os_error)
    return str(error) or type(error).__name__


def proxy_of(url: str, /) -> str | None:
    """Return the proxy that the environment names for an address, if any."""
    parts = URL(url)
    host = parts.host or ""
    if host in LOOPBACK or urllib.request.proxy_bypass(host):
        return None
    return urllib.request.getproxies().get(parts.scheme)
