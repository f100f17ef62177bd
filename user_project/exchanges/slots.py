"""Slots for calls: a call holds one from before it leaves until a window after its end.

An exchange counts a call when it arrives, somewhere between those two instants. So with
*calls* slots at most *calls* calls arrive in any window of the exchange's clock, however
long each was under way: a pace that only looks at departures cannot promise that.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import redis

LOST_AFTER_SECONDS: Final = 15
"""A slot comes back by itself when its process died; no call takes that long."""

_TAKE: Final = """
local t = redis.call('TIME')
local now = t[1] * 1000 + t[2] / 1000
local blocked = math.max(redis.call('PTTL', KEYS[2]), redis.call('PTTL', KEYS[3]))
if blocked > 0 then return blocked end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) < tonumber(ARGV[1]) then
  redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[4])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
  return 0
end
local first = redis.call('ZRANGE', KEYS[1], 0, 0, 'WITHSCORES')
return math.ceil(math.max(1, math.min(first[2] - now, ARGV[2])))
"""
_GIVE_BACK: Final = """
local t = redis.call('TIME')
local now = t[1] * 1000 + t[2] / 1000
redis.call('ZADD', KEYS[1], 'XX', now + ARGV[2], ARGV[4])
if ARGV[5] ~= '' then
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
  local taken = ARGV[1] - redis.call('ZCARD', KEYS[1]) - ARGV[5]
  for number = 1, taken do
    redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[4] .. ':' .. number)
  end
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
"""
_BLOCK: Final = """
local wanted = tonumber(ARGV[1])
if wanted > 0 and redis.call('PTTL', KEYS[1]) < wanted then
  redis.call('SET', KEYS[1], '1', 'PX', ARGV[1])
end
return redis.call('PTTL', KEYS[1])
"""


@dataclass(frozen=True, slots=True)
class Pace:
    """So many calls in any window of so many seconds."""

    calls: int
    window: float

    @classmethod
    def of(cls, rate: float, /) -> Pace:
        """Return the pace of *rate* calls a second; a window is never under a second."""
        return cls(max(1, int(rate)), max(1, 1 / rate))


class Slots(Protocol):
    """Where slots are counted."""

    def take(self, *, key: str, pace: Pace, caller: str) -> float:
        """Take a slot (0) or return the seconds until one can be free at the earliest."""

    def give_back(self, *, key: str, pace: Pace, caller: str, left: int | None) -> None:
        """Free the slot a window from now; *left* = calls the exchange still allows.

        Where somebody else spends from the same budget, slots are taken for him.
        """


class SharedSlots:
    """Counted in Redis, by its clock, for all processes."""

    def __init__(self, client: redis.Redis, *, prefix: str) -> None:
        self._prefix = prefix
        self._take = client.register_script(_TAKE)
        self._give_back = client.register_script(_GIVE_BACK)
        self._block = client.register_script(_BLOCK)

    def take(self, *, key: str, pace: Pace, caller: str) -> float:
        """Take a slot unless the group or its whole scope is blocked."""
        scope = key.rpartition(":")[0]
        answer = self._take(
            keys=[self._prefix + key, self._block_key(scope), self._block_key(key)],
            args=self._numbers(pace, caller),
        )
        return int(answer) / 1000

    def give_back(self, *, key: str, pace: Pace, caller: str, left: int | None) -> None:
        """Free the slot a window from now."""
        told = "" if left is None or left >= pace.calls else left
        self._give_back(
            keys=[self._prefix + key], args=[*self._numbers(pace, caller), told]
        )

    def block(self, *, name: str, seconds: float) -> float:
        """Let no slot of *name*, a group's key or a scope, be taken for so long.

        A longer block stands; returns the seconds it lasts from now.
        """
        answer = self._block(
            keys=[self._block_key(name)], args=[max(0, round(seconds * 1000))]
        )
        return max(0, int(answer)) / 1000

    def _block_key(self, name: str) -> str:
        return f"{self._prefix}block:{name}"

    @staticmethod
    def _numbers(pace: Pace, caller: str) -> list[int | str]:
        window = round(pace.window * 1000)
        return [pace.calls, window, window + LOST_AFTER_SECONDS * 1000, caller]


class OwnSlots:
    """Counted in this process alone, the same way."""

    def __init__(self, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._free_at: dict[str, dict[str, float]] = {}
        self._lock = threading.Lock()

    def take(self, *, key: str, pace: Pace, caller: str) -> float:
        """Take a slot or say how long none can be free."""
        with self._lock:
            now = self._clock()
            taken = self._taken(key, now)
            if len(taken) < pace.calls:
                taken[caller] = now + pace.window + LOST_AFTER_SECONDS
                return 0
            return min(min(taken.values()) - now, pace.window)

    def give_back(self, *, key: str, pace: Pace, caller: str, left: int | None) -> None:
        """Free the slot a window from now."""
        with self._lock:
            now = self._clock()
            taken = self._taken(key, now)
            taken[caller] = now + pace.window
            spent = 0 if left is None else pace.calls - len(taken) - left
            for number in range(spent):
                taken[f"{caller}:{number}"] = now + pace.window

    def _taken(self, key: str, now: float) -> dict[str, float]:
        kept = {
            caller: at for caller, at in self._free_at.get(key, {}).items() if at > now
        }
        self._free_at[key] = kept
        return kept
