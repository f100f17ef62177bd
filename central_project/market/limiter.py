"""One pace towards the exchange for all processes, and the brake they share.

Calls of a group leave evenly spaced; the slots of `turns` keep the promise when a call is
held up on its way.
"""

from __future__ import annotations

import logging
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

import redis

from central_project.market.turns import (
    EVERYTHING,
    OwnTurns,
    Pace,
    SharedTurns,
    Wait,
)

log = logging.getLogger(__name__)

OWN_SHARE: Final = 2
"""Without Redis a process takes this part of the rate: a run and a backfill may work."""
PATIENCE_SECONDS: Final = 12.0
"""A longer block is not waited for."""
HOLD_SECONDS: Final = 1.0
FIRST_BLOCK_SECONDS: Final = 60
LONGEST_BLOCK_SECONDS: Final = 3600
"""Of a block whose length the exchange does not say."""
REDIS_AGAIN_SECONDS: Final = 5
_REDIS_TROUBLE: Final = (redis.RedisError, OSError)
T = TypeVar("T")


class CallsBlocked(Exception):
    """The exchange has blocked this address; nobody calls until ``seconds`` have passed."""

    def __init__(self, seconds: float) -> None:
        """Keep how long the block still lasts."""
        super().__init__(f"blocked for another {seconds:.0f} s")
        self.seconds = seconds


class CallLimiter:
    """Lets a call leave when its turn has come; brakes for every process at once."""

    def __init__(
        self,
        *,
        redis_url: str,
        rate_factor: float,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Share the pace over *redis_url*; without Redis a process keeps half of it."""
        self._pace = Pace.of(rate_factor)
        self._shared = SharedTurns(redis_url)
        self._own = OwnTurns(clock)
        self._own_pace = Pace.of(rate_factor / OWN_SHARE)
        self._sleep = sleep
        self._clock = clock
        self._lock = threading.Lock()
        self._away_until: float | None = None
        self._strikes = 0

    @contextmanager
    def turn(self, *, group: str) -> Iterator[None]:
        """Wait for the group's turn and hold it around one call; raise CallsBlocked."""
        caller = uuid.uuid4().hex
        while max(wait := self._take(group, caller)) > 0:
            if wait.blocked > PATIENCE_SECONDS:
                raise CallsBlocked(wait.blocked)
            self._sleep(max(wait))
        try:
            yield
        finally:
            self._own.give_back(group, self._own_pace, caller)
            self._try(lambda: self._shared.give_back(group, self._pace, caller))

    def hold(self, *, group: str) -> None:
        """Let nobody send a call of *group* for a second (after a 429)."""
        self._block(group, HOLD_SECONDS)

    def block(self, *, seconds: float | None) -> float:
        """Let nobody send anything (after a 418); return for how many seconds.

        Without a stated time: a minute, doubled by each further block within an hour.
        Late answers to calls under way belong to the block that runs already.
        """
        if seconds is None:
            running = self._block(EVERYTHING, 0)
            seconds = running or min(
                FIRST_BLOCK_SECONDS * 2 ** (self._strike() - 1), LONGEST_BLOCK_SECONDS
            )
        lasting = self._block(EVERYTHING, seconds)
        log.warning("market.exchange.blocked: no calls for %.0f s", lasting)
        return lasting

    def _take(self, group: str, caller: str, /) -> Wait:
        own = self._own.blocked(group)
        if own > 0:  # known here even while Redis is away
            return Wait(own, 0)
        wait = self._try(lambda: self._shared.take(group, self._pace, caller))
        return wait or self._own.take(group, self._own_pace, caller)

    def _block(self, name: str, seconds: float, /) -> float:
        own = self._own.block(name, seconds)
        shared = self._try(lambda: self._shared.block(name, seconds))
        return max(own, shared or 0.0)

    def _strike(self) -> int:
        self._strikes += 1
        return self._try(self._shared.strike) or self._strikes

    def _try(self, ask: Callable[[], T], /) -> T | None:
        """Ask Redis unless it was away a moment ago; None = it is away."""
        if self._away_until is not None and self._clock() < self._away_until:
            return None
        try:
            answer = ask()
        except _REDIS_TROUBLE as error:
            self._note(away=True, why=repr(error))
            return None
        self._note(away=False)
        return answer

    def _note(self, *, away: bool, why: str = "") -> None:
        """Log a change once, not once per call."""
        with self._lock:
            changed = away != (self._away_until is not None)
            self._away_until = self._clock() + REDIS_AGAIN_SECONDS if away else None
        if changed and away:
            log.error("market.calls.alone: each process limits its own calls: %s", why)
        elif changed:
            log.info("market.calls.shared: redis is back")
