"""The wire under pyupbit: its HTTP module swapped for one with manners.

pyupbit 0.2.34 fixes the host, sets no timeout, swallows every error into None and reads
numbers as floats. Its single HTTP seam (``pyupbit.request_api.requests``) is replaced by an
object that sends each call through the `Quotation` in use: own base URL, timeout, pace,
retries, exact numbers, and errors that are raised again after pyupbit hid them.

What the exchange says about speed is obeyed by all processes: 429 holds the group for a
second, 418 stops every call until the block ends.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from decimal import Decimal
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import pandas as pd
import pyupbit
import requests
import stamina
from pyupbit import request_api
from requests.adapters import HTTPAdapter

from central_project.market.limiter import CallLimiter, CallsBlocked
from central_project.market.source_errors import (
    ClockOff,
    SourceBlocked,
    SourceError,
    SourceUnavailable,
    UnknownMarket,
)

log = logging.getLogger(__name__)

TIMEOUT: Final = (3.0, 10.0)
ATTEMPTS: Final = 3
CLOCK_NOTICE_SECONDS: Final = 5.0
CLOCK_LIMIT_SECONDS: Final = 60.0
"""Beyond it a forming candle would pass for a closed one."""
_DURATION: Final = re.compile(r"(\d+)\s*(?:초|s\b|sec)")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Usage:
    """Calls of this process so far, and what its last answer said about the time."""

    calls: int = 0
    refused: int = 0
    """Answered with 429 or 418."""
    clock_ahead: float = 0.0
    """Seconds by which this machine's clock is ahead of the exchange's."""


class Answer:
    """What pyupbit needs of a response: numbers are exact, the pace header readable."""

    def __init__(self, body: Any, status_code: int, url: str) -> None:
        """Wrap a parsed 2xx body."""
        self._body = body
        self.status_code = status_code
        self.url = url
        self.ok = True
        # pyupbit fails on a missing or dotted group name, after the call succeeded.
        self.headers = {"Remaining-Req": "group=quotation; min=0; sec=0"}

    def json(self) -> Any:
        """Return the body with Decimal for every number that has a fraction."""
        return self._body


class Quotation:
    """Upbit's public REST interface at one base URL."""

    def __init__(
        self,
        *,
        base_url: str,
        limiter: CallLimiter,
        session: requests.Session | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Talk to *base_url* (scheme and host) at the pace of *limiter*."""
        self._base_url = base_url.rstrip("/")
        self._limiter = limiter
        self._session = session or _session()
        self._clock = clock
        self._lock = threading.Lock()
        self._usage = Usage()

    @property
    def usage(self) -> Usage:
        """Return what was asked so far."""
        return self._usage

    def get(self, path: str, /, **params: Any) -> Any:
        """GET ``/v1/<path>`` and return its body; raise SourceError."""
        attempts = stamina.retry_context(
            on=SourceUnavailable,
            attempts=ATTEMPTS,
            timeout=30,
            wait_initial=0.3,
            wait_max=3.0,
        )
        for attempt in attempts:
            with attempt:
                return self._get_once(path, params)
        raise AssertionError("retry_context ends by returning or raising")

    def read(self, reader: Callable[..., T], /, **arguments: Any) -> T | None:
        """Call a pyupbit reader on this wire; None is an empty answer, errors raise."""
        wire = _WireInUse(self)
        token = _in_use.set(wire)
        try:
            result = reader(**arguments)
        finally:
            _in_use.reset(token)
        if wire.error is not None:
            raise wire.error
        if result is None and wire.body != []:
            raise SourceError(f"pyupbit could not read {str(wire.body)[:200]}")
        return result

    def _get_once(self, path: str, params: Mapping[str, Any], /) -> Any:
        url, group = f"{self._base_url}/v1/{path}", _group_of(path)
        try:
            with self._limiter.turn(group=group):
                response = self._session.get(
                    url, params=params, timeout=TIMEOUT, allow_redirects=False
                )
        except CallsBlocked as blocked:
            raise SourceBlocked(
                f"the exchange blocked this address for another {blocked.seconds:.0f} s;"
                " nothing is asked until then. Look for another program that asks the"
                " exchange from this address"
            ) from blocked
        except requests.RequestException as error:
            self._count()
            raise SourceUnavailable(f"{url}: {type(error).__name__}") from error
        self._count(refused=response.status_code in (418, 429))
        self._obey(response, group)
        self._check_clock(response)
        return _body_of(response)

    def _count(self, *, refused: bool = False) -> None:
        with self._lock:
            old = self._usage
            self._usage = Usage(old.calls + 1, old.refused + refused, old.clock_ahead)

    def _obey(self, response: requests.Response, group: str, /) -> None:
        """Brake for all processes when the exchange says that we are too fast."""
        if response.status_code == 429:
            log.error("market.exchange.refused: too many requests (429), %s", group)
            self._limiter.hold(group=group)
        elif response.status_code == 418:
            self._limiter.block(seconds=_block_seconds(response))

    def _check_clock(self, response: requests.Response, /) -> None:
        """Compare the clocks; raise ClockOff when they differ by more than a minute."""
        try:
            theirs = parsedate_to_datetime(response.headers["Date"]).timestamp()
        except (KeyError, ValueError):
            return  # an exchange that does not say its time cannot be compared
        ahead = self._clock() - theirs
        with self._lock:
            old = self._usage
            self._usage = Usage(old.calls, old.refused, round(ahead, 1))
        if abs(ahead) > CLOCK_LIMIT_SECONDS:
            raise ClockOff(
                f"this machine's clock is {abs(ahead):.0f} s"
                f" {'ahead of' if ahead > 0 else 'behind'} the exchange's, so closed"
                " candles cannot be told from forming ones. Set the clock (for example"
                " `timedatectl set-ntp true`); the next run goes on by itself"
            )
        if abs(ahead) > CLOCK_NOTICE_SECONDS >= abs(old.clock_ahead):
            log.warning("market.clock.off: %.1f s ahead of the exchange", ahead)


class _WireInUse:
    """Carries one call of a pyupbit reader and remembers what the reader will hide."""

    def __init__(self, quotation: Quotation) -> None:
        self._quotation = quotation
        self.error: Exception | None = None
        self.body: Any = None

    def get(self, url: str, params: Mapping[str, Any]) -> Answer:
        try:
            path = urlsplit(url).path.removeprefix("/v1/")
            self.body = _asked_for(params, self._quotation.get(path, **params))
        except Exception as error:
            self.error = error
            raise
        return Answer(self.body, 200, url)


class _Requests:
    """Stands where pyupbit expects the requests module."""

    def get(self, url: str, *, params: Mapping[str, Any]) -> Answer:
        wire = _in_use.get()
        if wire is None:
            raise RuntimeError("pyupbit may only be called through Quotation.read")
        return wire.get(url, params)


_in_use: ContextVar[_WireInUse | None] = ContextVar("wire_in_use", default=None)
request_api.requests = _Requests()


def read_candles(
    quotation: Quotation, /, *, market: str, unit: int, count: int, to: str
) -> pd.DataFrame:
    """Read up to 200 candles before *to* (UTC text), oldest first, exact numbers."""
    frame = quotation.read(
        pyupbit.get_ohlcv,
        ticker=market,
        interval=f"minute{unit}",
        count=count,
        to=to,
        period=0,
    )
    return pd.DataFrame() if frame is None else frame


def _asked_for(params: Mapping[str, Any], body: Any, /) -> Any:
    """Return the body without rows of other markets: pyupbit looks at no row's market."""
    wanted = params.get("market")
    if wanted is None or not isinstance(body, list):
        return body
    return [
        row
        for row in body
        if not isinstance(row, dict) or row.get("market", wanted) == wanted
    ]


def _body_of(response: requests.Response, /) -> Any:
    status, url = response.status_code, response.url
    if status in (403, 409, 418, 429) or status >= 500:
        # After 418 the next try waits for the block's end or gives up, asking nothing.
        raise SourceUnavailable(f"{url}: status {status}: {response.text[:200]}")
    if status == 404:
        raise UnknownMarket(f"{url}: {response.text[:200]}")
    if status != 200:
        raise SourceError(f"{url}: status {status}: {response.text[:200]}")
    try:
        return json.loads(response.content, parse_float=Decimal)
    except ValueError as error:
        raise SourceUnavailable(f"{url}: the answer is not JSON") from error


def _block_seconds(response: requests.Response, /) -> float | None:
    """Return how long the exchange says a block lasts; its form is not documented."""
    header = response.headers.get("Retry-After", "")
    if header.isdecimal():
        return float(header)
    said = _DURATION.search(response.text)
    return float(said[1]) if said else None


def _group_of(path: str, /) -> str:
    return {"candles": "candle"}.get(head := path.split("/", 1)[0], head)


def _session() -> requests.Session:
    session = requests.Session()
    adapter = HTTPAdapter(pool_connections=2, pool_maxsize=8, max_retries=0)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    session.headers["Accept"] = "application/json"
    return session
