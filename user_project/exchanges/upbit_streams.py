"""Upbit's WebSocket: prices for everybody, an account's orders for its key.

The SDK opens the connection and signs it; it is kept open elsewhere, because the SDK
gives up after five tries and takes a clean close for the end.
"""

from __future__ import annotations

import json
import logging
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, Protocol, cast

from upbit import Upbit
from upbit.types.websocket_connection_options import WebSocketConnectionOptions

from common.money import NotADecimal, to_decimal
from user_project.exchanges.adapter import (
    ExchangeError,
    KeyRefused,
    RateLimited,
    Unavailable,
)
from user_project.exchanges.limiter import RateLimiter
from user_project.exchanges.streams import Alive, Event, Line, OrderNotice
from user_project.exchanges.upbit_codec import previous_close
from user_project.trading.orders import PriceQuote

log = logging.getLogger(__name__)

PUBLIC: Final = "websocket-public"
PRIVATE: Final = "websocket-private"
PING: Final = "PING"
TOO_FAST: Final = 429
PENALTY: Final = 418
REFUSED: Final = (401, 403)
_OPTIONS: Final = cast(
    WebSocketConnectionOptions,
    {
        "open_timeout": 5,
        "close_timeout": 1,
        # Its debug log shows the handshake's headers, and with them the signature.
        "logger": logging.getLogger("upbit.websocket"),
    },
)
logging.getLogger("upbit.websocket").setLevel(logging.INFO)


class Connection(Protocol):
    """What the SDK opens, for everybody or for one key."""

    def recv_bytes(self, *, timeout: float | None = None) -> bytes: ...

    def send_raw(self, data: bytes | str) -> None: ...

    def close(self) -> None: ...


def price_line(
    *, client: Upbit, limiter: RateLimiter, markets: Sequence[str]
) -> UpbitLine:
    """Open a line that tells the last price of *markets* at once and on each trade."""
    wanted = {"type": "ticker", "codes": list(markets)}
    manager = client.ws_public.connect_public(websocket_connection_options=_OPTIONS)
    connection = _opened(manager.enter, limiter=limiter, group=PUBLIC)
    return UpbitLine(connection, wanted=wanted, read=Tickers().read)


def order_line(*, client: Upbit, limiter: RateLimiter) -> UpbitLine:
    """Open a line that tells what happens to the orders of the client's key."""
    manager = client.ws_private.connect_private(websocket_connection_options=_OPTIONS)
    connection = _opened(manager.enter, limiter=limiter, group=PRIVATE)
    return UpbitLine(connection, wanted={"type": "myOrder"}, read=order_notice)


class UpbitLine(Line):
    """One WebSocket with one subscription, made by one message with all types."""

    def __init__(
        self,
        connection: Connection,
        *,
        wanted: dict[str, Any],
        read: Callable[[dict[str, Any]], Event | None],
    ) -> None:
        self._connection = connection
        self._read = read
        ticket = {"ticket": str(uuid.uuid4())}
        connection.send_raw(json.dumps([ticket, wanted, {"format": "DEFAULT"}]))

    def receive(self, *, seconds: float) -> Sequence[Event]:
        """Wait for one message and read it; raise when Upbit reports an error."""
        try:
            message = self._connection.recv_bytes(timeout=seconds)
        except TimeoutError:
            return ()
        told = json.loads(message, parse_float=Decimal)
        if not isinstance(told, dict):
            return ()
        if "error" in told:
            raise _reported(told["error"])
        if told.get("status") == "UP":
            return (Alive(),)
        try:
            event = self._read(told)
        except (KeyError, NotADecimal, TypeError) as error:
            log.warning("a message of %s was not read: %r", told.get("type"), error)
            return ()
        return () if event is None else (event,)

    def ping(self) -> None:
        """Ask for ``{"status": "UP"}``."""
        self._connection.send_raw(PING)

    def close(self) -> None:
        """Close, whatever state the connection is in."""
        try:
            self._connection.close()
        except Exception as error:
            log.debug("closing failed: %s", error)


class Tickers:
    """Reads tickers; one that was overtaken by a younger one is dropped."""

    def __init__(self) -> None:
        self._latest: dict[str, int] = {}

    def read(self, told: dict[str, Any]) -> PriceQuote | None:
        """Return the price a message tells, None for an older one or another type."""
        if told.get("type") != "ticker":
            return None
        market, at = str(told["code"]), int(told["timestamp"])
        if at < self._latest.get(market, at):
            return None
        self._latest[market] = at
        return PriceQuote(
            market=market,
            price=to_decimal(told["trade_price"]),
            received_at=datetime.now(UTC),
            previous_close=previous_close(told.get("prev_closing_price")),
        )


def order_notice(told: dict[str, Any]) -> OrderNotice | None:
    """Return which order a message is about, None for another type."""
    if told.get("type") != "myOrder":
        return None
    identifier = told.get("identifier")
    return OrderNotice(
        identifier=None if identifier is None else str(identifier),
        market=str(told["code"]),
        accepted_only=told.get("state") == "wait",
    )


def _opened(
    enter: Callable[[], Connection], *, limiter: RateLimiter, group: str
) -> Connection:
    """Connect in turn; name what a refused handshake means."""
    with limiter.turn(group=group):
        try:
            return enter()
        except Exception as error:
            status = getattr(getattr(error, "response", None), "status_code", None)
            if status == PENALTY:
                limiter.penalise(group=group)
            if status in (TOO_FAST, PENALTY):
                raise RateLimited(f"HTTP {status}", retry_after=1) from error
            if status in REFUSED:
                raise KeyRefused(f"HTTP {status} to a live line") from error
            text = f"no live line: {type(error).__name__}: {error}"
            raise Unavailable(text[:200]) from error


def _reported(error: object) -> ExchangeError:
    """Return what an error message means; Upbit closes or ignores us after one."""
    told = error if isinstance(error, dict) else {"name": str(error)}
    name = str(told.get("name", ""))
    return Unavailable(f"{name}: {told.get('message', '')}"[:200], name=name)
