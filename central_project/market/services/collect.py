"""First step: read what is missing since the last run, and nothing twice.

Calls leave at the exchange's pace from the first moment on; whoever works on the coins
meanwhile gets each as soon as its candles are stored.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from datetime import datetime
from typing import Final

from django.db import transaction
from django.db.models import Exists, OuterRef

from central_project.market.models import Candle, Coin, Unit, floor_to
from central_project.market.services.backfill import backfill_market, lacks_history
from central_project.market.services.tails import (
    Candles,
    Tail,
    fetch,
    store,
    tail_of,
)
from central_project.market.source_errors import SourceError
from central_project.market.sources import (
    Book,
    MarketInfo,
    MarketSource,
    Ticker,
)

log = logging.getLogger(__name__)

THREADS: Final = 4
"""The limiter sets the pace; a few threads hide the exchange's answer times."""
BACKFILLS_PER_RUN: Final = 30
"""New markets loaded inside one run (about 11 calls each); the rest waits."""
MAX_FAILED_SHARE: Final = 0.30
"""Above it the ranking would compare a remnant: the previous run stays."""
FAILED_IN_A_ROW: Final = 20
"""So many markets one after the other: the exchange stopped answering."""
PRICE_SECONDS: Final = 5.0
"""A coin is never analysed at an older price."""
COIN_FIELDS: Final = ["korean_name", "english_name", "warning", "cautions", "listed"]


class TooManyFailed(Exception):
    """So many markets failed that the previous results are the better answer."""


