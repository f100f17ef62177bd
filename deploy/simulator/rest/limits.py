"""Upbit's rate groups: so many calls in each second, and a block for who keeps going.

Quotation is counted per address, exchange per pocket, messages per connection. A call
over the limit is refused (429) until the next second. Who is refused 10 times within
10 seconds is blocked (418) in every group, for 10 seconds at first and twice as long
each further time, up to an hour. Calls during a block neither count nor prolong it, and
every minute without a block takes one doubling back.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Final

from common.upbit import LIMITS_PER_SECOND

SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60_000
PATIENCE: Final = 10
"""So many refused calls within PATIENCE_MS lead to a block."""
PATIENCE_MS: Final = 10_000
FIRST_BLOCK_MS: Final = 10_000
LONGEST_BLOCK_MS: Final = 3_600_000
FORGIVEN_MS: Final = MINUTE_MS

ORIGIN: Final = "origin"
"""Counts instead of a quotation group when a browser calls."""
GROUPS: Final[dict[str, tuple[tuple[int, int], ...]]] = {
    **{group: ((limit, SECOND_MS),) for group, limit in LIMITS_PER_SECOND.items()},
    "order-cancel-all": ((1, 2 * SECOND_MS),),
    "websocket-connect": ((5, SECOND_MS),),
    "websocket-message": ((5, SECOND_MS), (100, MINUTE_MS)),
    ORIGIN: ((1, 10 * SECOND_MS),),
}
"""Each group's limits as (calls, milliseconds)."""
EXCHANGE_GROUPS: Final = frozenset(
    {"default", "order", "order-test", "order-cancel-all"}
)


class OverLimit(Exception):
    """The call is refused; ``blocked_seconds`` says for how long, None until the next second."""

    def __init__(self, *, blocked_seconds: int | None = None) -> None:
        super().__init__(
            "over the limit of this second; wait for the next"
            if blocked_seconds is None
            else f"blocked for {blocked_seconds} s"
        )
        self.blocked_seconds = blocked_seconds


@dataclass(slots=True)
class _Window:
    number: int = -1
    used: int = 0


@dataclass(slots=True)
class _Record:
    """How somebody behaved lately."""

    refused_ms: deque[int] = field(default_factory=deque)
    blocks: int = 0
    until_ms: int = 0

    def refuse(self, now_ms: int) -> bool:
        """Note a refused call; True when patience is at its end."""
        self.refused_ms.append(now_ms)
        while now_ms - self.refused_ms[0] >= PATIENCE_MS:
            self.refused_ms.popleft()
        return len(self.refused_ms) >= PATIENCE

    def block(self, now_ms: int) -> None:
        """Block for twice as long as the last time, less what was forgiven since."""
        forgiven = max(0, now_ms - self.until_ms) // FORGIVEN_MS
        self.blocks = max(0, self.blocks - forgiven) + 1
        length = FIRST_BLOCK_MS * 2 ** min(self.blocks - 1, 20)
        self.until_ms = now_ms + min(length, LONGEST_BLOCK_MS)

    def is_clean(self, now_ms: int) -> bool:
        """Tell whether nothing of it would matter any more."""
        quiet = now_ms - max(self.until_ms, *self.refused_ms, 0)
        return quiet >= self.blocks * FORGIVEN_MS + PATIENCE_MS


class RateLimits:
    """Counts everybody's calls and remembers who does not stop."""

    def __init__(self, *, factor: float = 1.0) -> None:
        if factor <= 0:
            raise ValueError(f"a rate factor must be above 0, got {factor}")
        self._limits = {
            group: tuple((max(1, round(calls * factor)), ms) for calls, ms in limits)
            for group, limits in GROUPS.items()
        }
        self._windows: dict[tuple[str, str, int], _Window] = {}
        self._records: dict[str, _Record] = {}
        self._swept_minute = 0

    def take(self, *, group: str, who: str, now_ms: int) -> int:
        """Count one call of *who* (an address, pocket or connection).

        Returns how many are left in this second; raises OverLimit.
        """
        self._sweep(now_ms)
        self._check_block(who, now_ms)
        windows = [
            (self._window(group, who, now_ms, ms), limit)
            for limit, ms in self._limits[group]
        ]
        if any(window.used >= limit for window, limit in windows):
            self._refuse(who, now_ms)
        for window, _ in windows:
            window.used += 1
        return min(limit - window.used for window, limit in windows)

    def block(self, *, who: str, seconds: float, now_ms: int) -> None:
        """Block somebody as if they had not stopped; 0 seconds end a block."""
        record = self._records.setdefault(who, _Record())
        record.until_ms = now_ms + round(seconds * SECOND_MS)

    def header(self, *, group: str, left: int, dotted: bool = False) -> str:
        """Return the value of `Remaining-Req`; `min` means nothing any more."""
        calls, ms = self._limits[group][0]
        name = f"exchange.{group}" if dotted and group in EXCHANGE_GROUPS else group
        return f"group={name}; min={calls * MINUTE_MS // ms}; sec={left}"

    def left(self, *, group: str, who: str, now_ms: int) -> int:
        """Return how many calls are left in this second, counting none."""
        return min(
            limit - self._window(group, who, now_ms, ms).used
            for limit, ms in self._limits[group]
        )

    def _window(self, group: str, who: str, now_ms: int, ms: int) -> _Window:
        window = self._windows.setdefault((group, who, ms), _Window())
        if window.number != now_ms // ms:
            window.number, window.used = now_ms // ms, 0
        return window

    def _check_block(self, who: str, now_ms: int) -> None:
        record = self._records.get(who)
        if record is not None and record.until_ms > now_ms:
            rest = math.ceil((record.until_ms - now_ms) / SECOND_MS)
            raise OverLimit(blocked_seconds=rest)

    def _refuse(self, who: str, now_ms: int) -> None:
        record = self._records.setdefault(who, _Record())
        if record.refuse(now_ms):
            record.block(now_ms)
        raise OverLimit

    def _sweep(self, now_ms: int) -> None:
        """Forget, once a minute, whoever has not called for a while."""
        minute = now_ms // MINUTE_MS
        if minute == self._swept_minute:
            return
        self._swept_minute = minute
        self._windows = {
            key: window
            for key, window in self._windows.items()
            if (window.number + 1) * key[2] > now_ms
        }
        self._records = {
            who: record
            for who, record in self._records.items()
            if not record.is_clean(now_ms)
        }
