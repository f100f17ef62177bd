"""A recorded market: candles of any interval from a parquet file, walked inside.

A candle of N minutes becomes N minute cells along the straight line open, nearer wick,
other wick, close (corners at 0, 1/3, 2/3 and the end), so that its own open, high, low,
close and volume come back exactly when the cells are put together again.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from common.money import ticks_of
from deploy.simulator.clock import MINUTE_MS
from deploy.simulator.names import COINS
from deploy.simulator.path import Cells, Ints, Listing, joined
from deploy.simulator.ticks import Floats, TickGrid

NEEDED = (
    *("market", "interval", "candle_date_time_utc"),
    *("open", "high", "low", "close", "volume"),
)
OPTIONAL = "quote_volume"
DAY = 1440
_MINUTES = {"m": 1, "h": 60, "d": DAY}
_CHUNK = 30 * DAY


class ReplayUnusable(Exception):
    """The recording cannot be replayed; the message says what would help."""


@dataclass(frozen=True, slots=True)
class _Tape:
    """One market's candles; ``rows.minute`` = candle start, in path minutes."""

    rows: Cells
    interval: int
    ticks: TickGrid


class RecordedMarket:
    """The markets of a recording that trade around a moment; a `PathSource`."""

    def __init__(self, *, tapes: dict[str, _Tape]) -> None:
        self._tapes = tapes
        self._listings = tuple(_listing(market) for market in tapes)

    @property
    def listings(self) -> tuple[Listing, ...]:
        """Return the markets with data around the replay's beginning."""
        return self._listings

    def first_minute(self, market: str) -> int:
        """Return the minute of the market's first candle."""
        return int(self._tapes[market].rows.minute[0])

    def last_minute(self, market: str) -> int | None:
        """Return the minute after the market's last candle."""
        tape = self._tapes[market]
        return int(tape.rows.minute[-1]) + tape.interval

    def cells(self, market: str, first: int, last: int) -> Cells:
        """Return the minutes of ``[first, last)`` that lie in recorded candles."""
        tape = self._tapes[market]
        parts = []
        for start in range(first, last, _CHUNK):
            end = min(start + _CHUNK, last)
            rows = tape.rows.between(start - tape.interval + 1, end)
            if len(rows):
                cells = _expanded(rows, tape.interval, tape.ticks)
                parts.append(cells.between(start, end))
        return joined(parts)


