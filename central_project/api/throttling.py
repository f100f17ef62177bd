"""How often somebody may ask: per key over all endpoints, per address for bad keys."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final

from django.conf import settings
from django.core.cache import caches
from django.http import HttpRequest
from django.utils import timezone
from django_ratelimit import ALL
from django_ratelimit.core import (
    EXPIRATION_FUDGE,
    _get_window,
    _make_cache_key,
    get_usage,
)
from rest_framework.exceptions import Throttled
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle
from throttled import MemoryStore, RateLimiterType
from throttled import Throttled as LocalLimit
from throttled.rate_limiter import per_duration

from central_project.api.models import DEFAULT_RATE, ApiKey
from central_project.api.shared_state import SharedCounter, note_call

log = logging.getLogger(__name__)

GUESS_RATE: Final = "30/60s"
"""Failed keys per address; a working reader never fails that often."""
COUNTED: Final = "central.usage"
"""Where in the WSGI environment the fast lane leaves the count it has made."""
API: Final = "api"
"""The group of the limit that all endpoints share."""
_ALARM_EVERY: Final = 60.0


@dataclass(frozen=True)
class Usage:
    """What is left of a limit."""

    limit: int
    window: int
    remaining: int
    reset_seconds: int
    exceeded: bool
    is_shared: bool = True
    """Counted over all processes; not so without Redis."""

    @staticmethod
    def of(counted: int, limit: int, window: int, /, *, time_left: int) -> Usage:
        """Return what is left after *counted* requests."""
        return Usage(
            limit=limit,
            window=window,
            remaining=max(0, limit - counted),
            reset_seconds=max(1, time_left),
            exceeded=counted > limit,
        )

    def headers(self) -> dict[str, str]:
        """Return the draft's two fields and the older names many clients know."""
        return {
            "RateLimit-Policy": f'"default";q={self.limit};w={self.window}',
            "RateLimit": f'"default";r={self.remaining};t={self.reset_seconds}',
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset_seconds),
        }


class KeyThrottle(BaseThrottle):
    """One count per key (or operator) for all endpoints together."""

    usage: Usage | None = None

    def allow_request(self, request: Request, view: Any) -> bool:
        """Count this request, once, and tell whether it is still within the limit."""
        made = request._request.META.get(COUNTED)
        self.usage = made if isinstance(made, Usage) else self._count(request)
        # The view's last words put it into the answer's headers.
        request._request.rate_usage = self.usage  # type: ignore[attr-defined]
        return not self.usage.exceeded

    def _count(self, request: Request, /) -> Usage:
        key = request.auth
        if not isinstance(key, ApiKey):
            return count(request, API, f"user:{request.user.pk}", DEFAULT_RATE)
        usage = count(request, API, holder(key), key.rate)
        if usage.is_shared:  # else Redis is away: do not wait for it again
            note_call(key.pk, refused=usage.exceeded, now=timezone.now())
        return usage

    def wait(self) -> float | None:
        """Return the seconds until the next window."""
        return self.usage.reset_seconds if self.usage else None


def refuse_guessing(request: Request, /) -> None:
    """Count a failed key for its address; raise Throttled beyond the limit."""
    usage = count(request, "bad-key", client_ip(request._request), GUESS_RATE)
    if usage.exceeded:
        raise Throttled(
            wait=usage.reset_seconds,
            detail="Too many requests with a wrong API key from this address.",
        )


def count(request: Request, group: str, value: str, rate: str, /) -> Usage:
    """Add one to the shared counter; without Redis this process counts alone."""
    limit, window = split_rate(rate)
    usage = get_usage(
        request._request,
        group=group,
        key=lambda *_: value,
        rate=(limit, window),
        increment=True,
    )
    if usage is None:
        _alarm()
        return _count_alone(group, value, limit, window)
    return Usage.of(usage["count"], limit, window, time_left=usage["time_left"])


def shared_counter(group: str, value: str, rate: str, /) -> SharedCounter:
    """Return where `count` counts now, in django-ratelimit 4.1.0 (a test compares)."""
    limit, window = split_rate(rate)
    ends = _get_window(value, window)
    name = _make_cache_key(group, ends, (limit, window), value, ALL)
    return SharedCounter(
        place=str(caches[settings.RATELIMIT_USE_CACHE].make_key(name)),
        seconds=window + EXPIRATION_FUDGE,
        limit=limit,
        window=window,
        ends=ends,
    )


def usage_after(counted: int, counter: SharedCounter, /) -> Usage:
    """Return what is left of the limit after *counted* requests."""
    time_left = counter.ends - int(time.time())
    return Usage.of(counted, counter.limit, counter.window, time_left=time_left)


def holder(key: ApiKey, /) -> str:
    """Return under which name a key's requests are counted."""
    return f"key:{key.pk}"


def split_rate(rate: str, /) -> tuple[int, int]:
    """Return requests and seconds of a rate like 100/60s."""
    limit, _, window = rate.rstrip("s").partition("/")
    return int(limit), int(window)


def client_ip(request: HttpRequest, /) -> str:
    """Return the address that the outermost trusted proxy saw; headers alone prove nothing."""
    direct = str(request.META.get("REMOTE_ADDR") or "0.0.0.0")  # noqa: S104  (a label)
    hops = request.headers.get("X-Forwarded-For", "").split(",")
    trusted: int = settings.TRUSTED_PROXIES
    if trusted and len(hops) >= trusted and hops[-trusted].strip():
        return hops[-trusted].strip()
    return direct


def _count_alone(group: str, value: str, limit: int, window: int, /) -> Usage:
    result = _local_limit(limit, window).limit(f"{group}:{value}")
    return Usage(
        limit=limit,
        window=window,
        remaining=result.state.remaining,
        reset_seconds=max(
            1, round(result.state.retry_after or result.state.reset_after)
        ),
        exceeded=result.limited,
        is_shared=False,
    )


@lru_cache(maxsize=64)
def _local_limit(limit: int, window: int, /) -> LocalLimit:
    return LocalLimit(
        using=RateLimiterType.FIXED_WINDOW.value,
        quota=per_duration(timedelta(seconds=window), limit),
        store=MemoryStore(),
    )


class _Alarm:
    """One line a minute at most, from all threads together."""

    lock = threading.Lock()
    sounded_at = float("-inf")


def _alarm() -> None:
    now = time.monotonic()
    with _Alarm.lock:
        if now - _Alarm.sounded_at < _ALARM_EVERY:
            return
        _Alarm.sounded_at = now
    log.error("redis is away: each web process limits its own requests")
