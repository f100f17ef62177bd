"""The central server's own engine, measured in a process of its own.

Usage: python -m deploy.bench_central_ours PANEL PART COINS, where PART is figures (prepared
series to figures, what the peers do) or run (stored candles to series to figures).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pandas as pd

from central_project.analysis.candles import CandleSeries, hourly_series
from central_project.analysis.indicators import figures_of
from deploy.bench_central_panel import COLUMNS, FIRST_HOUR, HOURS, read
from deploy.bench_memory import peak_mb

NOW: Final = datetime.fromtimestamp(3600 * (FIRST_HOUR + HOURS), tz=UTC)


def main(panel: str, part: str, coins: str) -> int:
    """Measure one part on the first *coins* of the panel, one after the other."""
    candles = read(Path(panel), coins=int(coins))
    items: list[Any]
    compute: Callable[[Any], object]
    if part == "figures":
        items = [_series(_stored(rows)) for rows in candles]
        compute = _figures
    else:
        items = [_stored(rows) for rows in candles]
        compute = _whole
    compute(items[0])  # loads the machine code
    before = time.process_time()
    for item in items:
        compute(item)
    spent = time.process_time() - before
    print(json.dumps({"cpu_ms": 1000 * spent / len(items), "peak_mb": peak_mb()}))
    return 0


def _stored(rows: Any, /) -> pd.DataFrame:
    frame = pd.DataFrame(rows.T, columns=list(COLUMNS))
    started = pd.date_range(end=NOW - timedelta(hours=1), periods=HOURS, freq="h")
    frame.insert(0, "started_at", started)
    return frame


def _series(frame: pd.DataFrame, /) -> CandleSeries:
    return hourly_series(
        market="KRW-A", hours=frame, five_minutes=frame.iloc[:0], now=NOW
    )


def _figures(series: CandleSeries, /) -> object:
    return figures_of(series=series)


def _whole(frame: pd.DataFrame, /) -> object:
    return figures_of(series=_series(frame))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
