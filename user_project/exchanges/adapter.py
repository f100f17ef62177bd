"""The port every exchange implements, and what its errors mean for an order."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final

from common.money import MarketRules
from user_project.exchanges.streams import Line
from user_project.trading.orders import (
    Balance,
    OrderRequest,
    OrderView,
    PriceQuote,
)


class ExchangeError(Exception):
    """Base of everything an exchange call may raise; ``name`` is the exchange's word."""

    def __init__(self, message: str, *, name: str = "") -> None:
        super().__init__(message)
        self.name = name


class Refused(ExchangeError):
    """The exchange said no for certain: nothing exists, nothing will happen.

    The name ``market_offline`` means not now: the market is in maintenance.
    """


class KeyRefused(ExchangeError):
    """The key was refused (rights, address, expiry); a person has to repair it."""


class NotFound(ExchangeError):
    """The exchange does not know such an order at this moment."""


class RateLimited(ExchangeError):
    """Over the rate; ``retry_after`` seconds. Not executed by rule, verify anyway."""

    def __init__(self, message: str, *, retry_after: float, name: str = "") -> None:
        super().__init__(message, name=name)
        self.retry_after = retry_after


class Ambiguous(ExchangeError):
    """No definite answer arrived: the order may or may not exist."""


class Unavailable(ExchangeError):
    """A read failed; it carries no information about any order."""


class Right(StrEnum):
    """What a key may do."""

    VIEW_BALANCES = "view_balances"
    VIEW_ORDERS = "view_orders"
    PLACE_ORDERS = "place_orders"
    VIEW_WITHDRAWALS = "view_withdrawals"
    WITHDRAW = "withdraw"
    DEPOSIT = "deposit"
    TRANSFER = "transfer"


NEEDED_RIGHTS: Final = (Right.VIEW_BALANCES, Right.VIEW_ORDERS, Right.PLACE_ORDERS)
FORBIDDEN_RIGHTS: Final = (Right.WITHDRAW, Right.DEPOSIT, Right.TRANSFER)
"""A key that has one of these can move money out of our reach."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyReport:
    """Result of a key check."""

    accepted: bool
    expires_at: datetime | None
    withdraw_refused: bool | None
    """True: the key cannot read withdrawals (good). None: could not be told."""
    message: str
    has: frozenset[Right] = frozenset()
    """Rights that were proven."""
    lacks: frozenset[Right] = frozenset()
    """Rights whose absence was proven; the others could not be told."""
    allowed_ips: tuple[str, ...] = ()
    """Addresses the key works from, where the exchange tells them."""
    egress: str = ""
    """Our address on the way to the exchange; behind a router its own is another."""

    @property
    def missing(self) -> tuple[Right, ...]:
        """Return the rights a bot needs and this key surely lacks."""
        return tuple(right for right in NEEDED_RIGHTS if right in self.lacks)

    @property
    def excess(self) -> tuple[Right, ...]:
        """Return the rights this key surely has and must not have."""
        return tuple(right for right in FORBIDDEN_RIGHTS if right in self.has)

    @property
    def is_harmless(self) -> bool:
        """Tell whether it was proven that the key cannot move money away."""
        return self.lacks.issuperset(FORBIDDEN_RIGHTS)

    def days_left(self, *, now: datetime) -> int | None:
        """Return how many whole days the key still works; None when not told."""
        return None if self.expires_at is None else (self.expires_at - now).days


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketState:
    """A market's names and the exchange's flags on it."""

    market: str
    korean_name: str
    english_name: str
    warning: bool
    """Designated investment-caution item (유의 종목), often a step before delisting."""
    cautions: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candle:
    """Prices of one stretch of time in KRW, the coin's volume in it."""

    started_at: datetime
    opened: Decimal
    high: Decimal
    low: Decimal
    closed: Decimal
    volume: Decimal


class ExchangeAdapter(ABC):
    """Place, follow and cancel orders; read balances, rules and prices.

    Order calls send exactly one request and never retry. Reads may retry. All calls
    pass the shared rate limiter. Decimals in, Decimals out.
    """

    @abstractmethod
    def place_market_order(self, *, request: OrderRequest) -> OrderView:
        """Send a market order. Raises Refused, KeyRefused, RateLimited or Ambiguous."""

    @abstractmethod
    def place_limit_order(self, *, request: OrderRequest) -> OrderView:
        """Send a limit order. Raises Refused, KeyRefused, RateLimited or Ambiguous."""

    @abstractmethod
    def cancel_order(self, *, uuid: str) -> None:
        """Ask for cancellation; the answer is only a receipt, read the order after.

        Raises NotFound, Refused, KeyRefused, RateLimited, Ambiguous. Whatever it says,
        only a later read tells whether the order still stands.
        """

    @abstractmethod
    def get_order(
        self, *, uuid: str | None = None, identifier: str | None = None
    ) -> OrderView:
        """Return one order with its trades. Raises NotFound, KeyRefused, Unavailable."""

    @abstractmethod
    def list_orders(
        self,
        *,
        identifiers: Sequence[str] = (),
        market: str | None = None,
        open_only: bool = True,
        since: datetime | None = None,
    ) -> list[OrderView]:
        """Return orders without trades.

        With *identifiers* (any number, asked 100 at a time) exactly those that exist.
        Otherwise all open orders, or with ``open_only=False`` those closed whose
        creation is not before *since*, windows walked as far as needed.
        """

    @abstractmethod
    def get_balances(self) -> dict[str, Balance]:
        """Return balances by currency; a coin never held is missing."""

    @abstractmethod
    def get_rules(self, *, market: str) -> MarketRules:
        """Return fees, minimum, maximum and ticks of one market; raise Refused when
        the market is unknown."""

    @abstractmethod
    def get_market(self, *, market: str) -> MarketState:
        """Return names and flags; raise Refused (notfoundmarket) when unknown."""

    @abstractmethod
    def get_prices(self, *, markets: Sequence[str]) -> dict[str, PriceQuote]:
        """Return the last price of each market that trades; unknown ones are missing."""

    def get_candles(self, *, market: str, unit: int, count: int) -> list[Candle]:
        """Return at most *count* candles of *unit* minutes (1440 is a day), oldest first.

        Raises ExchangeError; an exchange without them leaves charts empty.
        """
        raise Unavailable("this exchange has no candles")

    @abstractmethod
    def check_key(self) -> KeyReport:
        """Read what the key may do and until when; nothing is ever really ordered.

        Raises Unavailable or RateLimited when nobody could be asked.
        """

    @property
    def clock_offset(self) -> timedelta:
        """Exchange's clock minus this machine's; zero where the exchange says no time."""
        return timedelta(0)

    def stream_prices(self, *, markets: Sequence[str]) -> Line:
        """Open a line that tells prices: each once at first, then whenever it changes.

        Raises ExchangeError; an exchange without one leaves the reads.
        """
        raise Unavailable("this exchange pushes no prices")

    def stream_orders(self) -> Line:
        """Open a line that tells when something happens to an order of the account.

        Raises ExchangeError; an exchange without one leaves the reads.
        """
        raise Unavailable("this exchange pushes no orders")

    def close(self) -> None:  # noqa: B027  # nothing to release unless one says so
        """Release connections; the adapter is not used again."""
