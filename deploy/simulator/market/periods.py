"""The lengths a candle can have, and where each one's bars begin (UTC)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np

from deploy.simulator.market.clock import DAY, HOUR
from deploy.simulator.market.path import Ints

WEEK = 7 * DAY
_FIRST_MONDAY = 4 * DAY  # 1970-01-01 was a Thursday


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """A length of candles."""

    longest: int
    """Minutes of the longest bar."""
    begin: Callable[[Ints], Ints]
    """From minutes to the first minutes of the bars that hold them."""

    @property
    def of_hours(self) -> bool:
        """Tell whether whole hours make its bars."""
        return self.longest % HOUR == 0

    def floor(self, minute: int, /) -> int:
        """Return the first minute of the bar that holds *minute*."""
        return int(self.begin(np.array([minute]))[0])

    def after(self, minute: int, /) -> int:
        """Return the first minute after the bar that holds *minute*."""
        return self.floor(self.floor(minute) + self.longest)


def minutes(unit: int, /) -> Period:
    """Return the period of *unit* minutes."""
    return Period(longest=unit, begin=lambda minute: minute // unit * unit)


def _week(minute: Ints) -> Ints:
    return (minute - _FIRST_MONDAY) // WEEK * WEEK + _FIRST_MONDAY


def _calendar(unit: str) -> Callable[[Ints], Ints]:
    def begin(minute: Ints) -> Ints:
        dates = minute.astype("datetime64[m]").astype(f"datetime64[{unit}]")
        found: Ints = dates.astype("datetime64[m]").astype(np.int64)
        return found

    return begin


DAYS: Final = minutes(DAY)
WEEKS: Final = Period(longest=WEEK, begin=_week)
MONTHS: Final = Period(longest=31 * DAY, begin=_calendar("M"))
YEARS: Final = Period(longest=366 * DAY, begin=_calendar("Y"))
