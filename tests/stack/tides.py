"""A recorded market of tides: every coin falls and rises again, again and again.

On a made market a crash may come just when a test waits for a take profit. Here every
round closes within one tide, whenever it began and however slow the machine is.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from deploy.simulator.market.names import Coin, coins

FROM: Final = datetime(2026, 6, 1, tzinfo=UTC)
"""Where the replay begins."""
SPEED: Final = "864"
"""Path minutes a minute: a tide, a day of the recording, takes 100 s."""
_BEFORE, _AFTER = timedelta(days=100), timedelta(days=60)
"""What central looks back at; a hundred minutes of tests."""
COINS: Final = 40
_HEIGHT: Final = 0.015
"""Log price between the middle and high water."""
_NOISE: Final = 0.001
_WON_AN_HOUR: Final = 4e9


def write_tides(*, file: Path) -> Path:
    """Write hourly candles of many coins, each with a phase of its own; return *file*."""
    rng = np.random.default_rng(1)
    tables = [
        _candles(coin, rng=rng, phase=number / 7, won=_WON_AN_HOUR / (number + 5))
        for number, coin in enumerate(coins(COINS))
    ]
    pq.write_table(pa.concat_tables(tables), file)
    return file


def _candles(
    coin: Coin, /, *, rng: np.random.Generator, phase: float, won: float
) -> pa.Table:
    hours = round((_BEFORE + _AFTER) / timedelta(hours=1))
    at = np.arange(hours + 1)
    wave = _HEIGHT * np.sin(2 * np.pi * (at / 24 + phase))
    price = coin.price * np.exp(wave + _NOISE * rng.standard_normal(hours + 1))
    opening, close = price[:-1], price[1:]
    begin = np.datetime64((FROM - _BEFORE).replace(tzinfo=None), "ms")
    return pa.table(
        {
            "market": [f"KRW-{coin.code}"] * hours,
            "interval": ["1h"] * hours,
            "candle_date_time_utc": begin + at[:-1] * np.timedelta64(1, "h"),
            "open": opening,
            "high": np.maximum(opening, close),
            "low": np.minimum(opening, close),
            "close": close,
            "volume": won / opening,
        }
    )
