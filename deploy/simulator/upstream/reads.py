"""What the upstream's answers and stream frames say, as values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from deploy.simulator.market.feed import Book
from deploy.simulator.upstream.rest import UpstreamAway, UpstreamRest
from user_project.trading.matching_orders import Level

_BROKEN: Final = (KeyError, TypeError, ValueError, InvalidOperation)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quote:
    """A market's last trade; the instant is the upstream's."""

    market: str
    price: Decimal
    traded_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Deal:
    """One trade on the upstream; the instant is the upstream's."""

    price: Decimal
    volume: Decimal
    traded_ms: int
    number: int | None
    """The upstream's, unique; None for a trade that a candle tells of."""


async def read_quotes(rest: UpstreamRest, *, markets: Iterable[str]) -> list[Quote]:
    """Return the last trades of markets; one that never traded is missing.

    Raises what UpstreamRest.read raises; UnknownMarket if one of them is unknown.
    """
    rows = await rest.read("/v1/ticker", {"markets": ",".join(markets)})
    try:
        return [
            Quote(
                market=str(row["market"]),
                price=Decimal(row["trade_price"]),
                traded_ms=int(row["trade_timestamp"]),
            )
            for row in rows
        ]
    except _BROKEN as error:
        raise UpstreamAway("its ticker cannot be understood") from error


async def read_book(rest: UpstreamRest, *, market: str) -> Book:
    """Return a market's order book; raises what UpstreamRest.read raises."""
    rows = await rest.read("/v1/orderbook", {"markets": market})
    try:
        return book_of(rows[0]) if rows else Book(asks=(), bids=())
    except _BROKEN as error:
        raise UpstreamAway("its orderbook cannot be understood") from error


async def read_markets(rest: UpstreamRest) -> frozenset[str]:
    """Return the names of all markets; raises what UpstreamRest.read raises."""
    rows = await rest.read("/v1/market/all", {})
    try:
        return frozenset(str(row["market"]) for row in rows)
    except _BROKEN as error:
        raise UpstreamAway("its list of markets cannot be understood") from error


def book_of(row: dict[str, Any]) -> Book:
    """Return the book of an answer's row or of a frame; KeyError and the like if none."""
    units = row["orderbook_units"]

    def side(name: str) -> tuple[Level, ...]:
        levels = (
            Level(Decimal(unit[f"{name}_price"]), Decimal(unit[f"{name}_size"]))
            for unit in units
        )
        # A side with fewer levels than the other is filled up with zeros.
        return tuple(level for level in levels if level.price > 0 and level.size > 0)

    return Book(asks=side("ask"), bids=side("bid"))


def deal_of(row: dict[str, Any]) -> Deal:
    """Return the trade of an answer's row or of a frame; KeyError and the like if none."""
    return Deal(
        price=Decimal(row["trade_price"]),
        volume=Decimal(row["trade_volume"]),
        # In a frame `timestamp` is when the frame was made.
        traded_ms=int(row.get("trade_timestamp", row["timestamp"])),
        number=int(row["sequential_id"]),
    )
