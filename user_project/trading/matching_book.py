"""What rests in a market, and in which order an incoming order meets liquidity."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import NamedTuple

from user_project.trading.matching_orders import ZERO, Level, Order
from user_project.trading.orders import Side

_Key = tuple[Decimal, int, str]


class Offer(NamedTuple):
    """Liquidity at one price: an order of this exchange, or somebody outside."""

    price: Decimal
    maker: str | None
    """The resting order's uuid."""
    size: Decimal
    """Coins; of a resting order, look at the order itself."""


@dataclass(slots=True)
class RestingBook:
    """The resting limit orders of one market, best price first, then oldest first."""

    _sides: dict[Side, list[_Key]] = field(
        default_factory=lambda: {Side.BID: [], Side.ASK: []}
    )
    _keys: dict[str, tuple[Side, _Key]] = field(default_factory=dict)

    def add(self, order: Order, /, *, turn: int) -> None:
        """Let an order rest; *turn* rises with each order and settles who is older."""
        side, limit = order.request.side, order.request.limit
        if limit is None:
            raise ValueError(f"order {order.uuid} has no price to rest at")
        key = (-limit if side is Side.BID else limit, turn, order.uuid)
        self._keys[order.uuid] = (side, key)
        insort(self._sides[side], key)

    def remove(self, uuid: str, /) -> None:
        """Take an order out; does nothing if it never rested."""
        found = self._keys.pop(uuid, None)
        if found is not None:
            side, key = found
            keys = self._sides[side]
            del keys[bisect_left(keys, key)]

    def best(self, side: Side, /) -> Decimal | None:
        """Return the best resting price of a side."""
        keys = self._sides[side]
        return abs(keys[0][0]) if keys else None

    def reached(self, side: Side, /, *, price: Decimal) -> list[str]:
        """Return the orders of a side that a trade at *price* reaches, in turn."""
        bound = -price if side is Side.BID else price
        found = []
        for key, _, uuid in self._sides[side]:
            if key > bound:
                break
            found.append(uuid)
        return found

    def queue(self, side: Side, /) -> Iterator[tuple[Decimal, str]]:
        """Yield (price, uuid) of a side's orders, the first to trade first."""
        for key, _, uuid in self._sides[side]:
            yield abs(key), uuid


def offers(
    *, taker: Order, resting: RestingBook, levels: Sequence[Level]
) -> list[Offer]:
    """Return what *taker* may meet within its limit, the best price first.

    At one price our resting orders stand before the outside level. A `best` order
    meets the first price only.
    """
    side = Side.ASK if taker.request.side is Side.BID else Side.BID
    sign = 1 if side is Side.ASK else -1
    ranked = [(sign * p, 0, n, Offer(p, u, ZERO)) for n, (p, u) in _own(resting, side)]
    ranked += [
        (sign * price, 1, n, Offer(price, None, size))
        for n, (price, size) in enumerate(levels)
        if size > ZERO
    ]
    ranked.sort(key=lambda row: row[:3])
    found = [offer for *_, offer in ranked]
    limit = _worst_price(taker, found)
    return [o for o in found if limit is None or sign * o.price <= sign * limit]


def _own(resting: RestingBook, side: Side) -> Iterator[tuple[int, tuple[Decimal, str]]]:
    return enumerate(resting.queue(side))


def _worst_price(taker: Order, found: Sequence[Offer]) -> Decimal | None:
    if taker.request.ord_type == "best":
        return found[0].price if found else None
    return taker.request.limit
