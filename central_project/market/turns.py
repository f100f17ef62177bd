"""Turns of calls: when the next of a group may leave, and how many can be on their way.

An exchange counts a call when it arrives, somewhere between its departure and its answer.
A turn therefore holds one of as many slots as the exchange allows, from before the call
leaves until a second after its end: more calls cannot arrive in any second.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from common.upbit import LIMITS_PER_SECOND

CALLS_PER_SECOND: Final = 9
"""One below Upbit's limit for each group of quotation calls."""
SLOTS: Final = LIMITS_PER_SECOND["candle"]
STRIKES_SECONDS: Final = 3600
LOST_SECONDS: Final = 20
"""A slot comes back by itself when its process died; no call takes that long."""
PREFIX: Final = "dc-calls:"
EVERYTHING: Final = "all"
"""The name of the block that stops every group."""

# Times are microseconds of Redis' clock. Half an interval of lateness may be made up for,
# or every slow wake-up would make the whole run longer.
_TAKE: Final = """
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local held = math.max(redis.call('PTTL', KEYS[3]), redis.call('PTTL', KEYS[4]))
if held > 0 then return {held * 1000, 0} end
local calls, interval, second = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= calls then
  local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
  return {0, math.ceil(math.max(1000, math.min(first[2] - now, second)))}
end
local due = tonumber(redis.call('GET', KEYS[2]) or '0')
if due - interval / 2 > now then return {0, math.ceil(due - interval / 2 - now)} end
local following = math.max(now, due) + interval
redis.call('SET', KEYS[2], string.format('%.0f', following),
  'PX', math.ceil(interval / 1000) + 1000)
redis.call('ZADD', KEYS[1], string.format('%.0f', now + second + ARGV[4]), ARGV[5])
redis.call('PEXPIRE', KEYS[1], math.ceil((second + ARGV[4]) / 1000))
return {0, 0}
"""
_GIVE_BACK: Final = """
local t = redis.call('TIME')
local free = t[1] * 1000000 + t[2] + ARGV[1]
redis.call('ZADD', KEYS[1], 'XX', string.format('%.0f', free), ARGV[2])
"""
_BLOCK: Final = """
local wanted = tonumber(ARGV[1])
if wanted > math.max(0, redis.call('PTTL', KEYS[1])) then
  redis.call('SET', KEYS[1], '1', 'PX', wanted)
end
return redis.call('PTTL', KEYS[1])
"""


class Wait(NamedTuple):
    """Seconds until the brake is off, and until a call may leave; (0, 0) = leave now."""

    blocked: float
    pause: float


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast calls of one group may leave."""

    slots: int
    interval: float
    """Seconds between two calls."""
    second: float = 1.0
    """How long after its end a call still counts; longer where less than 1/s is allowed."""

    @classmethod
    def of(cls, factor: float, /) -> Pace:
        """Return Upbit's pace times *factor*."""
        allowed = SLOTS * factor
        return cls(
            max(1, int(allowed)), 1 / (CALLS_PER_SECOND * factor), max(1, 1 / allowed)
        )


class SharedTurns:
    """Counted in Redis, by its clock, for all processes."""

    def __init__(self, redis_url: str) -> None:
        self._client = redis.Redis.from_url(
            redis_url,
            retry=Retry(NoBackoff(), 0),
            socket_connect_timeout=0.3,
            socket_timeout=0.5,
        )
        self._take = self._client.register_script(_TAKE)
        self._give_back = self._client.register_script(_GIVE_BACK)
        self._block = self._client.register_script(_BLOCK)

    def take(self, group: str, pace: Pace, caller: str, /) -> Wait:
        blocked, pause = self._take(
            keys=[
                *(_key("slots", group), _key("due", group)),
                *(_key("block", group), _key("block", EVERYTHING)),
            ],
            args=[
                *(pace.slots, _micro(pace.interval), _micro(pace.second)),
                *(_micro(LOST_SECONDS), caller),
            ],
        )
        return Wait(int(blocked) / 1e6, int(pause) / 1e6)

    def give_back(self, group: str, pace: Pace, caller: str, /) -> None:
        self._give_back(keys=[_key("slots", group)], args=[_micro(pace.second), caller])

    def block(self, name: str, seconds: float, /) -> float:
        answer = self._block(keys=[_key("block", name)], args=[round(seconds * 1000)])
        return max(0, int(answer)) / 1000

    def strike(self) -> int:
        pipe = self._client.pipeline()
        pipe.incr(PREFIX + "strikes")
        pipe.expire(PREFIX + "strikes", STRIKES_SECONDS)
        return int(pipe.execute()[0])


class OwnTurns:
    """Counted in this process alone, by the same rule."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._free_at: dict[str, dict[str, float]] = defaultdict(dict)
        self._due: dict[str, float] = defaultdict(float)
        self._until: dict[str, float] = defaultdict(float)
        self._lock = threading.Lock()

    def blocked(self, group: str, /) -> float:
        return max(
            0.0, max(self._until[group], self._until[EVERYTHING]) - self._clock()
        )

    def take(self, group: str, pace: Pace, caller: str, /) -> Wait:
        with self._lock:
            now = self._clock()
            slots = {c: at for c, at in self._free_at[group].items() if at > now}
            self._free_at[group] = slots
            if len(slots) >= pace.slots:
                return Wait(0, min(min(slots.values()) - now, pace.second))
            early = self._due[group] - pace.interval / 2 - now
            if early > 0:
                return Wait(0, early)
            self._due[group] = max(now, self._due[group]) + pace.interval
            slots[caller] = now + pace.second + LOST_SECONDS
            return Wait(0, 0)

    def give_back(self, group: str, pace: Pace, caller: str, /) -> None:
        with self._lock:
            if caller in self._free_at[group]:
                self._free_at[group][caller] = self._clock() + pace.second

    def block(self, name: str, seconds: float, /) -> float:
        with self._lock:
            now = self._clock()
            self._until[name] = max(self._until[name], now + seconds)
            return self._until[name] - now


def _key(kind: str, name: str, /) -> str:
    return f"{PREFIX}{kind}:{name}"


def _micro(seconds: float, /) -> int:
    return round(seconds * 1_000_000)
