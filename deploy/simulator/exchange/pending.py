"""What was accepted and takes effect a moment later: arrivals and cancellations."""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import count
from typing import NamedTuple

from deploy.simulator.exchange.venue_events import CancelAsked, Successor


class Due(NamedTuple):
    """One effect; same instants take effect in the order they were asked for."""

    at_ms: int
    turn: int
    uuid: str
    arrives: bool


class Pending:
    """The effects to come, market by market."""

    def __init__(self) -> None:
        self._due: dict[str, list[Due]] = {}
        self._cancelling: dict[str, Successor | None] = {}
        self._turns = count()

    def arrive(self, *, market: str, uuid: str, at_ms: int) -> None:
        """Let an order meet its market at *at_ms*."""
        self._push(market, uuid, at_ms, arrives=True)

    def cancel(self, *, market: str, asked: CancelAsked) -> None:
        """Let an order end as asked."""
        self._cancelling[asked.uuid] = asked.successor
        self._push(market, asked.uuid, asked.at_ms, arrives=False)

    def is_cancelling(self, *, uuid: str) -> bool:
        """Tell whether an order's cancellation is on its way."""
        return uuid in self._cancelling

    def _push(self, market: str, uuid: str, at_ms: int, *, arrives: bool) -> None:
        due = Due(at_ms, next(self._turns), uuid, arrives)
        heappush(self._due.setdefault(market, []), due)

    def next(self, *, market: str, now_ms: int) -> Due | None:
        """Return and forget the next effect up to *now_ms*."""
        due = self._due.get(market)
        return heappop(due) if due and due[0].at_ms <= now_ms else None

    def successor(self, *, uuid: str) -> Successor | None:
        """Return and forget what follows an order; it is no longer being cancelled."""
        return self._cancelling.pop(uuid, None)
