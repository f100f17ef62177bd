"""Last prices of the wanted markets: told by a line, read where the line says nothing.

A coin that nobody trades is not told again, yet its price is as good as new while the
line is alive. So an answered ping makes every told price as fresh as that ping. That
trusts the exchange to tell all it should; therefore each price is also read again when
nobody told it for 5 seconds, in one call for all of them, and a line that has missed a
trade by then is replaced.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from user_project.exchanges.adapter import ExchangeAdapter, ExchangeError
from user_project.exchanges.streams import (
    Alive,
    Audience,
    Event,
    Line,
    Listener,
    now_utc,
)
from user_project.trading.orders import PriceQuote

log = logging.getLogger(__name__)

TOLD_FOR: Final = timedelta(seconds=5)
"""So long an answered ping can keep a told price fresh."""
KNOWN_FOR: Final = timedelta(seconds=60)
"""A market without a price for so long is left out of the line's subscription."""
READ_EVERY_SECONDS: Final = 1


class PriceBoard:
    """The last price of each market, as old as it was last told or proven."""

    def __init__(self) -> None:
        self._told: dict[str, PriceQuote] = {}
        self._covered: frozenset[str] = frozenset()
        self._proven_at: datetime | None = None

    def cover(self, markets: Collection[str], /) -> None:
        """A line now tells these markets; proof of an earlier line is void."""
        self._covered, self._proven_at = frozenset(markets), None

    def tell(self, quote: PriceQuote, /) -> bool:
        """Take a quote unless a younger one is there; tell whether the price changed."""
        before = self._told.get(quote.market)
        if before is not None and before.received_at > quote.received_at:
            return False
        self._told[quote.market] = quote
        return before is None or before.price != quote.price

    def prove(self, *, at: datetime) -> None:
        """All that the line had to tell until *at* has been told."""
        self._proven_at = at

    def quote(self, market: str, /) -> PriceQuote | None:
        """Return the last price with the instant it is known to hold for."""
        told = self._told.get(market)
        if told is None or self._proven_at is None or market not in self._covered:
            return told
        proven_at = min(self._proven_at, told.received_at + TOLD_FOR)
        return told.held_at(max(told.received_at, proven_at))

    def untold(self, markets: Iterable[str], /, *, now: datetime) -> list[str]:
        """Return the markets that have to be read: no line tells them, or not lately."""
        return [
            market
            for market in markets
            if market not in self._covered
            or market not in self._told
            or now - self._told[market].received_at >= TOLD_FOR
        ]

    def covers(self, market: str, /) -> bool:
        """Tell whether a line tells this market."""
        return market in self._covered

    def told_at(self, market: str, /) -> datetime | None:
        """Return when the price was last told or read, whatever was proven since."""
        told = self._told.get(market)
        return None if told is None else told.received_at

    def known(self, markets: Iterable[str], /, *, now: datetime) -> frozenset[str]:
        """Return the markets that a line tells or that had a price a minute ago."""
        return frozenset(
            market
            for market in markets
            if market in self._covered
            or (
                market in self._told
                and now - self._told[market].received_at < KNOWN_FOR
            )
        )


