"""What a WebSocket client asks for: tickets, types, codes and formats, read strictly."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import Any, Final

from deploy.simulator.rest.order_views import Json

CANDLE_UNITS: Final = {
    "candle.1s": 1,
    **{f"candle.{n}m": n * 60 for n in (1, 3, 5, 10, 15, 30, 60, 240)},
}
"""Seconds that one candle of a type covers."""
PUBLIC_TYPES: Final = frozenset({"ticker", "trade", "orderbook", *CANDLE_UNITS})
PRIVATE_TYPES: Final = frozenset({"myOrder", "myAsset"})
DEPTHS: Final = (1, 5, 15, 30)
_FULL: Final = max(DEPTHS)


class Format(StrEnum):
    """How messages are written: long or short names, bare or in a list."""

    DEFAULT = "DEFAULT"
    SIMPLE = "SIMPLE"
    JSON_LIST = "JSON_LIST"
    SIMPLE_LIST = "SIMPLE_LIST"

    @property
    def short(self) -> bool:
        """Tell whether fields carry their short names."""
        return self in (Format.SIMPLE, Format.SIMPLE_LIST)

    @property
    def listed(self) -> bool:
        """Tell whether each message is the only element of a list."""
        return self in (Format.JSON_LIST, Format.SIMPLE_LIST)


class StreamProblem(Exception):
    """A request that is refused; ``name`` is the exchange's error name.

    *lasting*: the connection goes on in any case.
    """

    def __init__(self, name: str, message: str, *, lasting: bool = False) -> None:
        super().__init__(message)
        self.name = name
        self.message = message
        self.lasting = lasting

    def body(self) -> Json:
        """Return the error message as sent."""
        return {"error": {"name": self.name, "message": self.message}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """One wanted type; no codes means all of the account's markets."""

    type: str
    codes: tuple[str, ...] = ()
    """As asked for, an orderbook's with its number of levels: ``KRW-BTC.5``."""
    level: Decimal = Decimal(0)
    """Price step an orderbook is put together to; 0 = the market's own."""
    snapshot: bool = True
    realtime: bool = True

    def listed(self) -> Json:
        """Return the row of this subscription in LIST_SUBSCRIPTIONS."""
        row: Json = {"type": self.type}
        if self.codes:
            row["codes"] = list(self.codes)
        if self.type == "orderbook":
            row["level"] = self.level
        return row


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One message of a client."""

    ticket: str
    subscriptions: tuple[Subscription, ...] = field(default=())
    lists: bool = False
    """Asks which subscriptions there are."""
    format: Format | None = None
    """None: unchanged, DEFAULT at first."""


def read(text: str, /) -> Request:
    """Return the request in *text*; raises StreamProblem."""
    parts = _parts(text)
    wanted = [
        part for part in parts if not part.keys() & {"ticket", "format", "method"}
    ]
    request = Request(
        ticket=_ticket(parts),
        subscriptions=tuple(_subscription(part) for part in wanted),
        lists=_lists(parts),
        format=_format(parts),
    )
    if not request.subscriptions and not request.lists:
        raise _no_type()
    return request


def book_code(code: str, /) -> tuple[str, int]:
    """Return (market, levels) of an orderbook's code; an odd number of levels is 30."""
    market, _, levels = code.partition(".")
    depth = int(levels) if re.fullmatch(r"\d{1,2}", levels) else _FULL
    return market, depth if depth in DEPTHS else _FULL


def market_of(kind: str, code: str, /) -> str:
    """Return the market that a type's code names."""
    return book_code(code)[0] if kind == "orderbook" else code


def _parts(text: str) -> list[dict[str, Any]]:
    try:
        parts = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as error:
        raise _wrong_format() from error
    if not isinstance(parts, list) or not parts:
        raise _wrong_format()
    if not all(isinstance(part, dict) for part in parts):
        raise _wrong_format()
    return parts


def _ticket(parts: list[dict[str, Any]]) -> str:
    ticket = next((part["ticket"] for part in parts if "ticket" in part), None)
    if not isinstance(ticket, str) or not ticket:
        text = "티켓이 존재하지 않거나, 유효하지 않습니다."
        raise StreamProblem("NO_TICKET", text)
    return ticket


def _lists(parts: list[dict[str, Any]]) -> bool:
    methods = [part["method"] for part in parts if "method" in part]
    if any(method != "LIST_SUBSCRIPTIONS" for method in methods):
        raise _invalid(f"{methods[0]} 은 지원하지 않는 메서드입니다.")
    return bool(methods)


def _format(parts: list[dict[str, Any]]) -> Format | None:
    named = [part["format"] for part in parts if "format" in part]
    if not named:
        return None
    if not isinstance(named[-1], str):
        raise _wrong_format()
    if named[-1] not in list(Format):
        raise _invalid(f"{named[-1]} 은 지원하지 않는 포맷입니다.")
    return Format(named[-1])


def _subscription(part: dict[str, Any]) -> Subscription:
    kind = part.get("type")
    if not kind:
        raise _no_type()
    if not isinstance(kind, str):
        raise _wrong_format()
    if kind not in PUBLIC_TYPES | PRIVATE_TYPES:
        raise _invalid(f"{kind} 은 지원하지 않는 타입입니다.")
    if kind == "myAsset" and "codes" in part:
        raise _wrong_format()
    only_snapshot = _flag(part, "is_only_snapshot", "isOnlySnapshot")
    only_realtime = _flag(part, "is_only_realtime", "isOnlyRealtime")
    if only_snapshot and only_realtime:
        raise _invalid("is_only_snapshot 과 is_only_realtime 은 함께 쓸 수 없습니다.")
    return Subscription(
        type=kind,
        codes=_codes(part, needed=kind in PUBLIC_TYPES),
        level=_level(part) if kind == "orderbook" else Decimal(0),
        snapshot=not only_realtime and kind in PUBLIC_TYPES,
        realtime=not only_snapshot or kind in PRIVATE_TYPES,
    )


def _codes(part: dict[str, Any], *, needed: bool) -> tuple[str, ...]:
    codes = part.get("codes")
    if codes is None or codes == []:
        if needed:
            raise StreamProblem("NO_CODES", "codes 필드가 존재하지 않습니다.")
        return ()
    if not isinstance(codes, list) or not all(isinstance(code, str) for code in codes):
        raise _wrong_format()
    return tuple(dict.fromkeys(codes))


def _flag(part: dict[str, Any], *names: str) -> bool:
    value = next((part[name] for name in names if name in part), False)
    # The documents name a boolean here and a text there.
    if not isinstance(value, bool) and value not in ("true", "false"):
        raise _wrong_format()
    return value in (True, "true")


def _level(part: dict[str, Any]) -> Decimal:
    value = part.get("level", 0)
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        raise _wrong_format()
    try:
        level = Decimal(value)
    except InvalidOperation as error:
        raise _wrong_format() from error
    if not level.is_finite() or level < 0:
        raise _wrong_format()
    return level


def _no_type() -> StreamProblem:
    return StreamProblem("NO_TYPE", "type 필드가 존재하지 않습니다.")


def _wrong_format() -> StreamProblem:
    return StreamProblem("WRONG_FORMAT", "Format 이 맞지 않습니다.")


def _invalid(message: str) -> StreamProblem:
    return StreamProblem("INVALID_PARAM", message)
