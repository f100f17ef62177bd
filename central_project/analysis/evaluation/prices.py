"""What the market did afterwards: hourly prices of all coins on one grid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
import pandas as pd

from central_project.analysis.evaluation.inference import Floats

HOURS: Final = 24
SIGMA_DAYS: Final = 14


class NoPrices(ValueError):
    """There is not one candle to judge by."""


@dataclass(frozen=True, kw_only=True)
class PriceHistory:
    """Hourly high, low and close: hours x coins, every hour from the first to the last.

    An hour without a trade repeats the last close, so a coin that was delisted keeps its
    last price: its loss stays in. Before its first candle a coin is NaN.
    """

    start: datetime
    markets: tuple[str, ...]
    high: Floats
    low: Floats
    close: Floats

    @property
    def hours(self) -> int:
        """Return the number of hours."""
        return len(self.close)

    def row(self, moment: datetime, /) -> int:
        """Return the first hour that begins at or after *moment*; it may lie outside."""
        seconds = (moment - self.start).total_seconds()
        return int(-(-seconds // 3600))

    def window(self, row: int, days: int, /) -> slice | None:
        """Return the hours of *days* from *row* on; None if they are not all known."""
        end = row + HOURS * days
        return slice(row, end) if row >= 0 and end <= self.hours else None

    def daily_sigma(self, row: int, /) -> Floats:
        """Return each coin's daily volatility over the SIGMA_DAYS before *row*.

        Standard deviation of hourly log returns times sqrt(24); NaN below half of them.
        """
        closes = np.log(self.close[max(0, row - HOURS * SIGMA_DAYS - 1) : row])
        steps = np.diff(closes, axis=0)
        known = np.isfinite(steps).sum(0)
        enough = known >= HOURS * SIGMA_DAYS // 2
        safe = np.where(np.isfinite(steps), steps, 0.0)
        count = np.maximum(known, 2)
        mean = safe.sum(0) / count
        square = (safe**2).sum(0) / count - mean**2
        sigma = np.sqrt(np.maximum(square, 0) * count / (count - 1) * HOURS)
        return np.where(enough & (sigma > 0), sigma, np.nan)


def price_history(
    frames: Mapping[str, pd.DataFrame], /, *, markets: tuple[str, ...] | None = None
) -> PriceHistory:
    """Put hourly candles (``started_at`` and prices) on one grid; raise NoPrices if none."""
    chosen = tuple(sorted(frames)) if markets is None else markets
    known = [frames[m] for m in chosen if m in frames and len(frames[m])]
    if not known:
        raise NoPrices("not one hourly candle is known in this period")
    start = min(frame["started_at"].min() for frame in known).floor("h")
    end = max(frame["started_at"].max() for frame in known).floor("h")
    hours = int((end - start) / pd.Timedelta(hours=1)) + 1
    grid = {
        name: np.full((hours, len(chosen)), np.nan) for name in ("high", "low", "close")
    }
    for column, market in enumerate(chosen):
        if market in frames and len(frames[market]):
            _place(grid, column, frames[market], start)
    return PriceHistory(
        start=start.to_pydatetime().astimezone(UTC), markets=chosen, **grid
    )


def _place(
    grid: dict[str, Floats], column: int, frame: pd.DataFrame, start: pd.Timestamp, /
) -> None:
    """Write one coin's sound candles into its column; repeat its close where none is."""
    sound = frame[(frame["low"] > 0) & (frame["high"] >= frame["low"])]
    frame = sound[sound["close"].between(sound["low"], sound["high"])]
    rows = ((frame["started_at"] - start) // pd.Timedelta(hours=1)).to_numpy()
    for name, table in grid.items():
        table[rows, column] = frame[name].to_numpy(dtype="float64")
    close = grid["close"][:, column]
    known = np.isfinite(close)
    last = np.maximum.accumulate(np.where(known, np.arange(len(close)), 0))
    filled = close[last]
    for table in grid.values():
        table[~known, column] = filled[~known]
