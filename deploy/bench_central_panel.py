"""A made-up panel of hourly candles, the same for every engine that is measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

HOURS: Final = 2160
FIRST_HOUR: Final = 490_000
"""Start of the first row in hours since 1970."""
SILENT: Final = 0.01
"""Share of hours without a trade."""
COLUMNS: Final = ("open", "high", "low", "close", "volume", "quote_volume")


def write(file: Path, *, coins: int) -> None:
    """Write plain float64 of shape (coins, 6, HOURS): walks with fat tails on coarse ticks."""
    rng = np.random.default_rng(20_260_101)
    panel = np.empty((coins, len(COLUMNS), HOURS))
    for coin in range(coins):
        panel[coin] = _walk(rng)
    panel.tofile(file)


def read(file: Path, *, coins: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the first *coins* of the panel."""
    wanted = np.fromfile(file, count=coins * len(COLUMNS) * HOURS)
    return wanted.reshape(coins, len(COLUMNS), HOURS)


def _walk(rng: np.random.Generator, /) -> np.ndarray[Any, np.dtype[np.float64]]:
    start = 10.0 ** rng.uniform(-1, 8)
    tick = 10.0 ** np.floor(np.log10(start)) / 1000
    steps = rng.standard_t(4, HOURS) * 0.006
    silent = rng.random(HOURS) < SILENT
    steps[silent] = 0.0
    close = start * np.exp(np.cumsum(steps))
    opened = np.concatenate(([start], close[:-1]))
    reach = np.where(silent, 1.0, np.exp(np.abs(rng.normal(0, 0.003, (2, HOURS)))))
    high = np.maximum(opened, close) * reach[0]
    low = np.minimum(opened, close) / reach[1]
    volume = np.where(silent, 0.0, rng.lognormal(3, 1, HOURS))
    prices = np.maximum(np.round(np.array([opened, high, low, close]) / tick), 1) * tick
    return np.vstack([prices, volume, volume * prices[3]])
