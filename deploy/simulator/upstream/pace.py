"""When the upstream exchange may be asked: its limits kept, its refusals respected.

An address has one budget, whoever shares it. Calls over it wait for their turn here
instead of being refused there, for who is refused again and again is blocked.
"""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections import Counter, defaultdict, deque
from collections.abc import Awaitable, Callable
from typing import Final

from common.upbit import LIMITS_PER_SECOND
from deploy.simulator.rest.errors import over_limit

CONNECT: Final = "websocket-connect"
WINDOW_SECONDS: Final = 1.1
"""A little over the second in which the upstream counts: calls do not arrive evenly."""
FIRST_BLOCK_SECONDS: Final = 60.0
LONGEST_BLOCK_SECONDS: Final = 3600.0
_LIMITS: Final = {**LIMITS_PER_SECOND, CONNECT: 5}
_STATED: Final = re.compile(r"(\d+)\s*(?:(분|min)|초|s)")


class Pace:
    """Lets calls of a rate group out one by one, in the order they came."""

    def __init__(
        self,
        *,
        factor: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._limits = {
            group: max(1, round(limit * factor)) for group, limit in _LIMITS.items()
        }
        self._clock, self._sleep = clock, sleep
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._waiting: Counter[str] = Counter()
        self._sent = {
            group: deque[float](maxlen=n) for group, n in self._limits.items()
        }
        self._held_until: defaultdict[str, float] = defaultdict(float)
        self._blocked_until = 0.0
        self._blocks = 0

    async def turn(self, *, group: str) -> None:
        """Wait until one more call may go out, at most about two seconds.

        Raises UpbitProblem: 429 when too many wait already, 418 during a block.
        """
        if self._waiting[group] >= self._limits[group]:
            raise over_limit(blocked_seconds=None, exchange=False)
        self._waiting[group] += 1
        try:
            async with self._locks[group]:
                while (rest := self._rest(group)) > 0:
                    await self._sleep(rest)
                self._sent[group].append(self._clock())
        finally:
            self._waiting[group] -= 1

    def _rest(self, group: str) -> float:
        """Return the seconds until the group's next call."""
        now, sent = self._clock(), self._sent[group]
        if self._blocked_until > now:
            seconds = math.ceil(self._blocked_until - now)
            raise over_limit(blocked_seconds=seconds, exchange=False)
        full = len(sent) == self._limits[group]
        return max(
            sent[0] + WINDOW_SECONDS - now if full else 0.0,
            self._held_until[group] - now,
        )

    def heard(self, *, group: str, status: int, text: str, left: str | None) -> None:
        """Learn from an answer: its status, its words, its `Remaining-Req`."""
        if status == 418:
            self._block(stated_seconds(text))
            return
        if status < 400:
            self._blocks = 0
        if status == 429 or (left is not None and re.search(r"sec=0\b", left)):
            self._held_until[group] = self._clock() + WINDOW_SECONDS

    def _block(self, stated: float | None) -> None:
        """Ask nothing until released; without a stated time twice as long each time."""
        usual = FIRST_BLOCK_SECONDS * 2 ** min(self._blocks, 10)
        seconds = min(usual, LONGEST_BLOCK_SECONDS) if stated is None else stated
        self._blocks += 1
        self._blocked_until = max(self._blocked_until, self._clock() + seconds)


def stated_seconds(text: str, /) -> float | None:
    """Return the block time that an answer names, or None."""
    found = _STATED.search(text)
    if found is None:
        return None
    return float(found[1]) * (60 if found[2] else 1)
