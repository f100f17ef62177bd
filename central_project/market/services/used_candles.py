"""The candles one run's analysis of one coin was given, read back from the store.

The rules are those of `central_project.analysis.candles`, here on exact decimals and
without pandas, which a web process does not need to load.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from central_project.market.models import Candle, Unit, floor_to
from common.wire import CandleKind

HOUR: Final = timedelta(hours=1)
FIVE_MINUTES: Final = timedelta(minutes=5)
DAY: Final = timedelta(days=1)
_NOTHING: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class UsedCandle:
    """One hour as the analysis saw it; prices and quote volume in KRW."""

    started_at: datetime
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal
    kind: CandleKind = CandleKind.CLOSED


def candles_used(*, market: str, as_of: datetime, days: int) -> list[UsedCandle]:
    """Return the closed hours of the *days* before *as_of* and the unfinished one.

    Oldest first. Silent hours repeat the last close; hours in which no market traded are
    absent. 5-minute candles are forgotten after some days: then an old run's unfinished
    hour is absent, too.
    """
    this_hour = floor_to(moment=as_of, seconds=3600)
    since = this_hour - timedelta(days=days)
    # One day more: the close before the window fills a silent start.
    closed = _stored(market, Unit.HOUR, since - DAY, this_hour)
    minutes = _stored(market, Unit.FIVE, this_hour, as_of - FIVE_MINUTES, closing=True)
    return [*_filled(closed, since, this_hour), *_provisional(minutes, this_hour)]


def _stored(
    market: str, unit: Unit, since: datetime, until: datetime, *, closing: bool = False
) -> list[UsedCandle]:
    """Return the sound rows in [since, until), with *closing* in [since, until]."""
    end = {"started_at__lte" if closing else "started_at__lt": until}
    rows = (
        Candle.objects.filter(market=market, unit=unit, started_at__gte=since, **end)
        .order_by("started_at")
        .values_list(
            "started_at", "open", "high", "low", "close", "volume", "quote_volume"
        )
    )
    return [candle for candle in (UsedCandle(*row) for row in rows) if _sound(candle)]


def _sound(candle: UsedCandle, /) -> bool:
    """Tell whether the row can be true: above 0, open and close inside low to high."""
    ends = (candle.open, candle.close)
    return 0 < candle.low <= min(ends) and max(ends) <= candle.high


def _filled(
    closed: Sequence[UsedCandle], since: datetime, until: datetime, /
) -> Iterator[UsedCandle]:
    """Put the rows on the hours of [since, until)."""
    if not closed:
        return
    by_hour = {candle.started_at: candle for candle in closed}
    hour = max(since, closed[0].started_at)
    grid = [hour + i * HOUR for i in range((until - hour) // HOUR)]
    away = _maintenance([hour for hour in grid if hour not in by_hour])
    before = [candle for candle in closed if candle.started_at < since]
    last = before[-1] if before else closed[0]
    for hour in grid:
        if hour in by_hour:
            last = by_hour[hour]
            yield last
        elif hour not in away:
            yield _silent(hour, last.close)


def _maintenance(hours: Sequence[datetime], /) -> set[datetime]:
    """Return those of *hours* in which no market traded: the exchange was away."""
    if not hours:
        return set()
    seen = Candle.objects.filter(unit=Unit.HOUR, started_at__in=hours)
    return set(hours) - set(seen.values_list("started_at", flat=True).distinct())


def _silent(hour: datetime, close: Decimal, /) -> UsedCandle:
    prices = (close, close, close, close)
    return UsedCandle(hour, *prices, _NOTHING, _NOTHING, CandleKind.SILENT)


def _provisional(
    minutes: Sequence[UsedCandle], this_hour: datetime, /
) -> Iterator[UsedCandle]:
    """Build the unfinished hour from its closed 5-minute candles, if there are any."""
    if minutes:
        yield UsedCandle(
            this_hour,
            minutes[0].open,
            max(one.high for one in minutes),
            min(one.low for one in minutes),
            minutes[-1].close,
            sum((one.volume for one in minutes), _NOTHING),
            sum((one.quote_volume for one in minutes), _NOTHING),
            CandleKind.PROVISIONAL,
        )
