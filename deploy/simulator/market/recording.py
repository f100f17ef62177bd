"""Candles from a parquet file, as the columns of a replay.

Where a source does not say what was traded, the replay must: a candle without a volume
trades as many coins as its won buy, and without both 1,000,000 won in each of its
minutes, a middling coin's. A candle of volume 0 is a silent time, as on the exchange.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from deploy.simulator.market.clock import DAY, MINUTE_MS
from deploy.simulator.market.path import Cells, Ints
from deploy.simulator.market.ticks import Floats

NEEDED: Final = (
    *("market", "interval", "candle_date_time_utc"),
    *("open", "high", "low", "close", "volume"),
)
OPTIONAL: Final = "quote_volume"
_MINUTES = {"m": 1, "h": 60, "d": DAY}
UNKNOWN_QUOTE: Final = 1_000_000.0
"""KRW a minute where nothing is known."""


class ReplayUnusable(Exception):
    """The recording cannot be replayed; the message says what would help."""


@dataclass(frozen=True, slots=True)
class Recording:
    """A file's candles in its own order; ``cells.minute`` = their begin."""

    markets: tuple[str, ...]
    market: Ints
    """Each candle's index in *markets*."""
    interval: Ints
    """Minutes."""
    cells: Cells


def read_recording(*, file: Path) -> Recording:
    """Read all candles of *file*; raises ReplayUnusable."""
    table = _read(file)
    codes = _coded(table["market"])
    opening, high, low, close = (
        table[name].to_numpy().astype(np.float64) for name in NEEDED[3:7]
    )
    interval = _intervals(table["interval"])
    volume, quote = _amounts(table, (high + low + close) / 3, interval)
    minute = _minutes(table["candle_date_time_utc"])
    cells = Cells(minute, opening, high, low, close, volume, quote)
    return Recording(
        tuple(map(str, codes.dictionary.to_pylist())),
        codes.indices.to_numpy(),
        interval,
        cells,
    )


def _coded(column: pa.ChunkedArray) -> pa.DictionaryArray:
    codes = pc.dictionary_encode(column.combine_chunks())
    return codes.combine_chunks() if isinstance(codes, pa.ChunkedArray) else codes


def _read(file: Path) -> pa.Table:
    try:
        recording = pq.ParquetFile(file)
        names = recording.schema_arrow.names
        missing = [name for name in NEEDED if name not in names]
        if missing:
            raise ReplayUnusable(
                f"{file} lacks the column{'s' * (len(missing) > 1)}"
                f" {', '.join(missing)}; a replay needs {', '.join(NEEDED)}"
                f" (and may have {OPTIONAL})"
            )
        optional = [OPTIONAL] if OPTIONAL in names else []
        return recording.read(columns=[*NEEDED, *optional])
    except FileNotFoundError as error:
        raise ReplayUnusable(f"{file} does not exist; check --replay") from error
    except (OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise ReplayUnusable(
            f"{file} is not a readable parquet file ({reason}); --replay needs"
            f" parquet with the columns {', '.join(NEEDED)}"
        ) from error


def _minutes(column: pa.ChunkedArray) -> Ints:
    try:
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            column = pc.strptime(column, format="%Y-%m-%dT%H:%M:%S", unit="ms")
        times = column.cast(pa.timestamp("ms", tz=getattr(column.type, "tz", None)))
    except pa.ArrowException as error:
        raise ReplayUnusable(
            "candle_date_time_utc must hold times like 2021-06-15T00:00:00"
            f" ({str(error).splitlines()[0]})"
        ) from error
    milliseconds: Ints = times.cast(pa.int64()).to_numpy()
    return milliseconds // MINUTE_MS


def _intervals(column: pa.ChunkedArray) -> Ints:
    """Return each row's interval in minutes."""
    codes = _coded(column)
    lengths = []
    for text in codes.dictionary.to_pylist():
        match = re.fullmatch(r"(\d+)([mhd])", str(text))
        if match is None or int(match[1]) == 0:
            raise ReplayUnusable(
                f"interval {text!r} is not known; use 1m, 5m, 15m, 1h, 4h, 1d …"
            )
        lengths.append(int(match[1]) * _MINUTES[match[2]])
    found: Ints = np.array(lengths, np.int64)[codes.indices.to_numpy()]
    return found


def _amounts(table: pa.Table, typical: Floats, interval: Ints) -> tuple[Floats, Floats]:
    """Return coins and KRW traded; *typical* = each candle's price."""
    volume = table["volume"].to_numpy().astype(np.float64)
    quote = np.full(len(volume), np.nan)
    if OPTIONAL in table.column_names:
        quote = table[OPTIONAL].to_numpy().astype(np.float64)
    quote = np.where(np.isfinite(quote), quote, volume * typical)
    quote = np.where(np.isfinite(quote), quote, UNKNOWN_QUOTE * interval)
    return np.where(np.isfinite(volume), volume, quote / typical), quote


def range_text(minute: Ints, /) -> str:
    """Say from when to when *minute* reaches."""
    return f"{minute_text(int(minute.min()))} and {minute_text(int(minute.max()))}"


def minute_text(minute: int, /) -> str:
    """Write a minute as `--replay-from` takes it."""
    return datetime.fromtimestamp(minute * 60, UTC).strftime("%Y-%m-%dT%H:%M")
