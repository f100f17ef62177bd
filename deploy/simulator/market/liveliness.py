"""How fast a path has to be walked so that something happens while one watches."""

from __future__ import annotations

from typing import Final

import numpy as np

from deploy.simulator.market.path import PathSource

WANTED: Final = 0.025
"""Typical standard deviation of a coin's log return per real minute."""
RESERVE_MINUTES: Final = 10
"""Real minutes that a recorded path should last at least."""
_WINDOWS: Final = 20
_MEASURED: Final = 128
"""Markets, the best known ones."""
_SLOWEST: Final = 1.0
_FASTEST: Final = 10_000.0
_STEP: Final = 1.15


def suggested_speed(
    *,
    market_source: PathSource,
    path_start_minute: int,
    wanted: float = WANTED,
    reserve_minutes: int = RESERVE_MINUTES,
) -> float:
    """Return path minutes per real minute at which the median coin moves *wanted*.

    Measured on the path after its start; capped so that a recording lasts
    *reserve_minutes*, as far as it goes.
    """
    fastest = min(_FASTEST, _lasting(market_source, path_start_minute, reserve_minutes))
    speed = _SLOWEST
    while speed < fastest:
        if _typical_move(market_source, path_start_minute, round(speed)) >= wanted:
            return float(round(speed))
        speed = max(speed * _STEP, speed + 1)
    return max(_SLOWEST, float(int(fastest)))


def _lasting(source: PathSource, start: int, reserve: int) -> float:
    """Return the speed at which most recorded markets last *reserve* real minutes."""
    ends = [source.last_minute(listing.market) for listing in source.listings]
    left = sorted(end - start for end in ends if end is not None)
    return left[len(left) // 4] / reserve if left else _FASTEST


def _typical_move(source: PathSource, start: int, span: int) -> float:
    """Return the median over coins of the RMS log return over *span* path minutes."""
    listed = source.listings[:_MEASURED]
    moves = [_move(source, listing.market, start, span) for listing in listed]
    return float(np.median(moves))


def _move(source: PathSource, market: str, start: int, span: int) -> float:
    cells = source.cells(market, start, start + span * _WINDOWS)
    if len(cells) < 2:
        return 0.0
    minutes = np.arange(start, start + span * _WINDOWS)
    at = np.maximum(np.searchsorted(cells.minute, minutes, side="right") - 1, 0)
    closes = np.log(cells.close[at])
    returns = closes[span:] - closes[:-span]
    return float(np.sqrt(np.mean(np.square(returns))))
