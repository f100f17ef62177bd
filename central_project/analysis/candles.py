"""Candle rows to one checked hourly series per coin.

Only closed candles count, silent hours repeat the last close with no volume, and hours in
which the whole exchange was away stay gaps. Nothing is invented before the first row.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from central_project.analysis.kernels import Floats, Hours

COLUMNS: Final = ("open", "high", "low", "close", "volume", "quote_volume")
HOUR: Final = pd.Timedelta(hours=1)
DAY: Final = pd.Timedelta(days=1)
MINIMUM_HOURS: Final = 24

_Array = TypeVar("_Array", bound=npt.NDArray[Any])
Flags = npt.NDArray[np.bool_]
Moments = npt.NDArray[np.int64]
"""Microseconds since 1970, UTC: plain numbers, because a run handles half a million."""
_COLUMN_INDEX: Final = pd.Index(COLUMNS)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_HOUR: Final = timedelta(hours=1) // _MICROSECOND
_FIVE_MINUTES: Final = timedelta(minutes=5) // _MICROSECOND


class NotEnoughHistory(Exception):
    """The market has fewer than 24 closed hours with a trade: it cannot be analysed."""


@dataclass(frozen=True, kw_only=True)
class CandleSeries:
    """One coin's hourly candles, oldest first, ready for the indicators."""

    market: str
    frame: pd.DataFrame
    """float64 COLUMNS on a UTC DatetimeIndex of candle starts; maintenance hours absent."""
    missing_share: float
    """Share of the expected closed hours that had no row before filling, 0 to 1."""
    provisional: bool
    """The last row is the unfinished hour, built from its closed 5-minute candles."""


@dataclass(frozen=True)
class _Rows:
    """Candles by start, oldest first; *values* has one row per column of COLUMNS."""

    starts: Moments
    values: Floats

    def where(self, chosen: Flags, /) -> _Rows:
        return _Rows(self.starts[chosen], self.values[:, chosen])

    def and_then(self, later: _Rows, /) -> _Rows:
        """Join both by start."""
        starts = np.concatenate((self.starts, later.starts))
        values = np.concatenate((self.values, later.values), axis=1)
        order = np.argsort(starts, kind="stable")
        return _Rows(starts[order], values[:, order])


def hourly_series(
    *,
    market: str,
    hours: pd.DataFrame,
    five_minutes: pd.DataFrame,
    now: datetime,
    days: int = 90,
    maintenance: Collection[datetime] = (),
) -> CandleSeries:
    """Build the series of the *days* before *now*; raise NotEnoughHistory below 24 hours.

    *hours* and *five_minutes* hold ``started_at`` (aware) and COLUMNS in any order; two
    rows of one start raise ValueError.
    """
    moment = _moment(now)
    this_hour = moment // _HOUR * _HOUR
    window_start = this_hour - 24 * days * _HOUR
    closed, current = _closed_and_current(hours, five_minutes, moment)
    inside = closed.starts[closed.starts >= window_start]
    if len(inside) < MINIMUM_HOURS:
        raise NotEnoughHistory(
            f"{market}: {len(inside)} closed hours, at least {MINIMUM_HOURS} are needed"
        )
    # An older row, if there is one, tells the close with which the window begins.
    is_older = closed.starts[0] < window_start
    first = window_start if is_older else int(inside[0])
    expected = _expected_hours(first, this_hour, inside, maintenance)
    filled = _fill(closed, expected)
    if len(current.starts):
        filled = filled.and_then(current)
    return CandleSeries(
        market=market,
        frame=_frame(filled),
        missing_share=1 - len(inside) / len(expected),
        provisional=len(current.starts) > 0,
    )


