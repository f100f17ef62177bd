"""60-minute history of a market, page by page from new to old; resumable.

Each page is one commit that also moves ``Coin.hours_from``, so an interrupted walk goes on
where it stopped and nothing stored is asked for again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from django.db import connection, transaction

from central_project.market.models import Candle, Coin, Unit, floor_to
from central_project.market.services.candles import HOUR, store_candles
from central_project.market.sources import MarketSource, SourceError
from common.upbit import CANDLE_PAGE

LONG_SILENCE: Final = timedelta(hours=6)
THREADS: Final = 3
MAX_DAYS: Final = 400
"""Older hours are pruned."""


@dataclass(frozen=True, kw_only=True)
class History:
    """What a market's history looks like after its backfill."""

    market: str
    calls: int
    hours: int
    first_hour_at: datetime | None
    gaps: tuple[tuple[datetime, datetime], ...]
    """Stretches of more than 6 hours without a trade, [from, to)."""


def lacks_history(*, coin: Coin, now: datetime, days: int) -> bool:
    """Tell whether hours of the last *days* were never asked for."""
    since = _this_hour(now) - timedelta(days=days)
    return coin.hours_from is None or coin.hours_from > since


def backfill_market(
    *,
    source: MarketSource,
    coin: Coin,
    now: datetime,
    days: int,
    progress: Callable[[], None] = lambda: None,
) -> History:
    """Load the closed hours of the last *days*; raise SourceError, keeping what came.

    Hours after ``Coin.hours_until`` are the pipeline's business.
    """
    until = _this_hour(now)
    since = until - timedelta(days=days)
    calls = 0
    while lacks_history(coin=coin, now=now, days=days):
        _load_page(source, coin, since, coin.hours_from or until)
        calls += 1
        progress()
    return _history(coin.market, since, until, calls)


def backfill_markets(
    *,
    source: MarketSource,
    coins: Sequence[Coin],
    now: datetime,
    days: int,
    progress: Callable[[str], None],
) -> tuple[list[History], dict[str, str]]:
    """Backfill *coins* a few at a time; return histories and what failed by market.

    Each thread uses a database connection of its own. The limiter keeps the exchange's
    pace however many threads there are.
    """

    def load(coin: Coin) -> History:
        try:
            return backfill_market(source=source, coin=coin, now=now, days=days)
        finally:
            connection.close()

    histories, failures = [], {}
    with ThreadPoolExecutor(THREADS, thread_name_prefix="backfill") as pool:
        jobs = {pool.submit(load, coin): coin for coin in coins}
        try:
            for job in as_completed(jobs):
                market = jobs[job].market
                progress(market)
                try:
                    histories.append(job.result())
                except SourceError as error:
                    failures[market] = str(error)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return sorted(histories, key=lambda history: history.market), failures


def _load_page(
    source: MarketSource, coin: Coin, since: datetime, before: datetime, /
) -> None:
    count = min(CANDLE_PAGE, -((since - before) // HOUR))
    page = source.candles(
        market=coin.market, unit=Unit.HOUR, before=before, count=count
    )
    rows = [row for row in page if row.started_at < before]
    with transaction.atomic():
        store_candles(market=coin.market, unit=Unit.HOUR, rows=rows)
        # A page that is not full means that the coin has no older candle.
        coin.hours_from = rows[0].started_at if len(rows) == count else since
        coin.hours_until = coin.hours_until or before
        coin.save(update_fields=["hours_from", "hours_until"])


def _this_hour(now: datetime, /) -> datetime:
    return floor_to(moment=now, seconds=3600)


def _history(market: str, since: datetime, until: datetime, calls: int, /) -> History:
    hours = list(
        Candle.objects.filter(
            market=market, unit=Unit.HOUR, started_at__gte=since, started_at__lt=until
        )
        .order_by("started_at")
        .values_list("started_at", flat=True)
    )
    return History(
        market=market,
        calls=calls,
        hours=len(hours),
        first_hour_at=hours[0] if hours else None,
        gaps=tuple(
            (hour + HOUR, following)
            for hour, following in pairwise(hours)
            if following - hour - HOUR > LONG_SILENCE
        ),
    )
