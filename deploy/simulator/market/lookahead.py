"""Compute what markets will be asked for before anybody asks, a little at a time."""

from __future__ import annotations

import asyncio
import time
from typing import Final

from deploy.simulator.house import House

_REST: Final = 2.0
"""Seconds of rest after a second of looking back; others may need the machine."""
_PAUSE_SECONDS: Final = 0.5


async def look_through(house: House, /, *, rest: float = 0.0) -> None:
    """Compute each market's last year, letting others in between."""
    for tape in house.tapes.values():
        begun = time.monotonic()
        if tape.look_back(now_ms=house.now_ms()):
            await asyncio.sleep(rest * (time.monotonic() - begun))


async def keep_ahead(house: House, /) -> None:
    """Look through the last year, then sum up coming trades for as long as it runs."""
    await look_through(house, rest=_REST)
    while True:
        for tape in house.tapes.values():
            if tape.look_ahead(now_ms=house.now_ms()):
                await asyncio.sleep(0)
        await asyncio.sleep(_PAUSE_SECONDS)
