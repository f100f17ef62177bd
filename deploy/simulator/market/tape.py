"""One market on the real clock: last price, trades, book, figures and candles."""

from __future__ import annotations

import math
from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Final
from zlib import crc32

from common.money import TickTable, ticks_of
from deploy.simulator.market.books import EMPTY, book
from deploy.simulator.market.clock import DAY, DAY_MS, MINUTE_MS, YEAR, PathClock
from deploy.simulator.market.feed import Book, Trades
from deploy.simulator.market.history import History
from deploy.simulator.market.path import PathSource
from deploy.simulator.market.reel import Last, Reel
from deploy.simulator.market.stretch import Moment, Stretch, Year, stretch
from deploy.simulator.market.ticks import exact

_PATH_MINUTES: Final = 960
"""What a stretch holds; a few thousand trades take under a millisecond to sum up."""
_SPAN_MS: Final = 10_000, 4 * 3_600_000
_AT_HAND: Final = 3
"""Stretches kept: the last one, the present and the next."""


class Tape:
    """One market computed from a path; a `Feed`."""

    ahead_ms = MINUTE_MS

    def __init__(
        self,
        *,
        market: str,
        source: PathSource,
        clock: PathClock,
        ticks: Callable[[], TickTable] | None = None,
    ) -> None:
        self.market = market
        self._reel = Reel(market=market, source=source, clock=clock)
        self.history = History(reel=self._reel)
        self._ticks = ticks or partial(ticks_of, market=market)
        shortest, longest = _SPAN_MS
        span = int(_PATH_MINUTES * MINUTE_MS / clock.speed)
        self._span_ms = min(max(span, shortest), longest)
        # Markets do not begin their stretches together, so that no call pays for all.
        self._offset_ms = crc32(market.encode()) % self._span_ms
        self._stretches: list[Stretch] = []
        self._years: dict[int, Year] = {}
        self._moment: Moment | None = None
        self._book: tuple[Moment, int, TickTable, Book] | None = None

    @property
    def ends_minute(self) -> int | None:
        """Return the path minute after a recording's last one; None: no end."""
        return self._reel.ends_minute

    @property
    def ticks(self) -> TickTable:
        """Return the tick table in force."""
        return self._ticks()

    def price(self, *, at_ms: int) -> Decimal | None:
        """Return the last traded price, or None before the first trade."""
        moment = self.moment(now_ms=at_ms)
        return None if moment is None else exact(moment.price)

    def trades(self, *, after_ms: int, until_ms: int) -> Trades:
        """Return the trades in ``(after_ms, until_ms]``, real milliseconds."""
        for known in self._stretches:
            if known.begin_ms <= after_ms + 1 and until_ms < known.end_ms:
                return known.trades(after_ms=after_ms, until_ms=until_ms)
        return self._reel.trades(after_ms=after_ms, until_ms=until_ms)

    def before(self, *, at_ms: int) -> Last:
        """Return the last trade up to *at_ms*; `NOTHING` before the first."""
        for known in self._stretches:
            if known.begin_ms <= at_ms < known.end_ms:
                return known.before(at_ms=at_ms)
        return self._reel.before(at_ms=at_ms)

    def moment(self, *, now_ms: int) -> Moment | None:
        """Return what the market shows; the same value until something changes.

        None before the first trade.
        """
        last = self._moment
        if last is not None and last.from_ms <= now_ms < last.until_ms:
            return last
        found = self._stretch(now_ms).moment(now_ms=now_ms)
        if found is not None:
            if last is not None and _alike(last, found):
                found.frame = last.frame
            self._moment = found
        return found

    def previous_close(self, *, day: int) -> float:
        """Return the last price before a UTC day (since 1970).

        On the day of the first trade that trade's price; NaN before it.
        """
        known = self._years.get(day)
        if known is not None and not math.isnan(known.previous_close):
            return known.previous_close
        begin = day * DAY_MS - 1
        close = self.before(at_ms=begin).price
        if not math.isnan(close):
            return close
        first = self._reel.trades(after_ms=begin, until_ms=begin + DAY_MS)
        return first.price.item(0) if len(first) else math.nan

    def book(self, *, at_ms: int) -> Book:
        """Return the book, the same for all of a second until the price changes."""
        moment, second, ticks = self.moment(now_ms=at_ms), at_ms // 1000, self.ticks
        if moment is None:
            return EMPTY
        last = self._book
        if last is None or last[:3] != (moment, second, ticks):
            made = book(
                market=self.market,
                price=exact(moment.price),
                turnover=moment.quote_24h,
                ticks=ticks,
                second=second,
            )
            last = self._book = (moment, second, ticks, made)
        return last[3]

    def inject(self, *, price: Decimal, volume: Decimal, at_ms: int) -> None:
        """Add a trade of somebody else; it is the last price until the next one."""
        self._reel.add(price=price, volume=volume, at_ms=at_ms)
        self._forget(at_ms)

    def set_halted(self, *, on: bool, at_ms: int) -> None:
        """Trade no more from *at_ms* on, or again; asking twice changes nothing."""
        if self._reel.set_halted(on=on, at_ms=at_ms):
            self._forget(at_ms)

    def _forget(self, at_ms: int) -> None:
        """Drop what was computed of an instant and of all after it."""
        self.history.forget(from_minute=at_ms // MINUTE_MS)
        self._stretches = [s for s in self._stretches if s.end_ms <= at_ms]
        self._years = {d: y for d, y in self._years.items() if d * DAY_MS <= at_ms}
        self._moment = self._book = None

    def look_back(self, *, now_ms: int) -> bool:
        """Compute the last 52 weeks; False when they are known."""
        known = now_ms // DAY_MS in self._years
        self._year(now_ms // DAY_MS)
        return not known

    def look_ahead(self, *, now_ms: int) -> bool:
        """Sum up what comes after the stretch of *now_ms*; False when it is known."""
        end_ms = self._stretch(now_ms).end_ms
        if any(known.begin_ms == end_ms for known in self._stretches):
            return False
        self._stretch(end_ms)
        return True

    def _stretch(self, at_ms: int) -> Stretch:
        for known in self._stretches:
            if known.begin_ms <= at_ms < known.end_ms:
                return known
        made = self._made(at_ms)
        kept = sorted([*self._stretches, made], key=lambda one: one.begin_ms)
        self._stretches = kept[-_AT_HAND:]
        return made

    def _made(self, at_ms: int) -> Stretch:
        begin = (at_ms - self._offset_ms) // self._span_ms * self._span_ms
        begin, midnight = begin + self._offset_ms, at_ms // DAY_MS * DAY_MS
        end, begin = min(begin + self._span_ms, midnight + DAY_MS), max(begin, midnight)
        first = begin // MINUTE_MS
        recent = self.history.minutes(
            first=first - DAY, last=first + 1, now_ms=begin - 1
        )
        return stretch(
            begin_ms=begin,
            end_ms=end,
            trades=self._reel.trades(after_ms=begin - 1, until_ms=end - 1),
            before=self.before(at_ms=begin - 1),
            recent=recent,
            year=self._year(midnight // DAY_MS),
        )

    def _year(self, day: int) -> Year:
        if day not in self._years:
            if len(self._years) >= _AT_HAND:
                del self._years[min(self._years)]
            extremes = self.history.extremes(
                first=day * DAY - YEAR, last=day * DAY, now_ms=day * DAY_MS
            )
            close = self.before(at_ms=day * DAY_MS - 1).price
            self._years[day] = Year(extremes, close)
        return self._years[day]


def _alike(one: Moment, other: Moment) -> bool:
    """Tell whether two moments share what most trades leave as it is."""
    return (
        one.high == other.high
        and one.low == other.low
        and one.opening == other.opening
        and one.year is other.year
    )
