"""One market of an upstream exchange, as the matching sees it.

Trades are stamped when they arrive here, each later than whatever was looked at before,
so that none is missed however late the network brings it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Final, NamedTuple

import numpy as np

from deploy.simulator.market.feed import Book, Trades
from deploy.simulator.upstream.reads import Deal, Quote

KEPT_MS: Final = 600_000
"""Trades are forgotten after ten minutes; the matching looks four times a second."""
KNOWN_NUMBERS: Final = 20_000
BOOK_MS: Final = 5_000
"""A book that no stream keeps up to date is nobody's offer any more after this time."""
NO_BOOK: Final = Book(asks=(), bids=())


class _Stamped(NamedTuple):
    at_ms: int
    price: float
    volume: float


class UpstreamFeed:
    """A market's last price, book and trades since somebody listens."""

    ahead_ms = 0

    def __init__(self, *, market: str, now_ms: Callable[[], int]) -> None:
        self.market = market
        self.streamed = False
        """Whether a stream tells every trade and change of the book."""
        self._now_ms = now_ms
        self._trades: deque[_Stamped] = deque()
        self._looked_ms = 0
        self._numbers: dict[int, None] = {}
        self._price: Decimal | None = None
        self._price_ms = 0
        self._from_ms = 0
        self._told_ms = 0
        self._book, self._book_ms = NO_BOOK, 0
        self._losses, self._made_up = 1, 0

    # --- what the matching asks ---------------------------------------------------

    def price(self, *, at_ms: int) -> Decimal | None:
        """Return the last known price; None before anything was heard."""
        return self._price

    def trades(self, *, after_ms: int, until_ms: int) -> Trades:
        """Return the trades that arrived in ``(after_ms, until_ms]``."""
        self._looked_ms = max(self._looked_ms, until_ms)
        found = [one for one in self._trades if after_ms < one.at_ms <= until_ms]
        price = np.array([one.price for one in found], np.float64)
        volume = np.array([one.volume for one in found], np.float64)
        at = np.array([one.at_ms for one in found], np.int64)
        return Trades(at, price, volume, price * volume)

    def book(self, *, at_ms: int) -> Book:
        """Return the last known book; empty when it is too old to rely on."""
        is_recent = self._now_ms() - self._book_ms <= BOOK_MS
        return self._book if self.streamed or is_recent else NO_BOOK

    def inject(self, *, price: Decimal, volume: Decimal, at_ms: int) -> None:
        """Take the price of somebody's trade here over, until the upstream's next one.

        Whoever injects it lets it meet the orders; it is none of the upstream's trades.
        """
        self._price = price

    def set_halted(self, *, on: bool, at_ms: int) -> None:
        """Do nothing: the upstream trades on, and what it shows is passed through."""

    # --- what the upstream tells --------------------------------------------------

    @property
    def since_ms(self) -> int:
        """Return the upstream's instant from which trades may be unknown."""
        return max(self._from_ms, self._told_ms)

    @property
    def has_news(self) -> bool:
        """Tell whether the last price came about by a trade that is not known."""
        return self._price_ms >= self._from_ms and self._price_ms > self._told_ms

    def begin(self, *, from_ms: int) -> None:
        """Care for trades from an instant of the upstream on, none before it."""
        self._from_ms = max(self._from_ms, from_ms)

    def quoted(self, quote: Quote, /) -> None:
        """Take the last price over, without the trades that led to it."""
        self._priced(quote.price, quote.traded_ms)

    def offered(self, book: Book, /) -> None:
        """Take the book over."""
        self._book, self._book_ms = book, self._now_ms()

    def traded(self, deals: Iterable[Deal], /) -> None:
        """Take trades over, oldest first; one heard before counts once."""
        for deal in deals:
            if deal.traded_ms < self._from_ms or deal.number in self._numbers:
                continue
            if deal.number is not None:
                self._numbers[deal.number] = None
            self._append(deal)
            self._priced(deal.price, deal.traded_ms)
            if not self.is_behind:  # else those in between are still unknown
                self._told_ms = max(self._told_ms, deal.traded_ms)
        while len(self._numbers) > KNOWN_NUMBERS:
            del self._numbers[next(iter(self._numbers))]

    def _priced(self, price: Decimal, traded_ms: int) -> None:
        if traded_ms >= self._price_ms:
            self._price, self._price_ms = price, traded_ms

    def _append(self, deal: Deal) -> None:
        last_ms = self._trades[-1].at_ms if self._trades else 0
        at_ms = max(self._now_ms() + 1, self._looked_ms + 1, last_ms)
        self._trades.append(_Stamped(at_ms, float(deal.price), float(deal.volume)))
        while self._trades[0].at_ms < at_ms - KEPT_MS:
            self._trades.popleft()

    # --- gaps ---------------------------------------------------------------------

    @property
    def losses(self) -> int:
        """Return how often trades may have been missed so far."""
        return self._losses

    @property
    def is_behind(self) -> bool:
        """Tell whether trades may have been missed and not been made up for."""
        return self._made_up < self._losses

    def lost(self) -> None:
        """Note that nobody listens any more."""
        self.streamed = False
        self._losses += 1

    def made_up(self, deals: Sequence[Deal], /, *, losses: int) -> None:
        """Take over what was missed up to a number of losses, oldest first."""
        self.traded(deals)
        if deals:
            self._told_ms = max(self._told_ms, deals[-1].traded_ms)
        self._made_up = max(self._made_up, losses)
