"""Exchange-neutral values that the pure core and every exchange adapter speak."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum


class Side(StrEnum):
    """Buy or sell, in Upbit's words."""

    BID = "bid"
    ASK = "ask"


class OrderKind(StrEnum):
    """How an order is priced."""

    LIMIT = "limit"  # price and volume
    MARKET = "market"  # a buy names funds in won, a sell names volume in coins


class Outcome(StrEnum):
    """What became of an order, decided by executed volume rather than by state."""

    OPEN = "open"
    PARTIAL = "partial"  # still open, something filled
    FILLED = "filled"
    CANCELLED = "cancelled"  # closed; executed_volume tells whether a part filled


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """What is sent; ``identifier`` is ours, unique for ever."""

    identifier: str
    market: str
    side: Side
    kind: OrderKind
    price: Decimal | None = None
    """Limit price in KRW per coin."""
    volume: Decimal | None = None
    """Coins; limit orders and market sells."""
    funds: Decimal | None = None
    """KRW to spend without fee; market buys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """One execution; ``fee`` is the order's paid fee split by funds."""

    uuid: str
    price: Decimal
    volume: Decimal
    funds: Decimal
    fee: Decimal
    traded_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderView:
    """What the exchange says about an order."""

    uuid: str
    identifier: str | None
    market: str
    side: Side
    kind: OrderKind
    price: Decimal | None
    volume: Decimal | None
    funds: Decimal | None
    outcome: Outcome
    executed_volume: Decimal
    paid_fee: Decimal
    created_at: datetime
    trades: tuple[Trade, ...] | None
    """None where the answer does not list trades (list endpoints, POST, DELETE)."""
    trades_count: int
    prevented_volume: Decimal = Decimal(0)
    """Coins that self-match prevention took off the order: what is missing may be
    ordered again once the other order of the account is gone."""

    @property
    def is_open(self) -> bool:
        """Tell whether the order can still fill."""
        return self.outcome in (Outcome.OPEN, Outcome.PARTIAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Balance:
    """One currency of the account; ``free`` excludes what orders have locked."""

    currency: str
    free: Decimal
    locked: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceQuote:
    """A market's last price and when it reached us."""

    market: str
    price: Decimal
    received_at: datetime
    previous_close: Decimal | None = None
    """Last price of the UTC day before (until 09:00 in Korea); None when not told."""

    def day_change(self, *, now: datetime) -> Decimal | None:
        """Return the change since the last close as a share of it (전일대비).

        None when it is not known, or when that close is no longer the last one.
        """
        if not self.previous_close or trading_day(self.received_at) != trading_day(now):
            return None
        return self.price / self.previous_close - 1

    def held_at(self, at: datetime, /) -> PriceQuote:
        """Return this price as known to hold at a later instant.

        A new day has another close before it, which nobody has told yet.
        """
        same_day = trading_day(at) == trading_day(self.received_at)
        close = self.previous_close if same_day else None
        return replace(self, received_at=at, previous_close=close)


def trading_day(at: datetime, /) -> date:
    """Return the exchange's day of an instant: it begins at 09:00 in Korea."""
    return at.astimezone(UTC).date()
