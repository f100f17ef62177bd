"""What all request handlers share: the venue, the keys, the limits and the clock."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from aiohttp import web

from deploy.simulator.auth import KeyRing
from deploy.simulator.clock import PathClock
from deploy.simulator.limits import RateLimits
from deploy.simulator.path import Listing
from deploy.simulator.tape import Tape
from deploy.simulator.venue import Venue


def real_ms() -> int:
    """Return the present as real milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """One running simulator."""

    venue: Venue
    listings: tuple[Listing, ...]
    keys: KeyRing
    limits: RateLimits
    clock: PathClock
    now_ms: Callable[[], int] = field(default=real_ms)


HOUSE = web.AppKey("house", House)
CALLER = web.RequestKey("caller", str)


async def look_through(house: House, tapes: Iterable[Tape]) -> None:
    """Compute the figures of markets nobody has asked for, letting others in between."""
    for tape in tapes:
        if not tape.known:
            tape.day(now_ms=house.now_ms())
            await asyncio.sleep(0)
