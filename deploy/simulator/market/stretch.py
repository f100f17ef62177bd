"""A stretch of a market's coming trades, with the day's figures after each of them.

Everything a ticker shows is summed up once for many trades, so that reading it at an
instant is a search and a row. What a stretch holds does not depend on who asked when.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from deploy.simulator.market.bars import Bars, rolled
from deploy.simulator.market.clock import DAY, MINUTE_MS
from deploy.simulator.market.feed import Trades
from deploy.simulator.market.path import Extremes, Ints
from deploy.simulator.market.reel import NEVER, Last, directions
from deploy.simulator.market.ticks import Floats


class Year(NamedTuple):
    """What came before a day."""

    extremes: Extremes
    """Of 52 weeks."""
    previous_close: float
    """NaN on the day of the first trade."""


@dataclass(slots=True, eq=False)
class Moment:
    """What a market shows from one instant until something changes."""

    from_ms: int
    until_ms: int
    at_ms: int
    """Instant of the last trade."""
    opening: float
    year: Year
    price: float
    volume: float
    high: float
    low: float
    quote_today: float
    volume_today: float
    quote_24h: float
    volume_24h: float
    frame: tuple[str, str] | None = None
    """How the ticker puts what most trades leave as it is, once somebody has asked."""
    text: str = ""
    """How it puts all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Trades of ``[begin_ms, end_ms)`` within one UTC day; the one before leads them."""

    begin_ms: int
    end_ms: int
    at_ms: Ints
    """Instants of the trades, and the stretch's end."""
    bid: NDArray[np.bool_]
    figures: Floats
    """Per trade: price, volume, high, low, quote and volume today and in 24 hours."""
    quote: Floats
    fallen_out: list[tuple[float, float]]
    """Per real minute: quote and volume that 24 hours no longer hold."""
    openings: tuple[float, float]
    """The day's opening up to the begin, and since the first trade here."""
    year: Year

    def trades(self, *, after_ms: int, until_ms: int) -> Trades:
        """Return the trades in ``(after_ms, until_ms]`` that are in the stretch."""
        a, b = self.at_ms.searchsorted((after_ms, until_ms), side="right").tolist()
        price, volume = self.figures[a:b, 0], self.figures[a:b, 1]
        return Trades(self.at_ms[a:b], price, volume, self.quote[a:b])

    def before(self, *, at_ms: int) -> Last:
        """Return the last trade up to an instant of the stretch."""
        i = self._index(at_ms)
        price, volume = self.figures[i, :2].tolist()
        return Last(self.at_ms.item(i), price, volume, self.bid.item(i))

    def _index(self, now_ms: int) -> int:
        return int(self.at_ms.searchsorted(now_ms, side="right")) - 1

    def moment(self, *, now_ms: int) -> Moment | None:
        """Return the figures at an instant of the stretch; None before any trade."""
        i = self._index(now_ms)
        at_ms, following = self.at_ms[i : i + 2].tolist()
        if at_ms == NEVER:
            return None
        minute_ms = now_ms - now_ms % MINUTE_MS
        row: list[float] = self.figures[i].tolist()
        begin_ms = max(at_ms, self.begin_ms)
        if begin_ms < minute_ms:
            self._let_fall(row, begin_ms, minute_ms)
            begin_ms = minute_ms
        until_ms, opening = min(following, minute_ms + MINUTE_MS), self.openings[i > 0]
        price, volume, high, low, quote, coins, quote_24h, coins_24h = row
        head = begin_ms, until_ms, at_ms, opening, self.year
        return Moment(
            *head, price, volume, high, low, quote, coins, quote_24h, coins_24h
        )

    def _let_fall(self, row: list[float], at_ms: int, now_ms: int) -> None:
        """Take from *row*, true at *at_ms*, what 24 hours no longer hold."""
        first = self.begin_ms // MINUTE_MS
        held = self.fallen_out[at_ms // MINUTE_MS - first]
        gone = self.fallen_out[now_ms // MINUTE_MS - first]
        # Silence leaves the dust of two long sums.
        row[6] = max(row[6] - (gone[0] - held[0]), 0.0)
        row[7] = max(row[7] - (gone[1] - held[1]), 0.0)


def stretch(
    *,
    begin_ms: int,
    end_ms: int,
    trades: Trades,
    before: Last,
    recent: Bars,
    year: Year,
) -> Stretch:
    """Sum up the *trades* of ``[begin_ms, end_ms)``.

    *recent* = the minutes of the 24 hours up to *begin_ms*, cut there.
    """
    first = begin_ms // MINUTE_MS
    today = rolled(recent.between(first // DAY * DAY, first + 1), unit=DAY)
    price = np.concatenate(([before.price], trades.price))
    high, low = price.copy(), price.copy()
    if len(today):
        high[0], low[0] = today.high[0], today.low[0]
    # Without a trade today the head shows the last price, which counts no further.
    counted = 0 if len(today) else 1
    np.maximum.accumulate(high[counted:], out=high[counted:])
    np.minimum.accumulate(low[counted:], out=low[counted:])
    opening = float(today.open[0]) if len(today) else before.price
    since = opening if len(today) or not len(trades) else float(trades.price[0])
    fallen_out = _fallen_out(recent, first, (end_ms - 1) // MINUTE_MS)
    minutes = trades.at_ms // MINUTE_MS - first
    gone = fallen_out[np.concatenate(([0], minutes))]
    columns = (
        *(price, np.concatenate(([before.volume], trades.volume)), high, low),
        *(_running(trades.quote, today.quote), _running(trades.volume, today.volume)),
        _running(trades.quote, recent.quote) - gone[:, 0],
        _running(trades.volume, recent.volume) - gone[:, 1],
    )
    return Stretch(
        begin_ms=begin_ms,
        end_ms=end_ms,
        at_ms=np.concatenate(([before.at_ms], trades.at_ms, [end_ms])),
        bid=directions(price, bid=before.bid),
        figures=np.column_stack(columns),
        quote=np.concatenate(([0.0], trades.quote)),
        fallen_out=[(quote, volume) for quote, volume in fallen_out.tolist()],
        openings=(opening, since),
        year=year,
    )


def _running(amounts: Floats, earlier: Floats) -> Floats:
    """Return the sums before and after each amount, the earlier ones in."""
    sums = np.empty(len(amounts) + 1)
    sums[0] = earlier.sum()
    sums[1:] = amounts
    return np.cumsum(sums, out=sums)


def _fallen_out(recent: Bars, first: int, last: int) -> Floats:
    """Return what the 24 hours before *first* held and each later minute's do not."""
    at = np.searchsorted(recent.minute, np.arange(first, last + 1) - DAY)
    sums = np.zeros((len(recent) + 1, 2))
    np.cumsum(np.column_stack((recent.quote, recent.volume)), axis=0, out=sums[1:])
    found: Floats = sums[at]
    return found
