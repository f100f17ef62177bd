"""What all request handlers share: the venue, the keys, the limits and the clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from aiohttp import web

from deploy.simulator.exchange.assumptions import Assumptions
from deploy.simulator.exchange.conditions import Conditions
from deploy.simulator.exchange.venue import Venue
from deploy.simulator.faults.registry import Faults
from deploy.simulator.market.clock import PathClock
from deploy.simulator.market.path import Listing
from deploy.simulator.market.tape import Tape
from deploy.simulator.rest.auth import KeyRing
from deploy.simulator.rest.limits import RateLimits
from deploy.simulator.upstream.upstream import Upstream


def real_ms() -> int:
    """Return the present as real milliseconds."""
    return time.time_ns() // 1_000_000


@dataclass(slots=True, kw_only=True)
class House:
    """One running simulator; what an operator may change is changed in place."""

    venue: Venue
    tapes: Mapping[str, Tape]
    listings: tuple[Listing, ...]
    keys: KeyRing
    limits: RateLimits
    clock: PathClock | None
    """None with an upstream, whose market moves in real time."""
    faults: Faults | None = None
    """None unless the simulator may misbehave on demand."""
    upstream: Upstream | None = None
    """The exchange whose prices these are, if they are not made here."""
    now_ms: Callable[[], int] = field(default=real_ms)

    async def prepare(self, *, market: str) -> None:
        """Fetch what an order will meet; raises OrderRefused if there is no price."""
        if self.upstream is not None:
            await self.upstream.prepare(market=market)

    @property
    def clock_error(self) -> timedelta:
        """Return how far the timestamps that are written are ahead of the truth."""
        offset_ms = 0 if self.faults is None else self.faults.offset_ms
        return timedelta(milliseconds=offset_ms)

    @property
    def conditions(self) -> Conditions:
        """Return the markets' switches."""
        return self.venue.conditions

    @property
    def assumptions(self) -> Assumptions:
        """Return the present choices."""
        return self.conditions.assumptions

    @assumptions.setter
    def assumptions(self, chosen: Assumptions) -> None:
        self.conditions.assumptions = chosen


HOUSE = web.AppKey("house", House)
CALLER = web.RequestKey("caller", str)
