"""What the exchange needs to know of a market outside: trades and the book."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from deploy.simulator.market.path import Ints
from deploy.simulator.market.ticks import Floats
from user_project.trading.matching_orders import Level


@dataclass(frozen=True, slots=True)
class Trades:
    """Trades at real instants, oldest first; arrays of one length."""

    at_ms: Ints
    price: Floats
    volume: Floats
    """Coins."""
    quote: Floats
    """KRW."""

    def __len__(self) -> int:
        """Return the number of trades."""
        return len(self.at_ms)


@dataclass(frozen=True, slots=True)
class Book:
    """Other people's orders, up to 30 levels a side, the best first."""

    asks: tuple[Level, ...]
    bids: tuple[Level, ...]


class Feed(Protocol):
    """One market: a path computed here, or an upstream exchange's trades."""

    market: str
    ahead_ms: int
    """How far beyond the present `trades` already knows; 0 for an upstream."""

    def price(self, *, at_ms: int) -> Decimal | None:
        """Return the last traded price, or None before the first trade."""

    def trades(self, *, after_ms: int, until_ms: int) -> Trades:
        """Return the trades in ``(after_ms, until_ms]``."""

    def book(self, *, at_ms: int) -> Book:
        """Return the book; empty before the first trade."""

    def inject(self, *, price: Decimal, volume: Decimal, at_ms: int) -> None:
        """Add a trade of somebody else; it is the last price until the next one."""

    def set_halted(self, *, on: bool, at_ms: int) -> None:
        """Trade no more from *at_ms* on, or again; asking twice changes nothing."""
