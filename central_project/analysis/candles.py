"""Candle rows to one checked hourly series per coin.

Only closed candles count, silent hours repeat the last close with no volume, and hours in
which the whole exchange was away stay gaps. Nothing is invented before the first row.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import numpy as np
import pandas as pd

COLUMNS: Final = ("open", "high", "low", "close", "volume", "quote_volume")
PRICES: Final = list(COLUMNS[:4])
HOUR: Final = pd.Timedelta(hours=1)
DAY: Final = pd.Timedelta(days=1)
FIVE_MINUTES: Final = pd.Timedelta(minutes=5)
MINIMUM_HOURS: Final = 24


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

    *hours* and *five_minutes* hold ``started_at`` (aware) and COLUMNS in any order.
    """
    moment = _utc(now)
    this_hour = moment.floor("h")
    closed, current = _closed_and_current(hours, five_minutes, moment)
    window_start = this_hour - days * DAY
    # One older row, if there is one, tells the close with which the window begins.
    before = closed.loc[: window_start - HOUR].iloc[-1:]
    inside = closed.loc[window_start : this_hour - HOUR]
    if len(inside) < MINIMUM_HOURS:
        raise NotEnoughHistory(
            f"{market}: {len(inside)} closed hours, at least {MINIMUM_HOURS} are needed"
        )
    first = window_start if len(before) else inside.index[0]
    expected = _expected_hours(first, this_hour, inside.index, maintenance)
    filled = _fill(pd.concat([before, inside]), expected)
    if len(current):
        filled = pd.concat([filled, current])
    return CandleSeries(
        market=market,
        frame=filled,
        missing_share=1 - len(inside) / len(expected),
        provisional=len(current) > 0,
    )


def daily_bars(frame: pd.DataFrame, /) -> pd.DataFrame:
    """Group hourly rows into whole 24-hour blocks that end with the last row."""
    if frame.empty:
        return frame
    age = (frame.index[-1] - frame.index) // HOUR
    block = np.asarray(age // 24)
    whole_blocks = (int(age[0]) + 1) // 24
    starts = np.flatnonzero(np.diff(block, prepend=block[0] + 1))
    ends = np.append(starts[1:], len(block)) - 1
    bars = pd.DataFrame(
        {
            "open": frame["open"].to_numpy()[starts],
            "high": np.maximum.reduceat(frame["high"].to_numpy(), starts),
            "low": np.minimum.reduceat(frame["low"].to_numpy(), starts),
            "close": frame["close"].to_numpy()[ends],
            "volume": np.add.reduceat(frame["volume"].to_numpy(), starts),
            "quote_volume": np.add.reduceat(frame["quote_volume"].to_numpy(), starts),
        },
        index=frame.index[starts],
    )
    return bars[block[starts] < whole_blocks]


def last_days(frame: pd.DataFrame, /, *, days: float) -> pd.DataFrame:
    """Return the rows of the last *days* of a series."""
    return frame.loc[frame.index[-1] - timedelta(days=days) + HOUR :]


def span_days(frame: pd.DataFrame, /) -> float:
    """Return how many days the rows reach from the first to the end of the last."""
    return float((frame.index[-1] - frame.index[0] + HOUR) / DAY)


def _utc(moment: datetime, /) -> pd.Timestamp:
    if moment.tzinfo is None:
        raise ValueError("now must be an aware datetime: give it a time zone")
    return pd.Timestamp(moment).tz_convert("UTC")


def _closed_and_current(
    hours: pd.DataFrame, five_minutes: pd.DataFrame, moment: pd.Timestamp, /
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return all closed hours and the row of the unfinished hour (maybe none)."""
    this_hour = moment.floor("h")
    whole = _indexed(hours, until=moment - HOUR)
    rolled = _roll_up(_indexed(five_minutes, until=moment - FIVE_MINUTES))
    # The exchange's own hour wins; an hour it has not delivered yet comes from the minutes.
    late = rolled[(rolled.index < this_hour) & ~rolled.index.isin(whole.index)]
    return pd.concat([whole, late]).sort_index(), rolled[rolled.index == this_hour]


def _indexed(rows: pd.DataFrame, /, *, until: pd.Timestamp) -> pd.DataFrame:
    """Return sound rows that started no later than *until*, by start, oldest first."""
    started = pd.DatetimeIndex(rows["started_at"])
    if len(rows) and started.tz is None:
        raise ValueError("started_at must be time-zone aware (UTC)")
    frame = rows[list(COLUMNS)].astype("float64")
    index = started.tz_convert("UTC") if len(rows) else pd.DatetimeIndex([], tz="UTC")
    frame.index = index.as_unit("us").rename("started_at")
    frame = frame[_sound(frame) & (frame.index <= until)].sort_index()
    typical = (frame["high"] + frame["low"] + frame["close"]) / 3
    frame["volume"] = frame["volume"].fillna(0.0)
    frame["quote_volume"] = frame["quote_volume"].fillna(frame["volume"] * typical)
    return frame


def _sound(frame: pd.DataFrame, /) -> pd.Series[bool]:
    """Tell which rows can be true: finite, above 0, open and close inside low to high."""
    prices = frame[PRICES]
    inside = (frame["high"] == prices.max(axis=1)) & (
        frame["low"] == prices.min(axis=1)
    )
    # A missing or infinite price fails one of these comparisons.
    return (
        inside
        & (frame["low"] > 0)
        & (frame["high"] < np.inf)
        & prices.notna().all(axis=1)
    )


def _roll_up(minutes: pd.DataFrame, /) -> pd.DataFrame:
    """Aggregate 5-minute rows into hours."""
    hour = pd.DatetimeIndex(minutes.index).floor("h")
    return minutes.groupby(hour).agg(
        {
            "open": "first",
            "high": "max",
            "low": "min",
            "close": "last",
            "volume": "sum",
            "quote_volume": "sum",
        }
    )


def _expected_hours(
    first: pd.Timestamp,
    end: pd.Timestamp,
    present: pd.Index[pd.Timestamp],
    maintenance: Collection[datetime],
    /,
) -> pd.DatetimeIndex:
    """Return the closed hours from *first* to *end*, without silent maintenance hours."""
    grid = pd.date_range(first, end, freq="h", inclusive="left", unit="us")
    away = pd.DatetimeIndex([_utc(moment) for moment in maintenance], tz="UTC")
    return grid[~grid.isin(away) | grid.isin(present)]


def _fill(rows: pd.DataFrame, expected: pd.DatetimeIndex, /) -> pd.DataFrame:
    """Put *rows* on the *expected* hours; a silent hour repeats the last close."""
    frame = rows.reindex(rows.index.union(expected))
    frame["close"] = frame["close"].ffill()
    for column in ("open", "high", "low"):
        frame[column] = frame[column].fillna(frame["close"])
    frame[["volume", "quote_volume"]] = frame[["volume", "quote_volume"]].fillna(0.0)
    return frame.loc[expected].rename_axis("started_at")
