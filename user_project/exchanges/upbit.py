"""Upbit behind the exchange port.

Order calls leave once, whatever happens to them; see upbit_wire for the sending and
upbit_errors for what each failure means.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Final, TypeVar
from zoneinfo import ZoneInfo

import httpx
from upbit import Omit, omit

from common.money import MarketRules
from common.upbit import CLOSED_ORDERS_WINDOW_DAYS
from user_project.exchanges import upbit_codec as codec
from user_project.exchanges.adapter import (
    Candle,
    ExchangeAdapter,
    KeyReport,
    MarketState,
    Refused,
)
from user_project.exchanges.limiter import RateLimiter
from user_project.exchanges.streams import Line
from user_project.exchanges.upbit_errors import Call
from user_project.exchanges.upbit_keys import check_key
from user_project.exchanges.upbit_quotes import UpbitQuotes
from user_project.exchanges.upbit_streams import order_line, price_line
from user_project.exchanges.upbit_wire import UpbitWire, open_client
from user_project.trading.orders import (
    Balance,
    OrderKind,
    OrderRequest,
    OrderView,
    PriceQuote,
)

T = TypeVar("T")

IDENTIFIERS_PER_CALL: Final = 100
OPEN_PAGE: Final = 100
CLOSED_PAGE: Final = 1000
WINDOW: Final = timedelta(days=CLOSED_ORDERS_WINDOW_DAYS)
SHORTEST_WINDOW: Final = timedelta(seconds=2)
KOREA: Final = ZoneInfo("Asia/Seoul")
KEEP_SECONDS: Final = 60
"""So long fees, names and flags are believed before they are read again."""


class UpbitAdapter(ExchangeAdapter):
    """One Upbit account; with empty keys only prices, names and flags can be read."""

    def __init__(
        self,
        *,
        base_url: str,
        limiter: RateLimiter,
        access_key: str = "",
        secret_key: str = "",
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Talk to *base_url* (no ``/v1``) at the pace of *limiter*."""
        client = open_client(
            base_url=base_url,
            access_key=access_key,
            secret_key=secret_key,
            transport=transport,
        )
        self._access_key = access_key
        self._wire = UpbitWire(client=client, limiter=limiter)
        self._orders = client.orders.with_raw_response
        self._client = client
        self._quotes = UpbitQuotes(client=client, wire=self._wire)
        self._kept: dict[object, tuple[float, Any]] = {}

    @property
    def clock_offset(self) -> timedelta:
        """Return the difference as of the last answer's Date, which has whole seconds."""
        return self._wire.clock_offset

    def place_market_order(self, *, request: OrderRequest) -> OrderView:
        """Send a market order once."""
        return self._place(request, kind=OrderKind.MARKET)

    def place_limit_order(self, *, request: OrderRequest) -> OrderView:
        """Send a limit order once."""
        return self._place(request, kind=OrderKind.LIMIT)

    def cancel_order(self, *, uuid: str) -> None:
        """Ask for cancellation once; the answer only confirms that we asked."""
        self._wire.send(
            lambda: self._orders.cancel(uuid=uuid),
            codec.order_view,
            group="default",
            call=Call.CANCEL,
        )

    def get_order(
        self, *, uuid: str | None = None, identifier: str | None = None
    ) -> OrderView:
        """Return one order with its trades."""
        if (uuid is None) == (identifier is None):
            raise ValueError("name an order by uuid or by identifier")
        return self._wire.read(
            lambda: self._orders.retrieve(
                uuid=uuid or omit, identifier=identifier or omit
            ),
            lambda answer: codec.asked_order(answer, uuid=uuid, identifier=identifier),
        )

    def list_orders(
        self,
        *,
        identifiers: Sequence[str] = (),
        market: str | None = None,
        open_only: bool = True,
        since: datetime | None = None,
    ) -> list[OrderView]:
        """Return orders without trades; see the port for the three ways to ask."""
        only = omit if market is None else market
        if identifiers:
            found = self._by_identifier(identifiers, only)
        elif open_only:
            found = self._open_orders(only)
        else:
            now = datetime.now(UTC)
            start, ahead = since or now - WINDOW, self.clock_offset
            found = self._closed_orders(only, start=start + ahead, end=now + ahead)
        return list({view.uuid: view for view in found}.values())

    def get_balances(self) -> dict[str, Balance]:
        """Return balances by currency."""
        items = self._wire.read(
            self._client.accounts.with_raw_response.list,
            lambda answer: [codec.balance(item) for item in codec.listed(answer)],
        )
        return {item.currency: item for item in items}

    def get_rules(self, *, market: str) -> MarketRules:
        """Return fees, limits and ticks as read at most a minute ago.

        Ticks are today's table, corrected where the exchange tells another one.
        """
        return self._keep(("rules", market), lambda: self._read_rules(market))

    def get_market(self, *, market: str) -> MarketState:
        """Return names and flags as read at most a minute ago."""
        states = self._keep("markets", self._quotes.markets)
        if market not in states:
            raise Refused(f"{market} is not listed", name="notfoundmarket")
        return states[market]

    def get_prices(self, *, markets: Sequence[str]) -> dict[str, PriceQuote]:
        """Return last prices; unknown markets are missing."""
        return self._quotes.prices(markets)

    def get_candles(self, *, market: str, unit: int, count: int) -> list[Candle]:
        """Return candles in pages of 200, the exchange's most."""
        return self._quotes.candles(market, unit=unit, count=count)

    def check_key(self) -> KeyReport:
        """Read what the key may do and until when; test an order without booking it."""
        return check_key(
            client=self._client,
            wire=self._wire,
            quotes=self._quotes,
            access_key=self._access_key,
        )

    def stream_prices(self, *, markets: Sequence[str]) -> Line:
        """Open a line that tells last prices."""
        return price_line(
            client=self._client, limiter=self._wire.limiter, markets=markets
        )

    def stream_orders(self) -> Line:
        """Open a line that tells when something happens to an order of the key."""
        self._wire.need_keys()
        return order_line(client=self._client, limiter=self._wire.limiter)

    def close(self) -> None:
        """Close the connections to the exchange."""
        self._wire.close()

    def _place(self, request: OrderRequest, *, kind: OrderKind) -> OrderView:
        if request.kind is not kind:
            raise ValueError(f"{request.kind} order sent as {kind}")
        fields = codec.order_fields(request)
        return self._wire.send(
            lambda: self._orders.create(**fields),  # type: ignore[arg-type]
            lambda answer: codec.accepted_order(answer, identifier=request.identifier),
            group="order",
            call=Call.ORDER,
        )

    def _by_identifier(
        self, identifiers: Sequence[str], only: str | Omit
    ) -> Iterator[OrderView]:
        for start in range(0, len(identifiers), IDENTIFIERS_PER_CALL):
            batch = list(identifiers[start : start + IDENTIFIERS_PER_CALL])
            yield from self._list(
                lambda batch=batch: self._orders.list_by_uuids(  # type: ignore[misc]
                    identifiers=batch, market=only
                )
            )

    def _open_orders(self, only: str | Omit) -> Iterator[OrderView]:
        for page in count(1):
            found = self._list(
                lambda page=page: self._orders.list_open(  # type: ignore[misc]
                    states=["wait", "watch"], page=page, limit=OPEN_PAGE, market=only
                )
            )
            yield from found
            if len(found) < OPEN_PAGE:
                return

    def _closed_orders(
        self, only: str | Omit, *, start: datetime, end: datetime
    ) -> Iterator[OrderView]:
        """Walk windows by creation time; a full answer may hide more, so halve it."""
        while start < end:
            stop = min(start + WINDOW, end)
            found = self._closed_window(only, start, stop)
            while len(found) >= CLOSED_PAGE and stop - start > SHORTEST_WINDOW:
                stop = start + (stop - start) / 2
                found = self._closed_window(only, start, stop)
            yield from found
            start = stop

    def _closed_window(
        self, only: str | Omit, start: datetime, end: datetime
    ) -> list[OrderView]:
        # Whole seconds, rounded outwards: windows may overlap but leave no gap.
        until = end.replace(microsecond=0) + timedelta(seconds=1)
        return self._list(
            lambda: self._orders.list_closed(
                start_time=start.isoformat(timespec="seconds"),
                end_time=min(until, start + WINDOW).isoformat(timespec="seconds"),
                limit=CLOSED_PAGE,
                order_by="asc",
                market=only,
            )
        )

    def _list(self, request: Callable[[], Any]) -> list[OrderView]:
        return self._wire.read(
            request,
            lambda answer: [codec.order_view(item) for item in codec.listed(answer)],
        )

    def _read_rules(self, market: str) -> MarketRules:
        today = datetime.now(KOREA).date()
        rules = self._wire.read(
            lambda: self._orders.retrieve_chance(market=market),
            lambda answer: codec.rules(answer, market=market, on=today),
            call=Call.MARKET,
        )
        ticks = self._quotes.corrected(rules.ticks, market=market)
        return replace(rules, ticks=ticks)

    def _keep(self, key: object, read: Callable[[], T]) -> T:
        """Return what was read within the last minute, else read it again."""
        kept = self._kept.get(key)
        if kept is not None and time.monotonic() - kept[0] < KEEP_SECONDS:
            value: T = kept[1]
            return value
        fresh = read()
        self._kept[key] = (time.monotonic(), fresh)
        return fresh
