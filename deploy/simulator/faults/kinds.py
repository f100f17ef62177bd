"""What can go wrong on demand: every kind of fault, and the calls it fits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final

ANY: Final = "*"
"""Every REST endpoint that the kind fits."""
ANY_STREAM: Final = "ws *"
"""Every stream that the kind fits."""
STREAMS: Final = tuple(
    f"ws {name}"
    for name in ("ticker", "trade", "orderbook", "candle", "myOrder", "myAsset")
)
LONGEST_SECONDS: Final = 120.0


class Way(StrEnum):
    """What becomes of the call itself."""

    ACCEPT = "accept"  # done as asked, then the answer goes wrong
    REJECT = "reject"  # nothing is done, the answer goes wrong in the same way
    LATE = "late"  # the answer goes wrong at once, the call is done later
    TWICE = "twice"  # done twice, the second answer is given
    SLOW = "slow"  # done as asked, whatever the answer is it comes late
    ALTER = "alter"  # done as asked, the answer says something else
    STREAM = "stream"  # one message of a WebSocket connection


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: its way, its outward sign and the endpoints it fits."""

    way: Way
    sign: str
    fits: tuple[str, ...]
    """Patterns of endpoints."""
    seconds: float | None = None
    """Its usual duration; None where a duration means nothing."""

    def suits(self, *, endpoint: str) -> bool:
        """Tell whether this can happen at an endpoint."""
        return any(fnmatchcase(endpoint, pattern) for pattern in self.fits)


_REST: Final = ("GET /v1/*", "POST /v1/*", "DELETE /v1/*")
_WRITES: Final = ("POST /v1/*", "DELETE /v1/*")
_PRIVATE: Final = (
    "GET /v1/accounts",
    "GET /v1/order",
    "GET /v1/orders*",
    "GET /v1/api_keys",
    "GET /v1/pockets/*",
    "GET /v1/withdraws/*",
    *_WRITES,
)
_ONE_ORDER: Final = ("GET /v1/order", "DELETE /v1/order", "POST /v1/orders*")
_LOOKUPS: Final = ("GET /v1/order", "GET /v1/orders/uuids", "GET /v1/orders/open")
_ORDER_LISTS: Final = (*_LOOKUPS[1:], "GET /v1/orders/closed")
_CANDLES: Final = ("GET /v1/candles/*",)
_MARKET_LISTS: Final = (
    "GET /v1/ticker*",
    "GET /v1/orderbook",
    "GET /v1/trades/*",
    *_CANDLES,
)
_LISTS: Final = (
    "GET /v1/market/all",
    "GET /v1/accounts",
    *_ORDER_LISTS,
    *_MARKET_LISTS,
)
_EVERY_STREAM: Final = ("ws *",)


def _accept(sign: str, fits: tuple[str, ...], seconds: float | None = None) -> Kind:
    return Kind(Way.ACCEPT, sign, fits, seconds)


def _reject(sign: str, fits: tuple[str, ...], seconds: float | None = None) -> Kind:
    return Kind(Way.REJECT, sign, fits, seconds)


def _alter(sign: str, fits: tuple[str, ...], seconds: float | None = None) -> Kind:
    return Kind(Way.ALTER, sign, fits, seconds)


def _stream(sign: str, seconds: float | None = None) -> Kind:
    return Kind(Way.STREAM, sign, _EVERY_STREAM, seconds)


KINDS: Final[dict[str, Kind]] = {
    "accept_then_hang": _accept("hang", _REST, 60),
    "accept_then_reset": _accept("reset", _REST),
    "accept_then_500": _accept("500", _REST),
    "accept_then_429": _accept("429", _REST),
    "accept_then_418": _accept("418", _REST, 10),
    "accept_then_html": _accept("html", _REST),
    "accept_then_truncated": _accept("truncated", _REST),
    "accept_then_malformed_json": _accept("malformed_json", _REST),
    "accept_without_remaining": _accept("without_remaining", _REST),
    "accept_dotted_remaining": _accept("dotted_remaining", _REST),
    "accept_without_uuid": _accept("without_uuid", _ONE_ORDER),
    "accept_wrong_identifier": _accept("wrong_identifier", _ONE_ORDER),
    "accept_error_body_200": _accept("error_body_200", _REST),
    "reject_then_hang": _reject("hang", _REST, 60),
    "reject_then_reset": _reject("reset", _REST),
    "reject_500": _reject("500", _REST),
    "reject_429": _reject("429", _REST),
    "reject_418": _reject("418", _REST, 10),
    "reject_html": _reject("html", _REST),
    "reject_truncated": _reject("truncated", _REST),
    "reject_409": _reject("409", _REST),
    "nonce_used": _reject("nonce_used", _PRIVATE),
    "no_authorization_ip": _reject("no_authorization_ip", _PRIVATE),
    "expired_access_key": _reject("expired_access_key", _PRIVATE),
    "late": Kind(Way.LATE, "", _WRITES, 10),
    "duplicate_delivery": Kind(Way.TWICE, "", _WRITES),
    "delay": Kind(Way.SLOW, "delay", (*_REST, *_EVERY_STREAM), 5),
    "delayed_visibility": _alter("delayed_visibility", _LOOKUPS, 5),
    "false_404": _alter("false_404", ("GET /v1/order",)),
    "stale_list": _alter("stale_list", _ORDER_LISTS, 5),
    "empty_list": _alter("empty_list", _LISTS),
    "lookup_500": _reject("500", ("GET /v1/*",)),
    "candle_high_below_low": _alter("candle_high_below_low", _CANDLES),
    "unknown_code": _alter("unknown_code", _MARKET_LISTS),
    "stale_ticker": _alter("stale_ticker", ("GET /v1/ticker*",), 60),
    "duplicate": _stream("duplicate"),
    "lost": _stream("lost"),
    "out_of_order": _stream("out_of_order"),
    "silent": _stream("silent", 120),
    "close": _stream("close"),
}
LATE_SIGNS: Final = ("hang", "reset", "500")


def endpoints_of(kind: Kind, *, known: Iterable[str]) -> tuple[str, ...]:
    """Return what a fault of this kind may name as its endpoint."""
    fitting = tuple(one for one in (*known, *STREAMS) if kind.suits(endpoint=one))
    wild = [ANY] if any(not one.startswith("ws ") for one in fitting) else []
    wild += [ANY_STREAM] if any(one.startswith("ws ") for one in fitting) else []
    return (*fitting, *wild)
