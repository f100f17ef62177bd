"""The one place that talks to Upbit: signed through upbit-sdk, paced, never retried.

The SDK repeats any call, order POSTs included, unless told not to; here it is told, and
redirects are refused for the same reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final, Protocol, TypeVar

import httpx
import stamina
from upbit import Upbit

from user_project.exchanges import upbit_errors
from user_project.exchanges.adapter import KeyRefused, Unavailable
from user_project.exchanges.limiter import SOFT_CAPS, RateLimiter
from user_project.exchanges.upbit_errors import Call

TIMEOUT: Final = httpx.Timeout(10, connect=3)
READ_ATTEMPTS: Final = 2
READ_PAUSE: Final = timedelta(milliseconds=200)
_LEFT: Final = re.compile(r"\bsec=(\d+)")

T = TypeVar("T")


class RawAnswer(Protocol):
    """What the SDK's ``with_raw_response`` returns."""

    @property
    def headers(self) -> httpx.Headers: ...

    def parse(self) -> Any: ...


def open_client(
    *,
    base_url: str,
    access_key: str,
    secret_key: str,
    transport: httpx.BaseTransport | None = None,
) -> Upbit:
    """Build the SDK client; every client of this server comes from here."""
    return Upbit(
        access_key=access_key,
        secret_key=secret_key,
        base_url=base_url,
        max_retries=0,
        timeout=TIMEOUT,
        http_client=httpx.Client(
            base_url=base_url,
            timeout=TIMEOUT,
            follow_redirects=False,
            transport=transport,
        ),
    )


class UpbitWire:
    """Sends one call at a time through the limiter and names its failure."""

    def __init__(self, *, client: Upbit, limiter: RateLimiter) -> None:
        self.client = client
        self.limiter = limiter
        self.clock_offset = timedelta(0)
        self._has_keys = bool(client.access_key and client.secret_key)

    def send(
        self,
        request: Callable[[], RawAnswer],
        read: Callable[[Any], T],
        /,
        *,
        group: str,
        call: Call,
    ) -> T:
        """Send exactly one request and read its answer; raise what its failure means."""
        if group in SOFT_CAPS:
            self.need_keys()
        with self.limiter.turn(group=group) as turn:
            try:
                answer = request()
                turn.left = _left(answer.headers)
                self._compare_clocks(answer.headers)
                return read(answer.parse())
            except Exception as error:
                # Whatever went wrong below, known or not: the caller must learn what it
                # leaves open, and after an order that is everything not surely refused.
                self._slow_down(error, group)
                raise upbit_errors.classify(error, call=call) from error

    def read(
        self,
        request: Callable[[], RawAnswer],
        read: Callable[[Any], T],
        /,
        *,
        group: str = "default",
        call: Call = Call.READ,
    ) -> T:
        """Send a call that changes nothing, once more if no answer arrived."""
        for attempt in stamina.retry_context(
            on=Unavailable, attempts=READ_ATTEMPTS, wait_initial=READ_PAUSE
        ):
            with attempt:
                return self.send(request, read, group=group, call=call)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def close(self) -> None:
        """Close the connections to the exchange."""
        self.client.close()

    def need_keys(self) -> None:
        """Raise KeyRefused unless there are keys to sign with."""
        if not self._has_keys:
            raise KeyRefused("this call needs an API key", name="no_keys")

    def _compare_clocks(self, headers: httpx.Headers) -> None:
        told = headers.get("date", "")
        with suppress(ValueError):
            self.clock_offset = parsedate_to_datetime(told) - datetime.now(UTC)

    def _slow_down(self, error: Exception, group: str) -> None:
        if upbit_errors.is_penalty(error):
            seconds = upbit_errors.stated_seconds(error)
            self.limiter.penalise(group=group, seconds=seconds)
        elif upbit_errors.is_too_fast(error):
            self.limiter.hold(group=group, seconds=1)


def _left(headers: httpx.Headers) -> int | None:
    """Return how many calls of this second the exchange still allows, if it says so."""
    found = _LEFT.search(headers.get("remaining-req", ""))
    return int(found[1]) if found else None
