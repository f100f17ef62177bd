"""What one coin lacks up to now: found out, fetched and stored.

Fetching knows no database and may run in any thread; storing needs a connection.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from central_project.market.models import Coin, Unit, floor_to
from central_project.market.services.candles import (
    FIVE_MINUTES,
    HOUR,
    roll_up,
    store_candles,
)
from central_project.market.source_errors import ImplausibleCandles
from central_project.market.sources import CandleRow, MarketSource
from common.upbit import CANDLE_PAGE

Candles = tuple[list[CandleRow], list[CandleRow]]
"""Hours and 5-minute candles."""


@dataclass(frozen=True)
class Tail:
    """Candles to fetch for one coin: whole hours first if too much is missing."""

    coin: Coin
    hours_from: datetime | None
    minutes_from: datetime
    has_traded: bool
    """There are candles, so an answer without any is wrong."""


def tail_of(coin: Coin, end: datetime, traded: Collection[str], /) -> Tail | None:
    """Say what *coin* lacks up to *end* (a 5-minute edge); None = nothing.

    The last closed hour is read again each time, for trades that the
    exchange booked late: one call brings up to 200 candles as easily as one.
    """
    if coin.hours_until is None:
        return None
    if max(coin.minutes_until or coin.hours_until, coin.hours_until) >= end:
        return None
    since, has_traded = coin.hours_until - HOUR, coin.market in traded
    if (end - since) // FIVE_MINUTES <= CANDLE_PAGE:
        return Tail(coin, None, since, has_traded)
    return Tail(coin, since, floor_to(moment=end, seconds=3600), has_traded)


def fetch(source: MarketSource, tail: Tail, end: datetime, /) -> Candles:
    """Return what is missing; hours only after a long absence. Raises SourceError."""
    hours: list[CandleRow] = []
    if tail.hours_from is not None:
        hours = _read_pages(
            source, tail.coin.market, Unit.HOUR, tail.hours_from, tail.minutes_from
        )
    minutes = _read_pages(
        source,
        tail.coin.market,
        Unit.FIVE,
        tail.minutes_from,
        end,
        has_traded=tail.has_traded,
    )
    return hours, minutes


def _read_pages(
    source: MarketSource,
    market: str,
    unit: Unit,
    since: datetime,
    until: datetime,
    /,
    *,
    has_traded: bool = False,
) -> list[CandleRow]:
    """Return all candles in [since, until), newest page first, as few calls as possible.

    Silent stretches have no candle, so a page reaches back beyond them; only a market that
    never traded has an empty one. Of another (*has_traded*) it raises ImplausibleCandles.
    """
    step = FIVE_MINUTES if unit is Unit.FIVE else HOUR
    rows: list[CandleRow] = []
    before = until
    while before > since:
        count = min(CANDLE_PAGE, -((since - before) // step))
        page = source.candles(market=market, unit=unit, before=before, count=count)
        if not page and before == until and has_traded:
            raise ImplausibleCandles(f"{market} has candles, but the answer has none")
        rows = [row for row in page if row.started_at >= since] + rows
        # A short page means that the coin has no older candle.
        if len(page) < count:
            break
        before = page[0].started_at
    return rows


def store(
    tail: Tail, hours: list[CandleRow], minutes: list[CandleRow], end: datetime, /
) -> None:
    """Keep the candles, roll closed hours up and note how far the coin is known."""
    coin, this_hour = tail.coin, floor_to(moment=end, seconds=3600)
    with transaction.atomic():
        store_candles(market=coin.market, unit=Unit.HOUR, rows=hours)
        store_candles(market=coin.market, unit=Unit.FIVE, rows=minutes)
        if tail.hours_from is None:
            roll_up(market=coin.market, since=tail.minutes_from, until=this_hour)
        coin.hours_until, coin.minutes_until = this_hour, end
        coin.save(update_fields=["hours_until", "minutes_until"])