class PriceFeed(Audience):
    """Keeps the board of the wanted markets; a thread listens, another one reads."""

    def __init__(
        self,
        *,
        adapter: ExchangeAdapter,
        clock: Callable[[], datetime] = now_utc,
        rang: threading.Event | None = None,
    ) -> None:
        """*rang* is set with each changed price, for whoever waits for several feeds."""
        self._adapter = adapter
        self._clock = clock
        self._rang = rang or threading.Event()
        self._lock = threading.Lock()
        self._board = PriceBoard()
        self._wanted: frozenset[str] = frozenset()
        self._subscribed: frozenset[str] = frozenset()
        self._changed: set[str] = set()
        self._missed: set[str] = set()
        self._failed = False
        self._heard_at: datetime | None = None
        self._stopping = threading.Event()
        self._listener = Listener(
            name="prices", open_line=self._open_line, audience=self, clock=clock
        )
        self._reader = threading.Thread(target=self._read, name="prices", daemon=True)

    def start(self) -> None:
        """Begin to listen and to read."""
        self._listener.start()
        self._reader.start()

    def stop(self) -> None:
        """End both threads within a moment."""
        self._stopping.set()
        self._listener.stop()

    def want(self, markets: Collection[str], /) -> None:
        """Follow exactly these markets; the line is opened anew when they changed."""
        with self._lock:
            self._wanted = frozenset(markets)
            now = self._clock()
            stale = self._board.known(self._wanted, now=now) != self._subscribed
        if stale:
            self._listener.reopen()

    @property
    def heard_at(self) -> datetime | None:
        """Return when the exchange last said anything, by line or answer."""
        return self._heard_at

    def take(self) -> dict[str, PriceQuote]:
        """Return the quotes whose price changed since the last call."""
        with self._lock:
            changed, self._changed = self._changed & self._wanted, set()
            return self._quotes(changed)

    def quotes(self) -> dict[str, PriceQuote]:
        """Return the quotes of all wanted markets, each with its age."""
        with self._lock:
            return self._quotes(self._wanted)

    def read_untold(self) -> None:
        """Read once what the line does not tell, or has not told lately."""
        with self._lock:
            asked_at = self._clock()
            markets = self._board.untold(sorted(self._wanted), now=asked_at)
            swallowed = self._missed.intersection(markets)
        if swallowed:
            log.warning("the line tells nothing of %s; another one", min(swallowed))
            self._listener.reopen()
        if not markets:
            return
        try:
            quotes = self._adapter.get_prices(markets=markets)
        except ExchangeError as error:
            self._note_reading(problem=error)
            return
        self._note_reading(problem=None)
        with self._lock:
            self._heard_at = self._clock()
            for quote in quotes.values():
                self._learn(quote, asked_at=asked_at)

    def opened(self, *, at: datetime) -> None:
        """From now on the line tells what it was opened for."""
        with self._lock:
            self._board.cover(self._subscribed)
            self._missed.clear()

    def hear(self, event: Event, *, at: datetime, pinged_at: datetime) -> None:
        """Take a price, or the proof that none was missed."""
        with self._lock:
            self._heard_at = at
            if isinstance(event, PriceQuote):
                self._missed.discard(event.market)
                self._note(replace(event, received_at=at))
            elif isinstance(event, Alive):
                self._board.prove(at=pinged_at)

    def lost(self) -> None:
        """Prices only age from now on, until they are read."""
        with self._lock:
            self._board.cover(())
            self._missed.clear()

    def _learn(self, quote: PriceQuote, *, asked_at: datetime) -> None:
        told_at = self._board.told_at(quote.market)
        if told_at is not None and told_at > asked_at:
            return  # what the line told meanwhile is younger than the answer
        if self._note(quote) and self._board.covers(quote.market):
            # A trade that the line is about to tell, or one that it never will.
            self._missed.add(quote.market)

    def _note(self, quote: PriceQuote) -> bool:
        is_new = self._board.tell(quote)
        if is_new:
            self._changed.add(quote.market)
            self._rang.set()
        return is_new

    def _note_reading(self, *, problem: ExchangeError | None) -> None:
        """Log the first of several failures, and the end of them."""
        failed, self._failed = self._failed, problem is not None
        if problem is not None and not failed:
            log.warning("no prices: %s", problem)
        elif failed and problem is None:
            log.info("prices are read again")

    def _quotes(self, markets: Iterable[str]) -> dict[str, PriceQuote]:
        quotes = {market: self._board.quote(market) for market in markets}
        return {market: quote for market, quote in quotes.items() if quote is not None}

    def _open_line(self) -> Line | None:
        with self._lock:
            markets = self._board.known(self._wanted, now=self._clock())
            self._subscribed = markets
        return self._adapter.stream_prices(markets=sorted(markets)) if markets else None

    def _read(self) -> None:
        while not self._stopping.wait(READ_EVERY_SECONDS):
            try:
                self.read_untold()
            except Exception:
                # The thread must outlive whatever the exchange invents.
                log.exception("prices were not read")
