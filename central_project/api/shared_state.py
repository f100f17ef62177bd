"""What all web processes share in Redis: key changes, the run that is served, calls.

The fast lane works with copies. One script decides atomically: if the copies are still
those of everybody, count the request, else say what is shared now and count nothing.
Redis Cluster would scatter the script's keys; Sentinel or a managed Redis keeps them
together.
"""

from __future__ import annotations

import logging
import secrets
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple

from django.core.cache import caches
from django.utils import timezone
from django_redis import get_redis_connection
from redis import RedisError

log = logging.getLogger(__name__)

ALIAS: Final = "ratelimit"
"""All of it lies beside the counters, so that one script reaches it."""
STANDING_SECONDS: Final = 1
"""How long the lane may believe in a standing before the database is asked again."""
DAYS: Final = 7
_KEYS_SECONDS: Final = 3600
_CALLS_SECONDS: Final = (DAYS + 1) * 86_400
_REFUSED: Final = ":refused"
_SCRIPT: Final = """
local seen = redis.call('MGET', KEYS[1], KEYS[2])
if seen[1] ~= ARGV[1] or seen[2] ~= ARGV[2] then return seen end
-- As django-ratelimit counts: add, or increment what is there.
local count = 1
if not redis.call('SET', KEYS[3], 1, 'NX', 'EX', ARGV[3]) then
  count = redis.call('INCR', KEYS[3])
end
if redis.call('HINCRBY', KEYS[4], ARGV[5], 1) == 1 then
  redis.call('EXPIRE', KEYS[4], ARGV[6])
end
if count > tonumber(ARGV[4]) then
  redis.call('HINCRBY', KEYS[4], ARGV[5] .. ARGV[7], 1)
end
return count
"""


class Shared(NamedTuple):
    """Two marks; whoever holds copies made under other marks must not use them."""

    keys: bytes
    """Changes with every change of any API key."""
    standing: bytes
    """The packed standing of what is published."""


class SharedCounter(NamedTuple):
    """One counter of the limit during one window."""

    place: str
    seconds: int
    """How long Redis must keep it."""
    limit: int
    window: int
    ends: int
    """Unix time; its last second is within."""


@dataclass(frozen=True, slots=True)
class KeyCalls:
    """How often a key asked; days begin at midnight in the server's time zone."""

    today: int
    refused_today: int
    week: int
    """The last 7 days with today."""
    refused_week: int


def look() -> tuple[bytes | None, bytes | None]:
    """Return both marks as they are now; None for what nobody has set."""
    keys, standing = _redis().mget(_place("keys"), _place("standing"))
    return keys, standing


def confirm_and_count(
    shared: Shared, counter: SharedCounter, /, *, key: int, now: datetime
) -> int | tuple[bytes | None, bytes | None]:
    """Count a call of *key* if *shared* still holds; return the count, else both marks.

    Raises redis.RedisError.
    """
    places = (_place("keys"), _place("standing"), counter.place, _calls_of(now))
    limits = (counter.seconds, counter.limit)
    arguments = (*shared, *limits, key, _CALLS_SECONDS, _REFUSED)
    answer = _redis().eval(_SCRIPT, len(places), *places, *arguments)
    return answer if isinstance(answer, int) else (answer[0], answer[1])


def keys_changed() -> None:
    """Make every process look its copies of API keys up again."""
    try:
        _redis().set(_place("keys"), secrets.token_bytes(12), ex=_KEYS_SECONDS)
    except RedisError:
        log.error(
            "api.keys.not_announced: an API key was changed while redis was away;"
            " web processes that still reach it may honour the old one for a minute"
        )


def mark_keys() -> bytes:
    """Return the mark of the keys, set now if nobody has."""
    place, mark = _place("keys"), secrets.token_bytes(12)
    is_ours = _redis().set(place, mark, nx=True, ex=_KEYS_SECONDS)
    return bytes(mark if is_ours else _redis().get(place) or mark)


def announce(standing: bytes, /, *, replace: bool) -> None:
    """Tell all processes what is served; without *replace* only if nobody did lately."""
    place = _place("standing")
    _redis().set(place, standing, nx=not replace, ex=STANDING_SECONDS)


def note_call(key: int, /, *, refused: bool, now: datetime) -> None:
    """Count a request that did not come by the fast lane; Redis away loses it."""
    place = _calls_of(now)
    try:
        with _redis().pipeline(transaction=False) as pipe:
            pipe.hincrby(place, str(key), 1)
            if refused:
                pipe.hincrby(place, f"{key}{_REFUSED}", 1)
            pipe.expire(place, _CALLS_SECONDS)
            pipe.execute()
    except RedisError:
        return  # an operator's figure; the limit itself has raised the alarm


def usage_by_key(*, now: datetime) -> dict[int, KeyCalls] | None:
    """Return the calls of every key that asked in the last 7 days; None without Redis."""
    try:
        with _redis().pipeline(transaction=False) as pipe:
            for age in range(DAYS):
                pipe.hgetall(_calls_of(now - timedelta(days=age)))
            days = pipe.execute()
    except RedisError:
        return None
    today, week = Counter[str](), Counter[str]()
    for age, calls in enumerate(days):
        counts = {field.decode(): int(value) for field, value in calls.items()}
        week.update(counts)
        today.update(counts if age == 0 else {})
    return {
        int(key): KeyCalls(
            today[key], today[f"{key}{_REFUSED}"], week[key], week[f"{key}{_REFUSED}"]
        )
        for key in week
        if key.isdigit()
    }


def _redis() -> Any:
    # The stubs cannot tell the synchronous client's answers from the other one's.
    return get_redis_connection(ALIAS)


@lru_cache(maxsize=64)
def _place(name: str, /) -> str:
    return str(caches[ALIAS].make_key(name))


def _calls_of(now: datetime, /) -> str:
    return _calls_at(int(now.timestamp()) // 60)


@lru_cache(maxsize=2 * DAYS)
def _calls_at(minute: int, /) -> str:
    moment = datetime.fromtimestamp(60 * minute, tz=UTC)
    return _place(f"calls:{timezone.localdate(moment):%Y%m%d}")
