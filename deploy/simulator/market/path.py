"""The market's path: minute cells, and how the inside of one is walked.

Rule: a candle is walked from its open to the nearer of its two wicks, to the other wick,
and to its close. With four steps a minute every price of the cell is met in that order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from deploy.simulator.market.clock import MINUTE_MS
from deploy.simulator.market.ticks import Floats

Ints = NDArray[np.int64]
STEPS = 4
STEP_MS = MINUTE_MS // STEPS


@dataclass(frozen=True, slots=True)
class Cells:
    """Minutes in which something traded, oldest first; arrays of one length."""

    minute: Ints
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    """Coins."""
    quote: Floats
    """KRW."""

    def __len__(self) -> int:
        """Return the number of minutes."""
        return len(self.minute)

    def between(self, first: int, last: int) -> Cells:
        """Return the cells of the minutes from *first* up to but without *last*."""
        a, b = np.searchsorted(self.minute, (first, last))
        return Cells(*(getattr(self, name)[a:b] for name in _COLUMNS))


_COLUMNS = tuple(field.name for field in fields(Cells))


def joined(parts: list[Cells]) -> Cells:
    """Return consecutive *parts* as one."""
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return EMPTY
    return Cells(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS)
    )


EMPTY = Cells(np.empty(0, np.int64), *(np.empty(0) for _ in range(6)))


@dataclass(frozen=True, slots=True)
class Points:
    """Single trades along the path, oldest first."""

    path_ms: Ints
    price: Floats
    volume: Floats
    quote: Floats


def walk(cells: Cells) -> Points:
    """Return the four trades of each cell in path order."""
    up_first = cells.high - cells.open <= cells.open - cells.low
    near = np.where(up_first, cells.high, cells.low)
    far = np.where(up_first, cells.low, cells.high)
    prices = np.stack((cells.open, near, far, cells.close), axis=1)
    times = cells.minute[:, None] * MINUTE_MS + np.arange(STEPS) * STEP_MS
    return Points(
        times.ravel(),
        prices.ravel(),
        np.repeat(cells.volume / STEPS, STEPS),
        np.repeat(cells.quote / STEPS, STEPS),
    )


class Extremes(NamedTuple):
    """The highest and the lowest price of a time, and the minutes that saw them first."""

    high: float
    high_minute: int
    low: float
    low_minute: int

    def wider(self, other: Extremes, /) -> Extremes:
        """Return the extremes of both times; at a tie those of this one."""
        high, low = other.high > self.high, other.low < self.low
        return Extremes(
            *(other[:2] if high else self[:2]), *(other[2:] if low else self[2:])
        )


NO_EXTREMES: Final = Extremes(-math.inf, 0, math.inf, 0)


def extremes(*, minute: Ints, high: Floats, low: Floats) -> Extremes:
    """Return the extremes of some candles."""
    if not len(minute):
        return NO_EXTREMES
    top, bottom = int(np.argmax(high)), int(np.argmin(low))
    return Extremes(
        high.item(top), minute.item(top), low.item(bottom), minute.item(bottom)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A market and what `market/all` says of it."""

    market: str
    korean_name: str
    english_name: str
    warning: bool = False
    caution: tuple[str, ...] = ()


class PathSource(Protocol):
    """Where cells come from: a synthetic market or a recording."""

    @property
    def listings(self) -> tuple[Listing, ...]:
        """Return the markets that trade."""

    def cells(self, market: str, first: int, last: int) -> Cells:
        """Return the cells of path minutes ``[first, last)``, on today's ticks."""

    def extremes(self, market: str, first: int, last: int) -> Extremes:
        """Return the extremes of path minutes ``[first, last)``, faster than by cells."""

    def first_minute(self, market: str) -> int:
        """Return the path minute at which the market's history begins."""

    def last_minute(self, market: str) -> int | None:
        """Return the path minute after the recording's last one; None: no end."""