def load_replay(*, file: Path, at: datetime) -> RecordedMarket:
    """Read the KRW markets of *file* that have candles around *at* (aware).

    Raises ReplayUnusable when the file cannot be read, lacks columns or data.
    """
    table = _read(file)
    moment = int(at.timestamp() // 60)
    codes = table["market"].combine_chunks().dictionary_encode()
    if isinstance(codes, pa.ChunkedArray):
        codes = codes.combine_chunks()
    index = codes.indices.to_numpy()
    columns = {n: table[n].to_numpy() for n in NEEDED[3:]}
    columns[OPTIONAL] = _quote(table, columns)
    minute = _minutes(table["candle_date_time_utc"])
    interval = _intervals(table["interval"])
    _check_range(minute, moment, file)
    tapes = {}
    for number, market in enumerate(codes.dictionary.to_pylist()):
        if not str(market).startswith("KRW-"):
            continue
        rows = np.flatnonzero(index == number)
        tape = _tape(str(market), rows, minute, interval, columns, moment)
        if tape is not None:
            tapes[str(market)] = tape
    if not tapes:
        raise ReplayUnusable(
            f"{file}: no KRW- market has candles around {at:%Y-%m-%d %H:%M} UTC;"
            f" choose --replay-from between {_range(minute)}, or another file"
        )
    return RecordedMarket(tapes=dict(sorted(tapes.items(), key=_by_turnover(moment))))


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
    codes = pc.dictionary_encode(column.combine_chunks())
    if isinstance(codes, pa.ChunkedArray):
        codes = codes.combine_chunks()
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


def _quote(table: pa.Table, columns: dict[str, NDArray[Any]]) -> Floats:
    """Return KRW traded; where the source has none, volume x typical price."""
    typical = (columns["high"] + columns["low"] + columns["close"]) / 3
    estimate: Floats = columns["volume"] * typical
    if OPTIONAL not in table.column_names:
        return estimate
    known = table[OPTIONAL].to_numpy().astype(np.float64)
    return np.where(np.isfinite(known), known, estimate)


def _check_range(minute: Ints, moment: int, file: Path) -> None:
    if not len(minute):
        raise ReplayUnusable(f"{file} holds no candles; choose another file")
    if not minute.min() <= moment <= minute.max():
        raise ReplayUnusable(
            f"--replay-from {_text(moment)} lies outside the recording;"
            f" choose a time between {_range(minute)} (UTC)"
        )


def _tape(
    market: str,
    rows: Ints,
    minute: Ints,
    interval: Ints,
    columns: dict[str, NDArray[Any]],
    moment: int,
) -> _Tape | None:
    """Return the finest candles that surround *moment*, or None."""
    for length in sorted(set(interval[rows].tolist())):
        chosen = rows[interval[rows] == length]
        chosen = chosen[np.argsort(minute[chosen], kind="stable")]
        times, first = np.unique(minute[chosen], return_index=True)
        reach = max(DAY, 2 * length)
        a, now, b = np.searchsorted(times, (moment - reach, moment, moment + reach))
        if a < now < b:
            values = (columns[n][chosen[first]].astype(np.float64) for n in _ORDER)
            cells = _checked(market, Cells(times, *values))
            ticks = TickGrid(ticks=ticks_of(market=market))
            return _Tape(cells, int(length), ticks)
    return None


_ORDER = ("open", "high", "low", "close", "volume", OPTIONAL)


def _checked(market: str, rows: Cells) -> Cells:
    prices = np.stack((rows.open, rows.high, rows.low, rows.close))
    sound = np.isfinite(prices).all() and (prices > 0).all()
    if not sound or not (np.isfinite(rows.volume) & (rows.volume >= 0)).all():
        raise ReplayUnusable(
            f"{market}: prices must be above 0 and volumes not below; repair the file"
        )
    if (prices.max(axis=0) > rows.high).any() or (prices.min(axis=0) < rows.low).any():
        raise ReplayUnusable(
            f"{market}: a high or low does not enclose its candle; repair the file"
        )
    return rows


def _expanded(rows: Cells, interval: int, ticks: TickGrid) -> Cells:
    """Return every candle as *interval* minute cells on its corner line."""
    opening, high, low, close = ticks.round(
        np.stack((rows.open, rows.high, rows.low, rows.close))
    )
    minute = (rows.minute[:, None] + np.arange(interval)).ravel()
    volume = np.repeat(rows.volume / interval, interval)
    quote = np.repeat(rows.quote / interval, interval)
    if interval == 1:
        return Cells(minute, opening, high, low, close, volume, quote)
    up_first = high - opening <= opening - low
    near, far = np.where(up_first, high, low), np.where(up_first, low, high)
    corners = np.stack((opening, near, far, close), axis=1)
    line = ticks.round(_line(corners, interval))
    start, end = line[:, :-1], line[:, 1:]
    tops, bottoms = np.maximum(start, end), np.minimum(start, end)
    rows_at = np.arange(len(rows))
    for corner, share in ((near, interval / 3), (far, 2 * interval / 3)):
        cell = rows_at, np.full(len(rows), int(share))
        tops[cell] = np.maximum(tops[cell], corner)
        bottoms[cell] = np.minimum(bottoms[cell], corner)
    return Cells(
        minute, start.ravel(), tops.ravel(), bottoms.ravel(), end.ravel(), volume, quote
    )


def _line(corners: Floats, interval: int) -> Floats:
    """Return the corner line's price at every minute, ends included."""
    at = np.arange(interval + 1) * 3 / interval
    left = np.minimum(at.astype(np.int64), 2)
    share = at - left
    line: Floats = corners[:, left] * (1 - share) + corners[:, left + 1] * share
    return line


def _by_turnover(moment: int) -> Callable[[tuple[str, _Tape]], tuple[float, str]]:
    def key(item: tuple[str, _Tape]) -> tuple[float, str]:
        day = item[1].rows.between(moment - DAY, moment)
        return -float(day.quote.sum()), item[0]

    return key


_NAMES = {f"KRW-{coin.code}": coin for coin in COINS}


def _listing(market: str) -> Listing:
    code = market.removeprefix("KRW-")
    coin = _NAMES.get(market)
    if coin is None:
        return Listing(market=market, korean_name=code, english_name=code)
    return Listing(market=market, korean_name=coin.korean, english_name=coin.english)


def _range(minute: Ints) -> str:
    return f"{_text(int(minute.min()))} and {_text(int(minute.max()))}"


def _text(minute: int) -> str:
    return datetime.fromtimestamp(minute * 60, UTC).strftime("%Y-%m-%dT%H:%M")
