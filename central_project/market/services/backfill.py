"""60-minute history of a market, page by page from new to old; resumable.

Each page is one commit that also moves ``Coin.hours_from``, so a walk that was interrupted,
even by kill -9, goes on where it stopped and nothing stored is asked for again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import datetime, timedelta
from typing import Final

from django.db import connection, transaction

from central_project.market.models import Coin, Unit, floor_to
from central_project.market.services.candles import HOUR, store_candles
from central_project.market.source_errors import SourceError
from central_project.market.sources import CandleRow, MarketSource
from common.upbit import CANDLE_PAGE

THREADS: Final = 4


def lacks_history(*, coin: Coin, now: datetime, days: int) -> bool:
    """Tell whether hours of the last *days* were never asked for."""
    return coin.hours_from is None or coin.hours_from > start_of(now=now, days=days)


def start_of(*, now: datetime, days: int) -> datetime:
    """Return the first hour of a history of *days* before the hour of *now*."""
    return _this_hour(now) - timedelta(days=days)


def calls_needed(*, coin: Coin, now: datetime, days: int) -> int:
    """Return how many pages are missing, about: a young coin needs fewer."""
    until = coin.hours_from or _this_hour(now)
    hours = max(0, (until - start_of(now=now, days=days)) // HOUR)
    return -(-hours // CANDLE_PAGE)


def backfill_market(
    *,
    source: MarketSource,
    coin: Coin,
    now: datetime,
    days: int,
    progress: Callable[[], None] = lambda: None,
) -> int:
    """Load the closed hours of the last *days*; return the calls this took.

    Raises SourceError, keeping what came. Hours after ``Coin.hours_until`` are the
    pipeline's business.
    """
    until, since = _this_hour(now), start_of(now=now, days=days)
    calls = 0
    while lacks_history(coin=coin, now=now, days=days):
        calls += _load_page(source, coin, since, coin.hours_from or until)
        progress()
    return calls


def backfill_markets(
    *,
    source: MarketSource,
    coins: Sequence[Coin],
    now: datetime,
    days: int,
    progress: Callable[[], None],
    finished: Callable[[Coin], None],
) -> tuple[int, dict[str, str]]:
    """Backfill *coins* a few at a time; return the calls, and what failed by market.

    *progress* is called after each page, from any thread; *finished* after each coin. Each
    thread uses a database connection of its own. The limiter keeps the exchange's pace
    however many threads there are. Raises SourceError when nothing more can succeed.
    """

    def load(coin: Coin) -> int:
        try:
            return backfill_market(
                source=source, coin=coin, now=now, days=days, progress=progress
            )
        finally:
            connection.close()

    calls, failures = 0, {}
    with ThreadPoolExecutor(THREADS, thread_name_prefix="backfill") as pool:
        jobs = {pool.submit(load, coin): coin for coin in coins}
        try:
            for job in as_completed(jobs):
                finished(jobs[job])
                try:
                    calls += job.result()
                except SourceError as error:
                    if error.ends_run:
                        raise
                    failures[jobs[job].market] = str(error)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return calls, failures


def _load_page(
    source: MarketSource, coin: Coin, since: datetime, before: datetime, /
) -> int:
    """Store one page and return the calls; an empty one is believed only twice.

    There is nothing older than an empty page: the coin was listed later.
    """
    count = min(CANDLE_PAGE, -((since - before) // HOUR))
    rows: list[CandleRow] = []
    calls = 0
    while not rows and calls < 2:
        calls += 1
        rows = source.candles(
            market=coin.market, unit=Unit.HOUR, before=before, count=count
        )
    with transaction.atomic():
        store_candles(market=coin.market, unit=Unit.HOUR, rows=rows)
        coin.hours_from = rows[0].started_at if rows else since
        coin.hours_until = coin.hours_until or before
        coin.save(update_fields=["hours_from", "hours_until"])
    return calls


def _this_hour(now: datetime, /) -> datetime:
    return floor_to(moment=now, seconds=3600)
