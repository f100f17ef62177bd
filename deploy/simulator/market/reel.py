"""The trades a market's path makes at real instants, and those put in by hand.

Before the clock's start a real minute is a path minute; after it the path's trades are
placed at the real instants at which the faster market makes them.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from deploy.simulator.market.clock import DAY, HOUR, MINUTE_MS, YEAR, PathClock
from deploy.simulator.market.feed import Trades
from deploy.simulator.market.path import Cells, Extremes, Ints, PathSource, walk
from deploy.simulator.market.ticks import Floats, exact

_REACH = (HOUR, DAY, 30 * DAY, 2 * YEAR)
_OPEN_END = 1 << 62
NEVER: Final = -1
"""Instant of the trade before the first one."""


class Last(NamedTuple):
    """The last trade up to an instant."""

    at_ms: int
    price: float
    volume: float
    bid: bool
    """Whether it was a buyer's."""


NOTHING: Final = Last(NEVER, math.nan, math.nan, bid=True)
NO_TRADES: Final = Trades(np.empty(0, np.int64), np.empty(0), np.empty(0), np.empty(0))


class Reel:
    """One market's trades on the real clock; any range, always the same."""

    def __init__(self, *, market: str, source: PathSource, clock: PathClock) -> None:
        self.market = market
        self.clock = clock
        self._source = source
        self._added = NO_TRADES
        self._halts: list[tuple[int, int]] = []

    @property
    def listed_minute(self) -> int:
        """Return the real minute of the first trade."""
        return self._source.first_minute(self.market) + self.clock.shift

    @property
    def ends_minute(self) -> int | None:
        """Return the path minute after a recording's last one; None: no end."""
        return self._source.last_minute(self.market)

    def cells(self, *, first: int, last: int) -> Cells:
        """Return the path's cells of the real minutes ``[first, last)`` of history."""
        shift = self.clock.shift
        return self._source.cells(self.market, first - shift, last - shift)

    def extremes(self, *, first: int, last: int) -> Extremes:
        """Return the extremes of the real minutes ``[first, last)`` of history."""
        shift = self.clock.shift
        found = self._source.extremes(self.market, first - shift, last - shift)
        return found._replace(
            high_minute=found.high_minute + shift, low_minute=found.low_minute + shift
        )

    def add(self, *, price: Decimal, volume: Decimal, at_ms: int) -> None:
        """Put in somebody else's trade, after the path's own at *at_ms*.

        Raises ValueError before the clock's start: history is the path alone.
        """
        if at_ms < self.clock.start_ms:
            raise ValueError("a trade cannot be put in before the simulator's start")
        one = Trades(
            np.array([at_ms]),
            np.array([float(price)]),
            np.array([float(volume)]),
            np.array([float(price * volume)]),
        )
        self._added = merged(self._added, one)

    def trades(self, *, after_ms: int, until_ms: int) -> Trades:
        """Return the trades in ``(after_ms, until_ms]``, real milliseconds."""
        begin = math.floor(self.clock.path_at(after_ms) / MINUTE_MS)
        # One more minute: a trade on the edge must not be lost to a rounding.
        end = math.floor(self.clock.path_at(until_ms) / MINUTE_MS) + 2
        points = walk(self._source.cells(self.market, begin, end))
        at_ms = self._real(points.path_ms)
        found = Trades(at_ms, points.price, points.volume, points.quote)
        chosen = between(found, after_ms=after_ms, until_ms=until_ms)
        added = between(self._added, after_ms=after_ms, until_ms=until_ms)
        if len(added):
            chosen = merged(chosen, added)
        for begun, ended in self._halts:
            if begun < until_ms and after_ms < ended:
                chosen = _without(chosen, after_ms=begun, before_ms=ended)
        return chosen

    def set_halted(self, *, on: bool, at_ms: int) -> bool:
        """Leave the path's trades out from *at_ms* on, or no more; tell if that is new.

        The first trade after a halt is at the price that the path has reached.
        """
        halted = bool(self._halts) and self._halts[-1][1] == _OPEN_END
        if on == halted:
            return False
        if on:
            self._halts.append((at_ms, _OPEN_END))
            return True
        begun, _ = self._halts.pop()
        last = self.before(at_ms=at_ms)
        self._halts.append((begun, at_ms))
        if last.at_ms > begun:
            self.add(price=exact(last.price), volume=exact(last.volume), at_ms=at_ms)
        return True

    def _real(self, path_ms: Ints) -> Ints:
        ahead = (path_ms - self.clock.path_start_ms).astype(np.float64)
        passed = np.where(ahead > 0, ahead / self.clock.speed, ahead)
        # Rounding up keeps a trade from being shown before the path has reached it.
        real: Ints = np.ceil(passed).astype(np.int64) + self.clock.start_ms
        return real

    def before(self, *, at_ms: int) -> Last:
        """Return the last trade up to *at_ms*; `NOTHING` before the first one."""
        last = NOTHING
        for reach in _REACH:
            path_ms = self.clock.path_at(at_ms) - reach * MINUTE_MS
            after = math.floor(self.clock.real_at(path_ms))
            found = self.trades(after_ms=after, until_ms=at_ms)
            if not len(found):
                continue
            bid = bool(directions(found.price, bid=True)[-1])
            last = Last(*_last(found), bid)
            if (found.price != last.price).any():
                break  # it moved on the way, so that its side is certain
        return last


def _last(trades: Trades) -> tuple[int, float, float]:
    return trades.at_ms.item(-1), trades.price.item(-1), trades.volume.item(-1)


def directions(price: Floats, /, *, bid: bool) -> NDArray[np.bool_]:
    """Tell of each trade whether a buyer made it: up yes, down no, level as before.

    *bid* = the side of the first one. What follows a price of NaN is a buyer's.
    """
    moves = np.nan_to_num(np.sign(np.diff(price)), nan=1.0)
    decided = np.maximum.accumulate(np.where(moves == 0, -1, np.arange(len(moves))))
    sides = np.where(decided < 0, bid, moves[decided] > 0)
    return np.concatenate(([bid], sides))


def part(trades: Trades, a: int, b: int) -> Trades:
    """Return the trades from index *a* up to but without *b*."""
    return Trades(
        trades.at_ms[a:b], trades.price[a:b], trades.volume[a:b], trades.quote[a:b]
    )


def between(trades: Trades, *, after_ms: int, until_ms: int) -> Trades:
    """Return the trades in ``(after_ms, until_ms]``."""
    a, b = trades.at_ms.searchsorted((after_ms, until_ms), side="right").tolist()
    return part(trades, a, b)


def _without(trades: Trades, *, after_ms: int, before_ms: int) -> Trades:
    """Return the trades but for those in ``(after_ms, before_ms)``."""
    kept = (trades.at_ms <= after_ms) | (trades.at_ms >= before_ms)
    return Trades(
        trades.at_ms[kept], trades.price[kept], trades.volume[kept], trades.quote[kept]
    )


def merged(first: Trades, second: Trades) -> Trades:
    """Return both by time; at one instant those of *first* come first."""
    at_ms = np.concatenate((first.at_ms, second.at_ms))
    order = np.argsort(at_ms, kind="stable")
    return Trades(
        at_ms[order],
        np.concatenate((first.price, second.price))[order],
        np.concatenate((first.volume, second.volume))[order],
        np.concatenate((first.quote, second.quote))[order],
    )
