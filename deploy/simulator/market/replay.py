"""A recorded market: candles of any interval from a parquet file, walked inside.

A candle of N minutes becomes N minute cells along the straight line open, nearer wick,
other wick, close (corners at 0, 1/3, 2/3 and the end), so that its own open, high, low,
close and volume come back exactly when the cells are put together again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import datetime
from pathlib import Path

import numpy as np

from common.money import ticks_of
from deploy.simulator.market.clock import DAY, DAY_MS, HOUR, HOUR_MS
from deploy.simulator.market.names import COINS
from deploy.simulator.market.path import (
    Cells,
    Extremes,
    Ints,
    Listing,
    extremes,
    joined,
)
from deploy.simulator.market.recording import (
    ReplayUnusable,
    minute_text,
    range_text,
    read_recording,
)
from deploy.simulator.market.ticks import Floats, TickGrid

_CHUNK = 30 * DAY


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

    @property
    def step_ms(self) -> int:
        """Return what must fall on the same real time for candles to stay whole."""
        longest = max(tape.interval for tape in self._tapes.values())
        return HOUR_MS if longest <= HOUR else DAY_MS

    def first_minute(self, market: str) -> int:
        """Return the minute of the market's first candle."""
        return int(self._tapes[market].rows.minute[0])

    def last_minute(self, market: str) -> int | None:
        """Return the minute after the market's last candle."""
        tape = self._tapes[market]
        return int(tape.rows.minute[-1]) + tape.interval

    def extremes(self, market: str, first: int, last: int) -> Extremes:
        """Return the extremes of the candles that begin in ``[first, last)``."""
        tape = self._tapes[market]
        rows = tape.rows.between(first, last)
        high, low = tape.ticks.round(np.stack((rows.high, rows.low)))
        return extremes(minute=rows.minute, high=high, low=low)

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
    recording = read_recording(file=file)
    moment = int(at.timestamp() // 60)
    _check_range(recording.cells.minute, moment, file)
    tapes = {}
    for number, market in enumerate(recording.markets):
        if not market.startswith("KRW-"):
            continue
        rows = np.flatnonzero(recording.market == number)
        tape = _tape(
            market, _part(recording.cells, rows), recording.interval[rows], moment
        )
        if tape is not None:
            tapes[market] = tape
    if not tapes:
        raise ReplayUnusable(
            f"{file}: no KRW- market has candles around {at:%Y-%m-%d %H:%M} UTC;"
            f" choose --replay-from between {range_text(recording.cells.minute)},"
            " or another file"
        )
    return RecordedMarket(tapes=dict(sorted(tapes.items(), key=_by_turnover(moment))))


def _check_range(minute: Ints, moment: int, file: Path) -> None:
    if not len(minute):
        raise ReplayUnusable(f"{file} holds no candles; choose another file")
    if not minute.min() <= moment <= minute.max():
        raise ReplayUnusable(
            f"--replay-from {minute_text(moment)} lies outside the recording;"
            f" choose a time between {range_text(minute)} (UTC)"
        )


def _part(cells: Cells, rows: Ints) -> Cells:
    return Cells(*(getattr(cells, field.name)[rows] for field in fields(Cells)))


def _tape(market: str, cells: Cells, interval: Ints, moment: int) -> _Tape | None:
    """Return the finest candles that surround *moment*, or None."""
    for length in sorted(set(interval.tolist())):
        chosen = np.flatnonzero(interval == length)
        times, first = np.unique(cells.minute[chosen], return_index=True)
        reach = max(DAY, 2 * length)
        a, now, b = np.searchsorted(times, (moment - reach, moment, moment + reach))
        if a < now < b:
            rows = _checked(market, _part(cells, chosen[first]))
            traded = _part(rows, np.flatnonzero(rows.volume > 0))
            ticks = TickGrid(ticks=ticks_of(market=market))
            return _Tape(traded, int(length), ticks) if len(traded) else None
    return None


def _checked(market: str, rows: Cells) -> Cells:
    prices = np.stack((rows.open, rows.high, rows.low, rows.close))
    sound = np.isfinite(prices).all() and (prices > 0).all()
    if not sound or (rows.volume < 0).any():
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
