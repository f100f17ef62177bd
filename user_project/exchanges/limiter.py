"""One pace towards an exchange for all processes of a server, and the brake on it.

Quotation calls are counted per address, signed calls per pocket (sub-account).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from typing import Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from throttled import MemoryStore, RateLimiterType, RedisStore, Throttled
from throttled.exceptions import BaseThrottledError
from throttled.rate_limiter import Quota, per_duration
from throttled.store import BaseStore

from user_project.exchanges.adapter import RateLimited

log = logging.getLogger(__name__)

SOFT_CAPS: Final = {"order": 8, "default": 25}
"""Own calls per second; every other group is a quotation group."""
QUOTATION_CAP: Final = 9
BURSTS: Final = {"order": 3, "default": 4}
"""Calls at once; cap + burst stays within what the exchange counts in one second."""
OWN_SHARE: Final = 4
"""Without Redis each process takes this part of the rate for itself."""
PATIENCE_SECONDS: Final = 5
REDIS_AGAIN_SECONDS: Final = 5
STRIKE_MEMORY_SECONDS: Final = 3600
LONGEST_PENALTY_SECONDS: Final = 3600
FIRST_PENALTY_SECONDS: Final = 60
_PERIOD: Final = 100  # whole seconds: throttled-py cuts a period to them
_TIMEOUTS: Final = {"socket_connect_timeout": 3 / 10, "socket_timeout": 1 / 2}
_STORE_OPTIONS: Final = {
    **{name.upper(): seconds for name, seconds in _TIMEOUTS.items()},
    "CONNECTION_POOL_KWARGS": {"retry": Retry(NoBackoff(), 0)},
}
_REDIS_TROUBLE: Final = (redis.RedisError, BaseThrottledError, OSError)


class RateLimiter:
    """Waits for a free slot; raises RateLimited when that would take too long."""

    def __init__(
        self,
        *,
        redis_url: str,
        pocket: str,
        rate_factor: float = 1,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Share the pace of *pocket* over *redis_url*; *clock* counts seconds."""
        self._pocket = pocket
        self._factor = rate_factor
        self._sleep = sleep
        self._clock = clock
        self._client = _connect(redis_url)
        self._shared_store = RedisStore(server=redis_url, options=_STORE_OPTIONS)
        self._own_store = MemoryStore()
        self._gates: dict[tuple[str, bool], Throttled] = {}
        self._blocked_until: dict[str, float] = {}
        self._strikes = 0
        self._lock = threading.Lock()
        self._away_until: float | None = None

    def acquire(self, *, group: str) -> None:
        """Return when a call of *group* may leave; raise RateLimited past 5 s."""
        waited: float = 0
        while (pause := self._pause(group)) > 0:
            if waited + pause > PATIENCE_SECONDS:
                raise RateLimited(
                    f"own limit of {group} calls: {pause:.1f} s to wait",
                    retry_after=pause,
                    name="own_limit",
                )
            self._sleep(pause)
            waited += pause

    def hold(self, *, group: str, seconds: float) -> None:
        """Let no process send a call of *group* for a moment (429, none left)."""
        self._block(f"{self._scope(group)}:{group}", seconds)

    def penalise(self, *, group: str, seconds: float | None = None) -> float:
        """Stop the whole pocket (or address) after a 418; return for how many seconds.

        Without a stated time: a minute, doubled by each further one within an hour.
        """
        scope = self._scope(group)
        if seconds is None:
            seconds = FIRST_PENALTY_SECONDS * 2 ** (self._count_strike(scope) - 1)
        seconds = min(seconds, LONGEST_PENALTY_SECONDS)
        log.warning("blocked by the exchange: no calls of %s for %s s", scope, seconds)
        self._block(scope, seconds)
        return seconds

    def _scope(self, group: str) -> str:
        return f"pocket:{self._pocket}" if group in SOFT_CAPS else "address"

    def _pause(self, group: str) -> float:
        """Take a slot (0) or return the seconds until one may be free."""
        blocked = self._blocked_for(group)
        if blocked > 0:
            return blocked
        key = f"{self._scope(group)}:{group}"
        if self._redis_is_due():
            try:
                result = self._gate(group, shared=True).limit(key)
            except _REDIS_TROUBLE as error:
                self._note_away(error)
            else:
                self._note_back()
                return result.state.retry_after if result.limited else 0
        result = self._gate(group, shared=False).limit(key)
        return result.state.retry_after if result.limited else 0

    def _gate(self, group: str, *, shared: bool) -> Throttled:
        with self._lock:
            if (group, shared) not in self._gates:
                store = self._shared_store if shared else self._own_store
                self._gates[group, shared] = _gate(
                    quota=self._quota(group, share=1 if shared else OWN_SHARE),
                    store=store,
                )
            return self._gates[group, shared]

    def _quota(self, group: str, *, share: int) -> Quota:
        rate = SOFT_CAPS.get(group, QUOTATION_CAP) * self._factor / share
        burst = BURSTS.get(group, 1) * self._factor / share
        return per_duration(
            timedelta(seconds=_PERIOD),
            max(1, round(rate * _PERIOD)),
            burst=max(1, round(burst)),
        )

    def _block(self, name: str, seconds: float) -> None:
        # Kept here as well: the block holds for this process even without Redis.
        until = self._clock() + seconds
        self._blocked_until[name] = max(until, self._blocked_until.get(name, until))
        try:
            self._client.set(_block_key(name), "1", px=max(1, round(seconds * 1000)))
        except _REDIS_TROUBLE as error:
            self._note_away(error)

    def _blocked_for(self, group: str) -> float:
        scope = self._scope(group)
        names = (scope, f"{scope}:{group}")
        now = self._clock()
        waits = [self._blocked_until.get(name, now) - now for name in names]
        if self._redis_is_due():
            try:
                pipe = self._client.pipeline(transaction=False)
                for name in names:
                    pipe.pttl(_block_key(name))
                waits += [left / 1000 for left in pipe.execute()]
            except _REDIS_TROUBLE as error:
                self._note_away(error)
        return max(waits)

    def _count_strike(self, scope: str) -> int:
        key = f"du:limit:strikes:{scope}"
        try:
            pipe = self._client.pipeline()
            pipe.incr(key)
            pipe.expire(key, STRIKE_MEMORY_SECONDS)
            return int(pipe.execute()[0])
        except _REDIS_TROUBLE as error:
            self._note_away(error)
            self._strikes += 1
            return self._strikes

    def _redis_is_due(self) -> bool:
        return self._away_until is None or self._clock() >= self._away_until

    def _note_away(self, error: BaseException) -> None:
        with self._lock:
            first, self._away_until = (
                self._away_until is None,
                self._clock() + REDIS_AGAIN_SECONDS,
            )
        if first:
            log.warning("redis is away, each process limits its own calls: %s", error)

    def _note_back(self) -> None:
        with self._lock:
            was_away, self._away_until = self._away_until is not None, None
        if was_away:
            log.info("redis is back, processes share the limit of calls again")


@cache
def _connect(redis_url: str) -> redis.Redis:
    """One pool for all limiters of a process; redis-py reopens it after a fork."""
    return redis.Redis.from_url(
        redis_url,
        retry=Retry(NoBackoff(), 0),
        socket_connect_timeout=_TIMEOUTS["socket_connect_timeout"],
        socket_timeout=_TIMEOUTS["socket_timeout"],
    )


def _gate(*, quota: Quota, store: BaseStore) -> Throttled:
    return Throttled(
        using=RateLimiterType.GCRA.value,
        quota=quota,
        store=store,
        key_prefix="du:limit",
    )


def _block_key(name: str) -> str:
    return f"du:limit:block:{name}"
