"""One real clock, a faster market: where on its path the market is at a real instant."""

from __future__ import annotations

from dataclasses import dataclass

MINUTE_MS = 60_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
HOUR = 60
"""Minutes; DAY and YEAR too."""
DAY = 24 * HOUR
YEAR = 364 * DAY
"""52 weeks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PathClock:
    """Maps real milliseconds to path milliseconds (both since the epoch of their axis).

    Up to ``start_ms`` the past runs 1:1 and whole minutes fall on whole minutes; from
    then on the path runs ``speed`` times as fast.
    """

    start_ms: int
    path_start_ms: int
    speed: float

    def __post_init__(self) -> None:
        """Refuse a clock whose minutes would not meet."""
        if self.speed <= 0:
            raise ValueError(f"speed must be above 0, got {self.speed}")
        if (self.start_ms - self.path_start_ms) % MINUTE_MS:
            raise ValueError("path and real time must share whole minutes at the start")

    @property
    def start_minute(self) -> int:
        """Return the real minute that holds the start; minutes before it are history."""
        return self.start_ms // MINUTE_MS

    @property
    def shift(self) -> int:
        """Return real minute minus path minute, for history."""
        return (self.start_ms - self.path_start_ms) // MINUTE_MS

    def path_at(self, real_ms: float) -> float:
        """Return the path instant reached at *real_ms*."""
        ahead = real_ms - self.start_ms
        return self.path_start_ms + (ahead * self.speed if ahead > 0 else ahead)

    def real_at(self, path_ms: float) -> float:
        """Return the real instant at which the path reaches *path_ms*."""
        ahead = path_ms - self.path_start_ms
        return self.start_ms + (ahead / self.speed if ahead > 0 else ahead)


def path_start(*, wanted_ms: int, start_ms: int, step_ms: int) -> int:
    """Return the first path instant from *wanted_ms* on that shares *step_ms* with now.

    A recorded hour then falls on a real hour, and history keeps its own candles.
    """
    return wanted_ms + (start_ms - wanted_ms) % step_ms
