"""Compute what markets will be asked for before anybody asks, a little at a time."""

from __future__ import annotations

import asyncio
from typing import Final

from deploy.simulator.house import House

_PAUSE_SECONDS: Final = 0.5


async def look_through(house: House, /) -> None:
    """Compute each market's last year, letting others in between."""
    for tape in house.tapes.values():
        while tape.look_back(now_ms=house.now_ms()):
            await asyncio.sleep(0)


async def keep_ahead(house: House, /) -> None:
    """Look through the last year, then sum up coming trades for as long as it runs."""
    await look_through(house)
    while True:
        for tape in house.tapes.values():
            if tape.look_ahead(now_ms=house.now_ms()):
                await asyncio.sleep(0)
        await asyncio.sleep(_PAUSE_SECONDS)
