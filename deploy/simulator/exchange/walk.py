"""Finds the next outside trade that reaches a resting order, without asking twice.

Orders rest for hours while clients ask several times a second. A path knows its future,
so a stretch of it is fetched at a time and searched once per change of the touch.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import numpy as np

from deploy.simulator.market.feed import Feed
from deploy.simulator.market.ticks import Floats, exact

Touch = tuple[Decimal | None, Decimal | None]


class Hit(NamedTuple):
    """A trade that reaches a resting order."""

    price: Decimal
    volume: Decimal
    at_ms: int


class Walk:
    """One market's outside trades from an instant on, each looked at once."""

    def __init__(self, *, feed: Feed, at_ms: int) -> None:
        self._feed = feed
        self.passed_ms = at_ms
        self._known_ms = at_ms
        self._trades = feed.trades(after_ms=at_ms, until_ms=at_ms)
        self._index = 0
        self._found: tuple[Touch, int] | None = None

    def skip(self, *, until_ms: int) -> None:
        """Let the trades up to *until_ms* pass without looking at them."""
        self.passed_ms = max(self.passed_ms, until_ms)
        self._found = None

    def next_hit(self, *, touch: Touch, until_ms: int) -> Hit | None:
        """Return the next trade up to *until_ms* at or through the *touch*.

        *touch* = (highest resting bid, lowest resting ask). None: all trades up to
        *until_ms* have passed.
        """
        while True:
            hit = self._search(touch)
            if hit < len(self._trades):
                if self._trades.at_ms[hit] > until_ms:
                    break
                return self._take(hit)
            if self._known_ms >= until_ms:
                break
            self._fetch(until_ms)
        self.passed_ms = max(self.passed_ms, until_ms)
        return None

    def _take(self, hit: int) -> Hit:
        self._index, self._found = hit + 1, None
        return Hit(
            exact(float(self._trades.price[hit])),
            exact(float(self._trades.volume[hit])),
            int(self._trades.at_ms[hit]),
        )

    def _fetch(self, until_ms: int) -> None:
        begin, end = (
            max(self._known_ms, self.passed_ms),
            until_ms + self._feed.ahead_ms,
        )
        self._trades = self._feed.trades(after_ms=begin, until_ms=end)
        self._known_ms, self._index, self._found = end, 0, None

    def _search(self, touch: Touch) -> int:
        """Return the index of the first trade to come that hits, or the length."""
        if self._found is None or self._found[0] != touch:
            passed = np.searchsorted(self._trades.at_ms, self.passed_ms, side="right")
            first = max(self._index, int(passed))
            hit = first + _first_hit(self._trades.price[first:], touch)
            self._found = (touch, hit)
        return self._found[1]


def _first_hit(prices: Floats, touch: Touch) -> int:
    bid, ask = touch
    # Floats are exact enough: prices of one market differ by whole ticks.
    low = -np.inf if bid is None else float(bid) * (1 + 1e-12)
    high = np.inf if ask is None else float(ask) * (1 - 1e-12)
    hits = np.flatnonzero((prices <= low) | (prices >= high))
    return int(hits[0]) if len(hits) else len(prices)
