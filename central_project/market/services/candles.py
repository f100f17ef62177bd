"""The candle store: write in bulk, roll hours up, read by COPY."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import pandas as pd
from django.db import connection

from central_project.analysis.candles import COLUMNS
from central_project.market.models import Unit
from central_project.market.sources import CandleRow

FIVE_MINUTES: Final = timedelta(minutes=5)
HOUR: Final = timedelta(hours=1)

_UPSERT: Final = """
    INSERT INTO market_candle
        (market, unit, started_at, open, high, low, close, volume, quote_volume)
    SELECT %s, %s, * FROM unnest(
        %s::timestamptz[], %s::numeric[], %s::numeric[], %s::numeric[],
        %s::numeric[], %s::numeric[], %s::numeric[])
    ON CONFLICT (market, unit, started_at) DO UPDATE SET
        open = excluded.open, high = excluded.high, low = excluded.low,
        close = excluded.close, volume = excluded.volume,
        quote_volume = excluded.quote_volume
"""
_ROLL_UP: Final = """
    INSERT INTO market_candle
        (market, unit, started_at, open, high, low, close, volume, quote_volume)
    SELECT market, 60, date_trunc('hour', started_at, 'UTC'),
        (array_agg(open ORDER BY started_at))[1], max(high), min(low),
        (array_agg(close ORDER BY started_at DESC))[1], sum(volume), sum(quote_volume)
    FROM market_candle
    WHERE market = %s AND unit = 5 AND started_at >= %s AND started_at < %s
    GROUP BY market, date_trunc('hour', started_at, 'UTC')
    ON CONFLICT (market, unit, started_at) DO NOTHING
"""
_READ: Final = (
    "COPY (SELECT market, started_at AT TIME ZONE 'UTC', open, high, low, close,"
    " volume, quote_volume FROM market_candle WHERE unit = %s"
    " AND started_at >= %s AND started_at < %s"
    " ORDER BY market, started_at) TO STDOUT WITH (FORMAT csv)"
)


def store_candles(*, market: str, unit: Unit, rows: Sequence[CandleRow]) -> None:
    """Insert or replace *rows* in one statement."""
    if not rows:
        return
    columns = [[getattr(r, name) for r in rows] for name in ("started_at", *COLUMNS)]
    with connection.cursor() as cursor:
        cursor.execute(_UPSERT, [market, unit.value, *columns])


def roll_up(*, market: str, since: datetime, until: datetime) -> None:
    """Build the hours in [since, until) from complete 5-minute candles.

    An hour that the exchange itself delivered is kept.
    """
    with connection.cursor() as cursor:
        cursor.execute(_ROLL_UP, [market, since, until])


def read_frames(
    *, unit: Unit, since: datetime, until: datetime
) -> dict[str, pd.DataFrame]:
    """Return each market's candles in [since, until): ``started_at`` (UTC) and COLUMNS."""
    text = io.StringIO()
    with connection.cursor() as cursor:
        query = cursor.cursor.mogrify(_READ, [unit.value, since, until])
        cursor.cursor.copy_expert(query, text)
    text.seek(0)
    frame = pd.read_csv(
        text,
        header=None,
        names=["market", "started_at", *COLUMNS],
        dtype={"market": "str"} | dict.fromkeys(COLUMNS, "float64"),
    )
    frame["started_at"] = pd.to_datetime(frame["started_at"], utc=True)
    return {
        str(market): rows.drop(columns="market")
        for market, rows in frame.groupby("market", sort=False)
    }


def empty_frame() -> pd.DataFrame:
    """Return a frame of candles without rows."""
    frame = pd.DataFrame(columns=["started_at", *COLUMNS], dtype="float64")
    frame["started_at"] = pd.to_datetime(frame["started_at"], utc=True)
    return frame


def silent_hours(
    *, frames: Iterable[pd.DataFrame], since: datetime, until: datetime
) -> list[datetime]:
    """Return the hours in [since, until) without a row of any market: maintenance."""
    seen: set[Any] = set()
    for frame in frames:
        seen.update(frame["started_at"])
    if not seen:
        return []
    grid = pd.date_range(max(min(seen), pd.Timestamp(since)), until, freq="h",
                         inclusive="left")  # fmt: skip
    return [hour.to_pydatetime() for hour in grid if hour not in seen]
