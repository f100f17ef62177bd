"""What a market shows at a real instant: last trade, trades since, candles, day figures.

Before the clock's start a real minute is a path minute; after it the path's trades are
placed at the real instants at which the faster market makes them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from deploy.simulator.bars import NONE, Bars, from_cells, from_trades, joined, rolled
from deploy.simulator.clock import HOUR_MS, MINUTE_MS, PathClock
from deploy.simulator.path import Ints, PathSource, walk
from deploy.simulator.ticks import Floats

HOUR = 60
DAY = 1440
YEAR = 364 * DAY
_REACH = (HOUR, DAY, 30 * DAY, 2 * YEAR)


@dataclass(frozen=True, slots=True)
class Trades:
    """Trades at real instants, oldest first."""

    at_ms: Ints
    price: Floats
    volume: Floats
    quote: Floats

    def __len__(self) -> int:
        """Return the number of trades."""
        return len(self.at_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """Figures that change only once a real minute, up to that minute's begin."""

    minute: int
    today: Bars
    """One bar since 0h UTC, or none."""
    previous_close: float
    quote_24h: float
    volume_24h: float
    year_high: float
    year_high_minute: int
    year_low: float
    year_low_minute: int


class Tape:
    """One market on the real clock."""

    def __init__(self, *, market: str, source: PathSource, clock: PathClock) -> None:
        self.market = market
        self._source = source
        self._clock = clock
        self._live = NONE  # closed real minutes since the start
        self._live_until = clock.start_minute
        self._hours = NONE  # closed real hours
        self._hours_until: int | None = None
        self._last: tuple[float, Bars] | None = None
        self._day: Day | None = None

    @property
    def listed_minute(self) -> int:
        """Return the real minute of the first trade."""
        return self._source.first_minute(self.market) + self._clock.shift

    @property
    def ends_minute(self) -> int | None:
        """Return the path minute after a recording's last one; None: no end."""
        return self._source.last_minute(self.market)

    def trades(self, *, after_ms: float, until_ms: float) -> Trades:
        """Return the trades in ``(after_ms, until_ms]``, real milliseconds."""
        begin = self._clock.path_at(after_ms)
        end = self._clock.path_at(until_ms)
        cells = self._source.cells(
            self.market, math.floor(begin / MINUTE_MS), math.floor(end / MINUTE_MS) + 1
        )
        points = walk(cells)
        a, b = np.searchsorted(points.path_ms, (begin, end), side="right")
        chosen = slice(int(a), int(b))
        # Rounding up keeps a trade from being shown before the path has reached it.
        at = np.ceil(self._real(points.path_ms[chosen])).astype(np.int64)
        return Trades(
            np.clip(at, math.floor(after_ms) + 1, math.floor(until_ms)),
            *(points.price[chosen], points.volume[chosen], points.quote[chosen]),
        )

    def _real(self, path_ms: Ints) -> Floats:
        ahead = (path_ms - self._clock.path_start_ms).astype(np.float64)
        real: Floats = self._clock.start_ms + np.where(
            ahead > 0, ahead / self._clock.speed, ahead
        )
        return real

    def last(self, *, at_ms: float) -> Bars:
        """Return the last trade up to *at_ms* as a bar; empty before the listing."""
        if self._last is not None and self._last[0] <= at_ms:
            new = self._latest(after_ms=self._last[0], until_ms=at_ms)
            self._last = (at_ms, new if len(new) else self._last[1])
            return self._last[1]
        found = self._search(at_ms)
        if self._last is None or at_ms > self._last[0]:
            self._last = (at_ms, found)
        return found

    def present(self, *, now_ms: int) -> tuple[Bars, Bars]:
        """Return (last trade, bar of the minute so far), either possibly empty."""
        begin = now_ms // MINUTE_MS * MINUTE_MS
        trades = self.trades(after_ms=begin - 1, until_ms=now_ms)
        if not len(trades):
            return self.last(at_ms=now_ms), NONE
        last = _last_of(trades)
        if self._last is None or now_ms > self._last[0]:
            self._last = (now_ms, last)
        return last, _bars(trades)

    def _search(self, at_ms: float) -> Bars:
        for reach in _REACH:
            path_reach = reach * MINUTE_MS
            after = self._clock.real_at(self._clock.path_at(at_ms) - path_reach)
            found = self._latest(after_ms=after, until_ms=at_ms)
            if len(found):
                return found
        return NONE

    def _latest(self, *, after_ms: float, until_ms: float) -> Bars:
        return _last_of(self.trades(after_ms=after_ms, until_ms=until_ms))

    def minutes(self, *, first: int, last: int, now_ms: int) -> Bars:
        """Return the minute bars of ``[first, last)``, the forming one included."""
        start, now = self._clock.start_minute, now_ms // MINUTE_MS
        parts = []
        if first < start:
            shift = self._clock.shift
            cells = self._source.cells(
                self.market, first - shift, min(last, start) - shift
            )
            parts.append(from_cells(cells, shift=shift))
        if last > start:
            self._extend_live(now)
            parts.append(self._live.between(max(first, start), last))
        if first <= now < last:
            parts.append(self._traded(now * MINUTE_MS, now_ms))
        return joined(parts)

    def _extend_live(self, now_minute: int) -> None:
        if now_minute > self._live_until:
            end = now_minute * MINUTE_MS - 1
            new = self._traded(self._live_until * MINUTE_MS, end)
            self._live = joined([self._live, new])
            self._live_until = now_minute

    def _traded(self, from_ms: int, until_ms: int) -> Bars:
        return _bars(self.trades(after_ms=from_ms - 1, until_ms=until_ms))

    def hours(self, *, first: int, last: int, now_ms: int) -> Bars:
        """Return the hour bars that begin in ``[first, last)``, the forming included."""
        now_hour = now_ms // HOUR_MS * HOUR
        self._extend_hours(now_hour, now_ms)
        closed = self._hours.between(first, last)
        if not first <= now_hour < last:
            return closed
        present = self.minutes(first=now_hour, last=now_hour + HOUR, now_ms=now_ms)
        return joined([closed, rolled(present, unit=HOUR)])

    def _extend_hours(self, now_hour: int, now_ms: int) -> None:
        begin = self._hours_until
        if begin is None:
            begin = max(self.listed_minute, now_hour - YEAR) // HOUR * HOUR
        if now_hour > begin or self._hours_until is None:
            new = self.minutes(first=begin, last=now_hour, now_ms=now_ms)
            self._hours = joined([self._hours, rolled(new, unit=HOUR)])
            self._hours_until = now_hour

    def candles(self, *, unit: int, before: int, count: int, now_ms: int) -> Bars:
        """Return the newest *count* bars of *unit* minutes that begin before *before*.

        *before* = a real minute, exclusive; fewer bars when the history ends.
        """
        end = min(before, now_ms // MINUTE_MS + 1)
        end = -(-end // unit) * unit
        span, found = count * unit, NONE
        while len(found) < count and end > self.listed_minute:
            begin = max(end - span, self.listed_minute // unit * unit)
            read = self.hours if unit % HOUR == 0 else self.minutes
            more = rolled(read(first=begin, last=end, now_ms=now_ms), unit=unit)
            found = joined([more, found])
            # Quiet coins have few bars: look back further each time.
            end, span = begin, span * 3
        return found.part(max(len(found) - count, 0), len(found))

    @property
    def known(self) -> bool:
        """Tell whether history has been looked through, so that figures are cheap."""
        return self._day is not None

    def day(self, *, now_ms: int) -> Day:
        """Return the figures behind a ticker, computed once a minute."""
        minute = now_ms // MINUTE_MS
        if self._day is None or self._day.minute != minute:
            self._day = self._figures(minute, now_ms)
        return self._day

    def _figures(self, minute: int, now_ms: int) -> Day:
        midnight = minute // DAY * DAY
        recent = self.minutes(first=minute - DAY, last=minute, now_ms=now_ms)
        hours = self.hours(first=minute - YEAR, last=minute, now_ms=now_ms)
        year = rolled(joined([hours.between(0, midnight), recent]), unit=DAY)
        before = hours.between(0, midnight)
        high = int(np.argmax(year.high)) if len(year) else 0
        low = int(np.argmin(year.low)) if len(year) else 0
        return Day(
            minute=minute,
            today=rolled(recent.between(midnight, minute), unit=DAY),
            previous_close=float(before.close[-1]) if len(before) else math.nan,
            quote_24h=float(recent.quote.sum()),
            volume_24h=float(recent.volume.sum()),
            year_high=float(year.high[high]) if len(year) else math.nan,
            year_high_minute=int(year.minute[high]) if len(year) else minute,
            year_low=float(year.low[low]) if len(year) else math.nan,
            year_low_minute=int(year.minute[low]) if len(year) else minute,
        )


def _bars(trades: Trades) -> Bars:
    return from_trades(
        at_ms=trades.at_ms,
        price=trades.price,
        volume=trades.volume,
        quote=trades.quote,
    )


def _last_of(trades: Trades) -> Bars:
    if not len(trades):
        return NONE
    i = len(trades) - 1
    return Bars(
        trades.at_ms[i:] // MINUTE_MS,
        *(trades.price[i:],) * 4,
        *(trades.volume[i:], trades.quote[i:], trades.at_ms[i:]),
    )
