"""The wire under pyupbit: its HTTP module swapped for one with manners.

pyupbit 0.2.34 fixes the host, sets no timeout, swallows every error into None and reads
numbers as floats. Its single HTTP seam (``pyupbit.request_api.requests``) is replaced by an
object that sends each call through the `Quotation` in use: own base URL, timeout, pace,
retries, exact numbers, and errors that are raised again after pyupbit hid them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from decimal import Decimal
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import pandas as pd
import pyupbit
import requests
import stamina
from pyupbit import request_api
from requests.adapters import HTTPAdapter

from central_project.market.limiter import CallLimiter

TIMEOUT: Final = (3.0, 10.0)
ATTEMPTS: Final = 3
T = TypeVar("T")


class SourceError(Exception):
    """The exchange's quotation gave no usable answer."""


class SourceUnavailable(SourceError):
    """The exchange cannot be reached, is in maintenance or tells us to slow down."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        """Keep how long the exchange asks us to wait (seconds), if it does."""
        super().__init__(message)
        self.retry_after = retry_after


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
    ) -> None:
        """Talk to *base_url* (scheme and host) at the pace of *limiter*."""
        self._base_url = base_url.rstrip("/")
        self._limiter = limiter
        self._session = session or _session()

    def get(self, path: str, /, **params: Any) -> Any:
        """GET ``/v1/<path>`` and return its body; raise SourceError."""
        attempts = stamina.retry_context(
            on=_wait_or_retry,
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
        self._limiter.wait(group=_group_of(path))
        url = f"{self._base_url}/v1/{path}"
        try:
            response = self._session.get(
                url, params=params, timeout=TIMEOUT, allow_redirects=False
            )
        except requests.RequestException as error:
            raise SourceUnavailable(f"{url}: {type(error).__name__}") from error
        return _body_of(response)


class _WireInUse:
    """Carries one call of a pyupbit reader and remembers what the reader will hide."""

    def __init__(self, quotation: Quotation) -> None:
        self._quotation = quotation
        self.error: Exception | None = None
        self.body: Any = None

    def get(self, url: str, params: Mapping[str, Any]) -> Answer:
        try:
            path = urlsplit(url).path.removeprefix("/v1/")
            self.body = self._quotation.get(path, **params)
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


def _wait_or_retry(error: Exception) -> bool | float:
    if not isinstance(error, SourceUnavailable):
        return False
    return True if error.retry_after is None else error.retry_after


def _body_of(response: requests.Response, /) -> Any:
    status, url = response.status_code, response.url
    if status == 429:
        raise SourceUnavailable(f"{url}: too many requests (429)", retry_after=1.0)
    if status >= 500 or status in (403, 409):
        raise SourceUnavailable(f"{url}: status {status}")
    if status != 200:
        # 418 is a block that grows with every further call, so it is never retried.
        raise SourceError(f"{url}: status {status}: {response.text[:200]}")
    try:
        return json.loads(response.content, parse_float=Decimal)
    except ValueError as error:
        raise SourceUnavailable(f"{url}: the answer is not JSON") from error


def _group_of(path: str, /) -> str:
    return {"candles": "candle"}.get(head := path.split("/", 1)[0], head)


def _session() -> requests.Session:
    session = requests.Session()
    adapter = HTTPAdapter(pool_connections=2, pool_maxsize=8, max_retries=0)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    session.headers["Accept"] = "application/json"
    return session