class Prices:
    """Last prices of all markets by one call, repeated when they are seconds old."""

    def __init__(
        self, source: MarketSource, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Read them now; raise SourceError."""
        self._source = source
        self._clock = clock
        self._tickers = source.tickers()
        self._read_at = clock()

    def of(self, market: str, /) -> Ticker | None:
        """Return a market's price of now, or of the last answer if there is no newer."""
        if self._clock() - self._read_at > PRICE_SECONDS:
            self._read_at = self._clock()
            try:
                self._tickers = self._source.tickers()
            except SourceError as error:
                log.warning("market.prices.kept: %s", error)
        return self._tickers.get(market)


class Collection:
    """One run's reading of the exchange, under way from the moment it is made."""

    def __init__(
        self,
        *,
        source: MarketSource,
        pool: ThreadPoolExecutor,
        now: datetime,
        history_days: int,
    ) -> None:
        """Send the first calls; raise SourceError if nothing works."""
        self.as_of = now
        """No figure of the run is older: the instant before the first call."""
        self._source, self._days = source, history_days
        self.coins = refresh_coins(infos=source.markets(), now=now)
        self.failed: dict[str, str] = {}
        """Market to machine-readable reason."""
        self._end = floor_to(moment=now, seconds=300)
        self._books = pool.submit(_books, source, [coin.market for coin in self.coins])
        traded = _traded()
        tails = {coin.market: tail_of(coin, self._end, traded) for coin in self.coins}
        self._jobs = {
            pool.submit(fetch, source, tail, self._end): tail
            for tail in tails.values()
            if tail
        }
        self._complete = [
            coin
            for coin in self.coins
            if coin.hours_until is not None and not tails[coin.market]
        ]
        self.prices = Prices(source)

    def books(self) -> dict[str, Book]:
        """Return the order books, waiting for them if need be."""
        return self._books.result()

    def arrivals(self, *, beat: Callable[[], None]) -> Iterator[Coin]:
        """Yield each coin whose candles are stored up to now; note the others' reasons.

        Answers are stored here and not in the threads, so only this thread needs a
        database connection. Raises SourceError or TooManyFailed when it is no use to go on.
        """
        yield from self._complete
        unreadable = in_a_row = 0
        for job in _as_completed(self._jobs, beat):
            tail = self._jobs[job]
            try:
                store(tail, *job.result(), self._end)
            except SourceError as error:
                self._note(tail.coin, error)
                unreadable, in_a_row = unreadable + 1, in_a_row + 1
                _give_up(unreadable, in_a_row, len(self.coins), error)
            else:
                in_a_row = 0
                yield tail.coin
        yield from self._new_coins(beat)

    def _new_coins(self, beat: Callable[[], None], /) -> Iterator[Coin]:
        """Load the history of a few new markets last, so that nobody waits for them."""
        new = [
            coin
            for coin in self.coins
            if lacks_history(coin=coin, now=self.as_of, days=self._days)
        ]
        for coin in new[BACKFILLS_PER_RUN:]:
            if coin.hours_until is None:
                self.failed[coin.market] = "HISTORY_LOADING"
        for coin in new[:BACKFILLS_PER_RUN]:
            was_known = coin.hours_until is not None
            try:
                self._load(coin, beat)
            except SourceError as error:
                self._note(coin, error)
            else:
                if not was_known:
                    yield coin

    def _load(self, coin: Coin, beat: Callable[[], None], /) -> None:
        backfill_market(
            source=self._source,
            coin=coin,
            now=self.as_of,
            days=self._days,
            progress=beat,
        )
        if tail := tail_of(coin, self._end, set()):
            store(tail, *fetch(self._source, tail, self._end), self._end)

    def _note(self, coin: Coin, error: SourceError, /) -> None:
        if error.ends_run:
            raise error
        log.warning("market.coin.unreadable: %s: %s", coin.market, error)
        self.failed[coin.market] = error.coin_code


@contextmanager
def collecting(
    *, source: MarketSource, now: datetime, history_days: int
) -> Iterator[Collection]:
    """Begin to read the exchange; calls that have not left when the block fails never do."""
    with ThreadPoolExecutor(THREADS, thread_name_prefix="candles") as pool:
        try:
            yield Collection(
                source=source, pool=pool, now=now, history_days=history_days
            )
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def refresh_coins(*, infos: Sequence[MarketInfo], now: datetime) -> list[Coin]:
    """Store the exchange's list; a market that vanished stays, marked as not listed."""
    coins = [
        Coin(
            market=info.market,
            korean_name=info.korean_name,
            english_name=info.english_name,
            warning=info.warning,
            cautions=list(info.cautions),
            listed=True,
            seen_at=now,
        )
        for info in infos
    ]
    with transaction.atomic():
        Coin.objects.exclude(market__in=[c.market for c in coins]).update(listed=False)
        Coin.objects.bulk_create(
            coins,
            update_conflicts=True,
            unique_fields=["market"],
            update_fields=[*COIN_FIELDS, "seen_at"],
        )
    return list(Coin.objects.filter(listed=True))


def _books(source: MarketSource, markets: Sequence[str], /) -> dict[str, Book]:
    """Order books refine the gates; without them coins carry a warning instead."""
    try:
        return source.books(markets=markets)
    except SourceError as error:
        log.warning("market.books.missing: %s", error)
        return {}


def _traded() -> set[str]:
    """Return the markets that have a stored candle, by one look at the index for each."""
    hours = Candle.objects.filter(market=OuterRef("market"), unit=Unit.HOUR)
    return set(Coin.objects.filter(Exists(hours)).values_list("market", flat=True))


def _give_up(unreadable: int, in_a_row: int, total: int, error: SourceError, /) -> None:
    """End a run that cannot succeed any more, before every market has timed out."""
    if in_a_row >= FAILED_IN_A_ROW:
        raise SourceError(
            f"{in_a_row} markets one after the other could not be read; last: {error}"
        )
    if unreadable > MAX_FAILED_SHARE * total:
        raise TooManyFailed(
            f"{unreadable} of {total} markets could not be read, the others were not"
            f" tried any more; last: {error}"
        )


def _as_completed(
    jobs: dict[Future[Candles], Tail], beat: Callable[[], None], /
) -> Iterator[Future[Candles]]:
    """Yield finished jobs and keep the heart beating while all of them are slow."""
    waiting = set(jobs)
    while waiting:
        done, waiting = wait(waiting, timeout=2, return_when=FIRST_COMPLETED)
        for job in done:
            beat()
            yield job
        beat()
