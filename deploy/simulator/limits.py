"""Upbit's rate groups: so many calls in each second, per address or per account."""

from __future__ import annotations

from common.upbit import LIMITS_PER_SECOND


class RateLimits:
    """Counts calls of the present second."""

    def __init__(self, *, factor: float = 1.0) -> None:
        if factor <= 0:
            raise ValueError(f"a rate factor must be above 0, got {factor}")
        self._limits = {
            group: max(1, round(limit * factor))
            for group, limit in LIMITS_PER_SECOND.items()
        }
        self._second = 0
        self._used: dict[tuple[str, str], int] = {}

    def take(self, *, group: str, who: str, now_ms: int) -> int | None:
        """Count one call; return how many are left, or None when over the limit."""
        if now_ms // 1000 != self._second:
            self._second = now_ms // 1000
            self._used.clear()
        used = self._used.get((group, who), 0)
        if used >= self._limits[group]:
            return None
        self._used[group, who] = used + 1
        return self._limits[group] - used - 1

    def header(self, *, group: str, left: int) -> str:
        """Return the value of `Remaining-Req`."""
        return f"group={group}; min={self._limits[group] * 60}; sec={left}"
