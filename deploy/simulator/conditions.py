"""What the exchange's operator has switched: maintenance, delisting, flags, fees, ticks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from common.money import TickTable


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One market's switches; None leaves what the market has by itself."""

    offline: bool = False
    """In maintenance: nothing trades, orders are refused with market_offline."""
    delisted: bool = False
    """Gone from all lists; orders are refused with notfoundmarket."""
    delisting_date: str | None = None
    """Announced day (YYYY-MM-DD), shown by the ticker stream."""
    warning: bool | None = None
    caution: tuple[str, ...] | None = None
    bid_fee: Decimal | None = None
    ask_fee: Decimal | None = None
    min_total: Decimal | None = None
    max_total: Decimal | None = None
    ticks: TickTable | None = None


_USUAL = Condition()


class Conditions:
    """The switches of all markets; `maintenance` puts the whole exchange offline."""

    def __init__(self) -> None:
        self.maintenance = False
        self._changed: dict[str, Condition] = {}

    def of(self, *, market: str) -> Condition:
        """Return a market's switches."""
        return self._changed.get(market, _USUAL)

    def change(self, *, market: str, **changes: Any) -> Condition:
        """Set some switches of a market; return them all."""
        self._changed[market] = replace(self.of(market=market), **changes)
        return self._changed[market]

    def is_offline(self, *, market: str) -> bool:
        """Tell whether nothing trades on a market at present."""
        return self.maintenance or self.of(market=market).offline

    def is_listed(self, *, market: str) -> bool:
        """Tell whether a market is still on the exchange's lists."""
        return not self.of(market=market).delisted