def daily_bars(frame: pd.DataFrame, /) -> pd.DataFrame:
    """Group hourly rows into whole 24-hour blocks that end with the last row.

    Plain pandas, for the audit: the kernels group by themselves.
    """
    if frame.empty:
        return frame
    age = np.asarray((frame.index[-1] - frame.index) // HOUR)
    whole = frame[age // 24 < (age[0] + 1) // 24]
    block = age[len(age) - len(whole) :] // 24
    bars: pd.DataFrame = whole.groupby(-block).agg(
        {
            "open": "first",
            "high": "max",
            "low": "min",
            "close": "last",
            "volume": "sum",
            "quote_volume": "sum",
        }
    )
    starts = np.flatnonzero(np.diff(block, prepend=-1))
    return bars.set_axis(whole.index[starts], axis="index")


def hours_of(frame: pd.DataFrame, /) -> Hours:
    """Return the rows' starts in hours since 1970, as the kernels want them."""
    return _sealed(frame.index.to_numpy(dtype="datetime64[h]").view(np.int64))


def columns_of(frame: pd.DataFrame, /) -> Floats:
    """Return the columns as the rows of one array, uncopied where they lie so."""
    return _sealed(np.ascontiguousarray(frame.to_numpy(dtype="float64").T))


def last_days(frame: pd.DataFrame, /, *, days: float) -> pd.DataFrame:
    """Return the rows of the last *days* of a series."""
    since = frame.index[-1] - timedelta(days=days) + HOUR
    return frame.iloc[int(frame.index.searchsorted(since)) :]


def span_days(frame: pd.DataFrame, /) -> float:
    """Return how many days the rows reach from the first to the end of the last."""
    return float((frame.index[-1] - frame.index[0] + HOUR) / DAY)


def _moment(time: datetime, /) -> int:
    if time.tzinfo is None:
        raise ValueError("now must be an aware datetime: give it a time zone")
    return (time - _EPOCH) // _MICROSECOND


def _closed_and_current(
    hours: pd.DataFrame, five_minutes: pd.DataFrame, moment: int, /
) -> tuple[_Rows, _Rows]:
    """Return all closed hours and the row of the unfinished hour (maybe none)."""
    this_hour = moment // _HOUR * _HOUR
    whole = _sound_rows(hours, until=moment - _HOUR)
    rolled = _roll_up(_sound_rows(five_minutes, until=moment - _FIVE_MINUTES))
    # The exchange's own hour wins; an hour it has not delivered yet comes from the minutes.
    late = rolled.where(
        (rolled.starts < this_hour) & ~_is_among(rolled.starts, whole.starts)
    )
    closed = whole.and_then(late) if len(late.starts) else whole
    return closed, rolled.where(rolled.starts == this_hour)


def _sound_rows(rows: pd.DataFrame, /, *, until: int) -> _Rows:
    """Return sound rows that started no later than *until*, by start, oldest first."""
    starts = _starts(rows)
    values = np.array([rows[name].to_numpy() for name in COLUMNS], dtype=np.float64)
    order = np.argsort(starts, kind="stable")
    read = _Rows(starts[order], values[:, order])
    if (np.diff(read.starts) == 0).any():
        raise ValueError("two candles have the same started_at: give each only once")
    sound = read.where(_is_sound(values[:, order]) & (read.starts <= until))
    _, high, low, close, volume, quote = sound.values
    np.copyto(volume, 0.0, where=np.isnan(volume))
    np.copyto(quote, volume * ((high + low + close) / 3), where=np.isnan(quote))
    return sound


def _starts(rows: pd.DataFrame, /) -> Moments:
    if rows.empty:
        return np.empty(0, dtype=np.int64)
    started = pd.DatetimeIndex(rows["started_at"])
    if started.tz is None:
        raise ValueError("started_at must be time-zone aware (UTC)")
    return started.to_numpy(dtype="datetime64[us]").astype(np.int64)


def _is_sound(values: Floats, /) -> Flags:
    """Tell which rows can be true: finite, above 0, open and close inside low to high."""
    opened, high, low, close = values[:4]
    # A missing or infinite price fails one of these comparisons.
    sound: Flags = (low > 0) & (high < np.inf)
    sound &= (low <= np.minimum(opened, close)) & (high >= np.maximum(opened, close))
    return sound


def _roll_up(minutes: _Rows, /) -> _Rows:
    """Aggregate 5-minute rows into hours."""
    if not len(minutes.starts):
        return minutes
    hours = minutes.starts // _HOUR * _HOUR
    first = np.flatnonzero(np.diff(hours, prepend=hours[0] - 1))
    last = np.append(first[1:], len(hours)) - 1
    opened, high, low, close, volume, quote = minutes.values
    values = (
        opened[first],
        np.maximum.reduceat(high, first),
        np.minimum.reduceat(low, first),
        close[last],
        np.add.reduceat(volume, first),
        np.add.reduceat(quote, first),
    )
    return _Rows(hours[first], np.array(values))


def _expected_hours(
    first: int, end: int, present: Moments, maintenance: Collection[datetime], /
) -> Moments:
    """Return the closed hours from *first* to *end*, without silent maintenance hours."""
    grid = np.arange(first, end, _HOUR)
    if not maintenance:
        return grid
    away = np.array([_moment(time) for time in maintenance])
    return grid[~np.isin(grid, away) | _is_among(grid, present)]


def _is_among(moments: Moments, known: Moments, /) -> Flags:
    """Tell which *moments* are in *known*, both ascending."""
    if not len(known):
        return np.zeros(len(moments), dtype=np.bool_)
    place = np.minimum(np.searchsorted(known, moments), len(known) - 1)
    found: Flags = known[place] == moments
    return found


def _fill(rows: _Rows, expected: Moments, /) -> _Rows:
    """Put *rows* on the *expected* hours; a silent hour repeats the last close."""
    place = np.searchsorted(rows.starts, expected, side="right") - 1
    values = rows.values[:, place]
    silent = rows.starts[place] != expected
    values[:3, silent] = values[3, silent]
    values[4:, silent] = 0.0
    return _Rows(expected, values)


def _frame(rows: _Rows, /) -> pd.DataFrame:
    index = pd.DatetimeIndex(
        rows.starts.view("datetime64[us]"), tz="UTC", name="started_at"
    )
    return pd.DataFrame(rows.values.T, index=index, columns=_COLUMN_INDEX, copy=False)


def _sealed(array: _Array, /) -> _Array:
    """Return a read-only view: machine code is made for one kind of array only."""
    view = array.view()
    view.flags.writeable = False
    return view
