"""One pace towards an exchange for all processes of a server, and the brake on it.

Quotation calls are counted per address, signed calls per pocket (sub-account).
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Final

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from user_project.exchanges.adapter import RateLimited
from user_project.exchanges.slots import OwnSlots, Pace, SharedSlots

log = logging.getLogger(__name__)

SOFT_CAPS: Final = {
    "order": 8,
    "order-test": 4,
    "default": 25,
    "websocket-private": 3,
}
"""Own calls per second; every other group is counted per address."""
ADDRESS_CAPS: Final = {"websocket-public": 3}
QUOTATION_CAP: Final = 9
OWN_SHARE: Final = 4
"""Without Redis each process takes this part of the rate for itself."""
PATIENCE_SECONDS: Final = 5
REDIS_AGAIN_SECONDS: Final = 5
STRIKE_MEMORY_SECONDS: Final = 3600
FIRST_PENALTY_SECONDS: Final = 60
LONGEST_PENALTY_SECONDS: Final = 3600
"""Of a block whose length the exchange does not say."""
LONGEST_STATED_SECONDS: Final = 24 * 3600
PREFIX: Final = "du:limit:"
_TIMEOUTS: Final = {"socket_connect_timeout": 3 / 10, "socket_timeout": 1 / 2}
_REDIS_TROUBLE: Final = (redis.RedisError, OSError)


@dataclass(slots=True)
class Turn:
    """One call's turn; ``left`` is filled with what the exchange says is left."""

    left: int | None = None


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
        self._shared = SharedSlots(self._client, prefix=PREFIX)
        self._own = OwnSlots(clock=clock)
        self._blocked_until: dict[str, float] = {}
        self._strikes = 0
        self._lock = threading.Lock()
        self._away_until: float | None = None

    @contextmanager
    def turn(self, *, group: str) -> Iterator[Turn]:
        """Hold a slot of *group* around one call; raise RateLimited past 5 s."""
        caller = uuid.uuid4().hex
        is_shared = self._wait(group, caller)
        turn = Turn()
        try:
            yield turn
        finally:
            self._give_back(group, caller, turn, is_shared=is_shared)

    def hold(self, *, group: str, seconds: float) -> None:
        """Let no process send a call of *group* for a moment (after a 429)."""
        self._block(self._key(group), seconds)

    def penalise(self, *, group: str, seconds: float | None = None) -> float:
        """Stop the whole pocket (or address) after a 418; return for how many seconds.

        Without a stated time: a minute, doubled by each further block within an hour.
        """
        scope = self._scope(group)
        if seconds is None:
            seconds = self._guess(scope)
        seconds = min(seconds, LONGEST_STATED_SECONDS)
        log.warning("blocked by the exchange: no calls of %s for %s s", scope, seconds)
        self._block(scope, seconds)
        return seconds

    def _scope(self, group: str) -> str:
        return f"pocket:{self._pocket}" if group in SOFT_CAPS else "address"

    def _key(self, group: str) -> str:
        return f"{self._scope(group)}:{group}"

    def _wait(self, group: str, caller: str) -> bool:
        """Take a slot when one is free; return whether Redis counts it."""
        waited: float = 0
        while True:
            pause, is_shared = self._take(group, caller)
            if pause <= 0:
                return is_shared
            if waited + pause > PATIENCE_SECONDS:
                raise RateLimited(
                    f"own limit of {group} calls: {pause:.1f} s to wait",
                    retry_after=pause,
                    name="own_limit",
                )
            self._sleep(pause)
            waited += pause

    def _take(self, group: str, caller: str) -> tuple[float, bool]:
        key = self._key(group)
        blocked = self._blocked_here(group)
        if blocked > 0:
            return blocked, False
        if self._redis_is_due():
            try:
                pause = self._shared.take(
                    key=key, pace=self._pace(group), caller=caller
                )
            except _REDIS_TROUBLE as error:
                self._note_away(error)
            else:
                self._note_back()
                return pause, True
        pace = self._pace(group, share=OWN_SHARE)
        return self._own.take(key=key, pace=pace, caller=caller), False

    def _give_back(
        self, group: str, caller: str, turn: Turn, *, is_shared: bool
    ) -> None:
        key = self._key(group)
        if not is_shared:
            pace = self._pace(group, share=OWN_SHARE)
            self._own.give_back(key=key, pace=pace, caller=caller, left=turn.left)
            return
        try:
            self._shared.give_back(
                key=key, pace=self._pace(group), caller=caller, left=turn.left
            )
        except _REDIS_TROUBLE as error:
            self._note_away(error)  # the slot comes back by itself

    def _pace(self, group: str, *, share: int = 1) -> Pace:
        cap = SOFT_CAPS.get(group) or ADDRESS_CAPS.get(group, QUOTATION_CAP)
        return Pace.of(cap * self._factor / share)

    def _block(self, name: str, seconds: float) -> None:
        # Kept here as well: the block holds for this process even without Redis.
        until = self._clock() + seconds
        self._blocked_until[name] = max(until, self._blocked_until.get(name, until))
        try:
            self._shared.block(name=name, seconds=seconds)
        except _REDIS_TROUBLE as error:
            self._note_away(error)

    def _blocked_here(self, group: str) -> float:
        now = self._clock()
        names = (self._scope(group), self._key(group))
        return max(self._blocked_until.get(name, now) - now for name in names)

    def _guess(self, scope: str) -> float:
        """Guess a block's length; answers of calls under way at its start are one block."""
        running = self._blocked_until.get(scope, 0) - self._clock()
        try:
            running = max(running, self._shared.block(name=scope, seconds=0))
        except _REDIS_TROUBLE as error:
            self._note_away(error)
        if running > 0:
            return running
        doublings: int = 2 ** (self._count_strike(scope) - 1)
        return min(FIRST_PENALTY_SECONDS * doublings, LONGEST_PENALTY_SECONDS)

    def _count_strike(self, scope: str) -> int:
        key = f"{PREFIX}strikes:{scope}"
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
