"""A small recorded market and clocks for the simulator's tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from deploy.simulator.market.clock import MINUTE_MS, PathClock
from deploy.simulator.market.path import Cells, Extremes, Listing, extremes
from deploy.simulator.market.tape import Tape

START_MINUTE = 29_900_000
START_MS = START_MINUTE * MINUTE_MS


class Script:
    """A `PathSource` whose cells are written down: (minute, open, high, low, close)."""

    def __init__(
        self, *rows: tuple[int, float, float, float, float], volume: float = 4.0
    ) -> None:
        minute = np.array([row[0] for row in rows], np.int64)
        opening, high, low, close = np.array([row[1:] for row in rows], np.float64).T
        volumes = np.full(len(rows), volume)
        self._cells = Cells(minute, opening, high, low, close, volumes, volumes * 100)

    @property
    def listings(self) -> tuple[Listing, ...]:
        return (Listing(market="KRW-BTC", korean_name="비트코인", english_name="B"),)

    def cells(self, market: str, first: int, last: int) -> Cells:
        return self._cells.between(first, last)

    def extremes(self, market: str, first: int, last: int) -> Extremes:
        cells = self.cells(market, first, last)
        return extremes(minute=cells.minute, high=cells.high, low=cells.low)

    def first_minute(self, market: str) -> int:
        return int(self._cells.minute[0])

    def last_minute(self, market: str) -> int | None:
        return None


def clock(*, speed: float = 1.0) -> PathClock:
    """Return a clock whose path minute 0 is START_MS."""
    return PathClock(start_ms=START_MS, path_start_ms=0, speed=speed)


def tape(source: Script, *, speed: float = 1.0) -> Tape:
    """Return the script's only market."""
    return Tape(market="KRW-BTC", source=source, clock=clock(speed=speed))


def write_recording(
    file: Path,
    *,
    markets: tuple[str, ...] = ("KRW-BTC", "KRW-ETH"),
    interval: str = "5m",
    minutes: int = 5,
    rows: int = 3000,
    start: str = "2022-10-01T00:00:00",
    quote: bool = True,
    drop: tuple[str, ...] = (),
) -> None:
    """Write a random walk of candles; *drop* leaves columns out."""
    columns: dict[str, list[object]] = {}
    for number, market in enumerate(markets):
        rng = np.random.default_rng(number)
        close = 2_000_000 * np.exp(np.cumsum(rng.normal(0, 0.002, rows)))
        opening = np.concatenate(([2_000_000.0], close[:-1]))
        high = np.maximum(opening, close) * (1 + rng.uniform(0, 0.002, rows))
        low = np.minimum(opening, close) * (1 - rng.uniform(0, 0.002, rows))
        times = np.datetime64(start, "ms") + np.arange(rows) * np.timedelta64(
            minutes, "m"
        )
        volume = rng.uniform(1, 10, rows)
        part = {
            "market": [market] * rows,
            "interval": [interval] * rows,
            "candle_date_time_utc": list(times),
            "open": list(opening),
            "high": list(high),
            "low": list(low),
            "close": list(close),
            "volume": list(volume),
        }
        if quote:
            part["quote_volume"] = list(volume * close)
        for name, values in part.items():
            columns.setdefault(name, []).extend(values)
    kept = {name: values for name, values in columns.items() if name not in drop}
    pq.write_table(pa.table(kept), file)
