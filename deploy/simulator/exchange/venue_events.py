"""What is asked of the exchange and takes effect later or on whole markets, as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from user_project.trading.matching_events import Event
from user_project.trading.matching_orders import NewOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class Successor:
    """The order that follows a cancelled one, if that one can still be cancelled."""

    uuid: str
    request: NewOrder
    remain_only: bool
    """Take over what the old order leaves; the request's own volume does not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelAsked:
    """A cancellation was received; it takes effect at *at_ms* if the order is open."""

    uuid: str
    at_ms: int
    successor: Successor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketChanged:
    """A market's switches are now these (JSON of a Condition)."""

    market: str
    condition: dict[str, Any]
    at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MaintenanceSet:
    """The whole exchange went offline or came back."""

    on: bool
    at_ms: int


VenueEvent = Event | CancelAsked | MarketChanged | MaintenanceSet
