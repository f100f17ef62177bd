"""The candle store: write in bulk, roll hours up, read by COPY."""

from __future__ import annotations

import io
import struct
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any, Final

import numpy as np
import pandas as pd
from django.db import connection

from central_project.analysis.candles import COLUMNS
from central_project.market.models import Unit
from central_project.market.sources import CandleRow

FIVE_MINUTES: Final = timedelta(minutes=5)
HOUR: Final = timedelta(hours=1)

_UPSERT: Final = """
    INSERT INTO market_candle AS known
        (market, unit, started_at, open, high, low, close, volume, quote_volume)
    SELECT %s, %s, * FROM unnest(
        %s::timestamptz[], %s::numeric[], %s::numeric[], %s::numeric[],
        %s::numeric[], %s::numeric[], %s::numeric[])
    ON CONFLICT (market, unit, started_at) DO UPDATE SET
        open = excluded.open, high = excluded.high, low = excluded.low,
        close = excluded.close, volume = excluded.volume,
        quote_volume = excluded.quote_volume
    WHERE (known.open, known.high, known.low, known.close, known.volume,
            known.quote_volume)
        IS DISTINCT FROM (excluded.open, excluded.high, excluded.low, excluded.close,
            excluded.volume, excluded.quote_volume)
"""
_ROLL_UP: Final = """
    INSERT INTO market_candle AS known
        (market, unit, started_at, open, high, low, close, volume, quote_volume)
    SELECT market, 60, date_trunc('hour', started_at, 'UTC'),
        (array_agg(open ORDER BY started_at))[1], max(high), min(low),
        (array_agg(close ORDER BY started_at DESC))[1], sum(volume), sum(quote_volume)
    FROM market_candle
    WHERE market = %s AND unit = 5 AND started_at >= %s AND started_at < %s
    GROUP BY market, date_trunc('hour', started_at, 'UTC')
    ON CONFLICT (market, unit, started_at) DO UPDATE SET
        open = excluded.open, high = excluded.high, low = excluded.low,
        close = excluded.close, volume = excluded.volume,
        quote_volume = excluded.quote_volume
    WHERE excluded.volume > known.volume * 1.000001
"""
_READ: Final = """
    COPY (
        SELECT market, array_agg(started_at), array_agg(open::float8),
            array_agg(high::float8), array_agg(low::float8), array_agg(close::float8),
            array_agg(volume::float8), array_agg(quote_volume::float8)
        FROM (
            SELECT * FROM market_candle
            WHERE unit = %s AND started_at >= %s AND started_at < %s
                AND (%s::text[] IS NULL OR market = ANY(%s))
            ORDER BY market, started_at
        ) AS ordered
        GROUP BY market
    ) TO STDOUT WITH (FORMAT binary)
"""
"""One row of arrays per market: their elements have one width, so numpy reads them."""
_HEADER: Final = 19
_ARRAY_HEADER: Final = 20
_END: Final = -1
_POSTGRES_EPOCH: Final = 946_684_800_000_000
"""2000-01-01 in microseconds since 1970: where the server's timestamps begin."""


def store_candles(*, market: str, unit: Unit, rows: Sequence[CandleRow]) -> None:
    """Insert *rows*, replace those that differ, in one statement."""
    if not rows:
        return
    columns = [[getattr(r, name) for r in rows] for name in ("started_at", *COLUMNS)]
    with connection.cursor() as cursor:
        cursor.execute(_UPSERT, [market, unit.value, *columns])


def roll_up(*, market: str, since: datetime, until: datetime) -> None:
    """Build the hours in [since, until) from complete 5-minute candles.

    An hour that is stored already, perhaps as the exchange itself delivered it, stays
    unless trades have come to it since: then its 5-minute candles hold more volume.
    """
    with connection.cursor() as cursor:
        cursor.execute(_ROLL_UP, [market, since, until])


def read_frames(
    *,
    unit: Unit,
    since: datetime,
    until: datetime,
    markets: Collection[str] | None = None,
) -> dict[str, pd.DataFrame]:
    """Return each market's candles in [since, until): ``started_at`` (UTC) and COLUMNS.

    Oldest first; a market without a candle is absent. *markets* limits the answer, and so
    the memory: 2,160 hours of a market take 0.2 MB while they are read.
    """
    wanted = None if markets is None else list(markets)
    data = io.BytesIO()
    with connection.cursor() as cursor:
        query = cursor.cursor.mogrify(_READ, [unit.value, since, until, wanted, wanted])
        cursor.cursor.copy_expert(query, data)
    return {
        bytes(market).decode(): _frame(starts, columns)
        for market, starts, *columns in _binary_rows(data.getbuffer())
    }


def _binary_rows(data: memoryview, /) -> Iterator[list[memoryview]]:
    """Yield the fields of each row of the server's binary COPY format."""
    place = _HEADER
    while (count := struct.unpack_from(">h", data, place)[0]) != _END:
        place += 2
        fields = []
        for _ in range(count):
            (length,) = struct.unpack_from(">i", data, place)
            fields.append(data[place + 4 : place + 4 + length])
            place += 4 + length
        yield fields


def _frame(starts: memoryview, columns: Sequence[memoryview], /) -> pd.DataFrame:
    values = np.array([_elements(column, ">f8") for column in columns], dtype="float64")
    frame = pd.DataFrame(values.T, columns=COLUMNS, copy=False)
    moments = _elements(starts, ">i8").astype("int64") + _POSTGRES_EPOCH
    started = pd.DatetimeIndex(moments.view("datetime64[us]"), tz="UTC")
    frame.insert(0, "started_at", started)
    return frame


def _elements(array: memoryview, kind: str, /) -> np.ndarray[Any, np.dtype[Any]]:
    """Return the elements of a binary array without NULLs: each after its length."""
    pairs = np.frombuffer(
        array, dtype=[("length", ">i4"), ("value", kind)], offset=_ARRAY_HEADER
    )
    return pairs["value"]


@cache
def empty_frame() -> pd.DataFrame:
    """Return the one frame of candles without rows; nobody writes to it."""
    frame = pd.DataFrame(columns=["started_at", *COLUMNS], dtype="float64")
    frame["started_at"] = pd.to_datetime(frame["started_at"], utc=True)
    return frame


def silent_hours(
    *, frames: Iterable[pd.DataFrame], since: datetime, until: datetime
) -> list[datetime]:
    """Return the hours in [since, until) without a row of any market: maintenance."""
    starts = [frame["started_at"].to_numpy("datetime64[us]") for frame in frames]
    seen = np.unique(np.concatenate(starts)) if starts else np.empty(0)
    if not len(seen):
        return []
    first = max(pd.Timestamp(seen[0], tz="UTC"), pd.Timestamp(since))
    grid = pd.date_range(first, until, freq="h", inclusive="left", unit="us")
    silent = ~np.isin(grid.to_numpy("datetime64[us]"), seen)
    return [hour.to_pydatetime() for hour in grid[silent]]
