"""One market's candles: computed once, kept, and never shown before their time."""

from __future__ import annotations

from deploy.simulator.market.bars import (
    NONE,
    Bars,
    from_cells,
    from_trades,
    grouped,
    joined,
    rolled,
)
from deploy.simulator.market.clock import DAY, HOUR, HOUR_MS, MINUTE_MS
from deploy.simulator.market.path import Extremes, extremes
from deploy.simulator.market.periods import Period
from deploy.simulator.market.reel import Reel

_PIECE = 10 * DAY
"""Path minutes that are computed at a time: a few milliseconds' work."""
_KEPT = 2 * DAY
"""Real minutes that stay at hand; older ones are computed again when asked for."""
SECONDS_KEPT = 91 * DAY * 60
"""Seconds that candles of one second reach back."""


class History:
    """Minute bars of what has happened, and the hour bars made of them."""

    def __init__(self, *, reel: Reel) -> None:
        self._reel = reel
        self._start = reel.clock.start_minute
        self._piece = max(1, int(_PIECE / max(reel.clock.speed, 1.0)))
        self._recent = NONE  # closed minutes of [_recent_from, _recent_until)
        self._recent_from = self._recent_until = self._start - DAY
        self._hours = NONE  # closed real hours of [_hours_from, _hours_until)
        self._hours_from = self._hours_until = self._start // HOUR * HOUR

    def forget(self, *, from_minute: int) -> None:
        """Drop what was computed of a minute and all after it."""
        if from_minute < self._recent_until:
            self._recent_until = max(from_minute, self._recent_from)
            self._recent = self._recent.between(self._recent_from, self._recent_until)
        hour = from_minute // HOUR * HOUR
        if hour < self._hours_until:
            self._hours_until = max(hour, self._hours_from)
            self._hours = self._hours.between(self._hours_from, self._hours_until)

    def minutes(self, *, first: int, last: int, now_ms: int) -> Bars:
        """Return the minute bars of ``[first, last)``, the forming one included."""
        now = now_ms // MINUTE_MS
        closed = min(last, now)
        if closed > self._recent_from:
            self._extend(closed)
        parts = []
        if first < min(closed, self._recent_from):
            parts.append(self._computed(first, min(closed, self._recent_from)))
        parts.append(self._recent.between(first, closed))
        if first <= now < last:
            parts.append(self._traded(now * MINUTE_MS, now_ms))
        return joined(parts)

    def _extend(self, until: int) -> None:
        if until > self._recent_until:
            new = self._computed(self._recent_until, until)
            self._recent, self._recent_until = joined([self._recent, new]), until
        if self._recent_until - self._recent_from > 2 * _KEPT:
            self._recent_from = self._recent_until - _KEPT
            self._recent = self._recent.between(self._recent_from, self._recent_until)

    def _computed(self, first: int, last: int) -> Bars:
        """Return closed minutes from the path itself."""
        parts = []
        if first < self._start:
            cells = self._reel.cells(first=first, last=min(last, self._start))
            parts.append(from_cells(cells, shift=self._reel.clock.shift))
        for begin in range(max(first, self._start), last, self._piece):
            end = min(begin + self._piece, last)
            parts.append(self._traded(begin * MINUTE_MS, end * MINUTE_MS - 1))
        return joined(parts)

    def _traded(self, from_ms: int, until_ms: int) -> Bars:
        return from_trades(self._reel.trades(after_ms=from_ms - 1, until_ms=until_ms))

    def hours(self, *, first: int, last: int, now_ms: int) -> Bars:
        """Return the hour bars that begin in ``[first, last)``, the forming included."""
        now = now_ms // HOUR_MS * HOUR
        while self.look_back(to_minute=first):
            pass
        self._extend_hours(now)
        closed = self._hours.between(first, min(last, now))
        if not first <= now < last:
            return closed
        forming = self.minutes(first=now, last=now + HOUR, now_ms=now_ms)
        return joined([closed, rolled(forming, unit=HOUR)])

    def _extend_hours(self, until: int) -> None:
        if until > self._hours_until:
            new = self.minutes(
                first=self._hours_until, last=until, now_ms=until * MINUTE_MS
            )
            self._hours = joined([self._hours, rolled(new, unit=HOUR)])
            self._hours_until = until

    def extremes(self, *, first: int, last: int, now_ms: int) -> Extremes:
        """Return the extremes of ``[first, last)``, whole days before *now_ms*."""
        lived = self._start // DAY * DAY
        found = self._reel.extremes(first=first, last=min(last, lived))
        hours = self.hours(first=max(first, lived), last=last, now_ms=now_ms)
        return found.wider(
            extremes(minute=hours.minute, high=hours.high, low=hours.low)
        )

    def look_back(self, *, to_minute: int) -> bool:
        """Compute some more old hours; False when they reach back to *to_minute*."""
        goal = max(to_minute, self._reel.listed_minute) // HOUR * HOUR
        if self._hours_from <= goal:
            return False
        begin = max(goal, self._hours_from - _PIECE)
        end = self._hours_from
        old = self.minutes(first=begin, last=end, now_ms=end * MINUTE_MS)
        self._hours = joined([rolled(old, unit=HOUR), self._hours])
        self._hours_from = begin
        return True

    def candles(self, *, period: Period, before: int, count: int, now_ms: int) -> Bars:
        """Return the newest *count* bars that begin before the minute *before*.

        *before* = a real minute, exclusive; fewer bars when the history ends.
        """
        end = period.after(min(before - 1, now_ms // MINUTE_MS))
        span, found = count * period.longest, NONE
        read = self.hours if period.of_hours else self.minutes
        while len(found) < count and end > self._reel.listed_minute:
            begin = period.floor(max(end - span, self._reel.listed_minute))
            fine = read(first=begin, last=end, now_ms=now_ms)
            found = joined([grouped(fine, begin=period.begin(fine.minute)), found])
            # Quiet coins have few bars: look back further each time.
            end, span = begin, span * 3
        return found.part(max(len(found) - count, 0), len(found))

    def seconds(self, *, before_ms: int, count: int, now_ms: int) -> Bars:
        """Return the newest *count* bars of one second that begin before *before_ms*.

        They reach back three months; ``minute`` of these bars is a second.
        """
        end = min(-(-before_ms // 1000), now_ms // 1000 + 1)
        oldest = now_ms // 1000 - SECONDS_KEPT
        span, found = max(count, 60), NONE
        while len(found) < count and end > oldest:
            begin = max(end - span, oldest)
            until_ms = min(end * 1000 - 1, now_ms)
            trades = self._reel.trades(after_ms=begin * 1000 - 1, until_ms=until_ms)
            found = joined([from_trades(trades, unit_ms=1000), found])
            if begin // 60 < self._reel.listed_minute:
                break
            end, span = begin, min(span * 3, self._piece * 60)
        return found.part(max(len(found) - count, 0), len(found))
