"""First step: read what is missing since the last run, and nothing twice."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import transaction

from central_project.market.models import Coin, Unit, floor_to
from central_project.market.services.backfill import backfill_market, lacks_history
from central_project.market.services.candles import (
    FIVE_MINUTES,
    HOUR,
    roll_up,
    store_candles,
)
from central_project.market.sources import (
    Book,
    CandleRow,
    MarketInfo,
    MarketSource,
    SourceError,
    Ticker,
)
from common.upbit import CANDLE_PAGE

log = logging.getLogger(__name__)

THREADS: Final = 4
"""The limiter sets the pace; a few threads hide the exchange's answer times."""
BACKFILLS_PER_RUN: Final = 30
"""New markets loaded inside one run (about 11 calls each); the rest waits."""
COIN_FIELDS: Final = ["korean_name", "english_name", "warning", "cautions", "listed"]


@dataclass(frozen=True, kw_only=True)
class Collected:
    """What one run knows of the exchange beyond the stored candles."""

    as_of: datetime
    """No figure is newer promised than this: the instant before the first call."""
    coins: list[Coin]
    tickers: dict[str, Ticker]
    books: dict[str, Book]
    failed: dict[str, str]
    """Market to machine-readable reason."""


@dataclass(frozen=True)
class _Tail:
    """Candles to fetch for one coin: whole hours first if too much is missing."""

    coin: Coin
    hours_from: datetime | None
    minutes_from: datetime


def collect(
    *,
    source: MarketSource,
    now: datetime,
    history_days: int,
    beat: Callable[[], None],
) -> Collected:
    """Refresh coins, prices, order books and candles; raise SourceError if nothing works.

    One market's failure is noted in ``failed`` and stops nobody else.
    """
    coins = refresh_coins(infos=source.markets(), now=now)
    tickers = source.tickers()
    books = _books(source, [coin.market for coin in coins])
    beat()
    failed = _load_new(source, coins, now, history_days, beat)
    known = [coin for coin in coins if coin.hours_until is not None]
    failed |= _collect_tails(source, known, now, beat)
    failed |= {c.market: "NO_PRICE" for c in coins if c.market not in tickers}
    return Collected(
        as_of=now, coins=coins, tickers=tickers, books=books, failed=failed
    )


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
        log.warning("order books are missing in this run: %s", error)
        return {}


def _load_new(
    source: MarketSource,
    coins: Sequence[Coin],
    now: datetime,
    history_days: int,
    beat: Callable[[], None],
    /,
) -> dict[str, str]:
    """Backfill a few markets whose history is incomplete; return those without any."""
    new = [c for c in coins if lacks_history(coin=c, now=now, days=history_days)]
    # Those without any history first: they cannot be analysed at all.
    new.sort(key=lambda coin: coin.hours_until is not None)
    failed = {
        coin.market: "HISTORY_LOADING"
        for coin in new[BACKFILLS_PER_RUN:]
        if coin.hours_until is None
    }
    for coin in new[:BACKFILLS_PER_RUN]:
        try:
            backfill_market(
                source=source, coin=coin, now=now, days=history_days, progress=beat
            )
        except SourceError as error:
            log.warning("no history of %s: %s", coin.market, error)
            failed[coin.market] = "CANDLES_UNREADABLE"
    return failed


def _collect_tails(
    source: MarketSource,
    coins: Sequence[Coin],
    now: datetime,
    beat: Callable[[], None],
    /,
) -> dict[str, str]:
    """Fetch in threads, store in this one, so only it needs a database connection."""
    end = floor_to(moment=now, seconds=300)
    tails = [tail for coin in coins if (tail := _tail(coin, end))]
    failed: dict[str, str] = {}
    with ThreadPoolExecutor(THREADS, thread_name_prefix="candles") as pool:
        jobs = {pool.submit(_fetch, source, tail, end): tail for tail in tails}
        try:
            for job in _as_completed(jobs, beat):
                tail = jobs[job]
                try:
                    hours, minutes = job.result()
                except SourceError as error:
                    log.warning("no candles of %s: %s", tail.coin.market, error)
                    failed[tail.coin.market] = "CANDLES_UNREADABLE"
                else:
                    _store(tail, hours, minutes, end)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return failed


def _as_completed(
    jobs: dict[Future[tuple[list[CandleRow], list[CandleRow]]], _Tail],
    beat: Callable[[], None],
    /,
) -> Iterator[Future[tuple[list[CandleRow], list[CandleRow]]]]:
    """Yield finished jobs and keep the heart beating while all of them are slow."""
    waiting = set(jobs)
    while waiting:
        done, waiting = wait(waiting, timeout=2, return_when=FIRST_COMPLETED)
        beat()
        yield from done


def _tail(coin: Coin, end: datetime, /) -> _Tail | None:
    """Say what *coin* lacks up to *end* (a 5-minute edge); None = nothing."""
    if coin.hours_until is None:
        return None
    since = max(coin.minutes_until or coin.hours_until, coin.hours_until)
    if since >= end:
        return None
    if (end - since) // FIVE_MINUTES <= CANDLE_PAGE:
        return _Tail(coin, None, since)
    return _Tail(coin, coin.hours_until, floor_to(moment=end, seconds=3600))


def _fetch(
    source: MarketSource, tail: _Tail, end: datetime, /
) -> tuple[list[CandleRow], list[CandleRow]]:
    """Return (hours, 5-minute candles); hours only after a long absence."""
    hours: list[CandleRow] = []
    if tail.hours_from is not None:
        hours = read_pages(
            source, tail.coin.market, Unit.HOUR, tail.hours_from, tail.minutes_from
        )
    minutes = read_pages(source, tail.coin.market, Unit.FIVE, tail.minutes_from, end)
    return hours, minutes


def read_pages(
    source: MarketSource, market: str, unit: Unit, since: datetime, until: datetime, /
) -> list[CandleRow]:
    """Return all candles in [since, until), newest page first, as few calls as possible."""
    step = FIVE_MINUTES if unit is Unit.FIVE else HOUR
    rows: list[CandleRow] = []
    before = until
    while before > since:
        count = min(CANDLE_PAGE, (before - since) // step)
        page = source.candles(market=market, unit=unit, before=before, count=count)
        rows = [row for row in page if since <= row.started_at < before] + rows
        # A short page means that the coin has no older candle.
        if len(page) < count or page[0].started_at >= before:
            break
        before = page[0].started_at
    return rows


def _store(
    tail: _Tail, hours: list[CandleRow], minutes: list[CandleRow], end: datetime, /
) -> None:
    coin, this_hour = tail.coin, floor_to(moment=end, seconds=3600)
    with transaction.atomic():
        store_candles(market=coin.market, unit=Unit.HOUR, rows=hours)
        store_candles(market=coin.market, unit=Unit.FIVE, rows=minutes)
        if (
            tail.hours_from is None
            and coin.hours_until
            and coin.hours_until < this_hour
        ):
            roll_up(market=coin.market, since=coin.hours_until, until=this_hour)
        coin.hours_until, coin.minutes_until = this_hour, end
        coin.save(update_fields=["hours_until", "minutes_until"])
