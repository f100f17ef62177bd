"""Bars on the real minute axis, and how finer ones make coarser ones."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from deploy.simulator.market.clock import MINUTE_MS
from deploy.simulator.market.feed import Trades
from deploy.simulator.market.path import STEP_MS, STEPS, Cells, Ints
from deploy.simulator.market.ticks import Floats


@dataclass(frozen=True, slots=True)
class Bars:
    """Candles with trades, oldest first; arrays of one length."""

    minute: Ints
    """Real minute (of second candles: second) at which the bar begins."""
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    quote: Floats
    last_ms: Ints
    """Real instant of the last trade."""

    def __len__(self) -> int:
        """Return the number of bars."""
        return len(self.minute)

    def between(self, first: int, last: int) -> Bars:
        """Return the bars that begin in the minutes ``[first, last)``."""
        a, b = np.searchsorted(self.minute, (first, last))
        return self.part(int(a), int(b))

    def part(self, a: int, b: int) -> Bars:
        """Return the bars from index *a* up to but without *b*."""
        return Bars(*(getattr(self, name)[a:b] for name in _COLUMNS))


_COLUMNS = tuple(field.name for field in fields(Bars))


def _none() -> Bars:
    whole, real = np.empty(0, np.int64), np.empty(0)
    return Bars(whole, real, real, real, real, real, real, whole)


NONE = _none()


def joined(parts: list[Bars]) -> Bars:
    """Return consecutive *parts* as one."""
    parts = [part for part in parts if len(part)]
    if not parts:
        return NONE
    if len(parts) == 1:
        return parts[0]
    return Bars(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in _COLUMNS)
    )


def from_cells(cells: Cells, *, shift: int) -> Bars:
    """Return history's minute cells as bars, *shift* minutes later."""
    minute = cells.minute + shift
    last = minute * MINUTE_MS + (STEPS - 1) * STEP_MS
    return Bars(
        minute,
        *(cells.open, cells.high, cells.low, cells.close),
        *(cells.volume, cells.quote, last),
    )


def from_trades(trades: Trades, /, *, unit_ms: int = MINUTE_MS) -> Bars:
    """Return the bars of *unit_ms* that single trades make; they begin in that unit."""
    price, at_ms = trades.price, trades.at_ms
    single = Bars(at_ms // unit_ms, *(price,) * 4, trades.volume, trades.quote, at_ms)
    return grouped(single, begin=single.minute)


def rolled(bars: Bars, *, unit: int) -> Bars:
    """Return *bars* put together to bars of *unit* minutes."""
    return grouped(bars, begin=bars.minute // unit * unit)


def grouped(bars: Bars, *, begin: Ints) -> Bars:
    """Return the bars put together that share a *begin*, the minute of the new bar."""
    if not len(bars):
        return NONE
    first = np.concatenate(([0], np.flatnonzero(np.diff(begin)) + 1))
    last = np.append(first[1:], len(begin)) - 1
    return Bars(
        begin[first],
        bars.open[first],
        np.maximum.reduceat(bars.high, first),
        np.minimum.reduceat(bars.low, first),
        bars.close[last],
        np.add.reduceat(bars.volume, first),
        np.add.reduceat(bars.quote, first),
        bars.last_ms[last],
    )
