"""What a quotation call asks: its parameters, read and checked as Upbit does."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time
from decimal import Decimal
from typing import Final

from aiohttp import web

from deploy.simulator.house import House
from deploy.simulator.market.tape import Tape
from deploy.simulator.rest import errors

_QUOTES: Final = frozenset({"KRW", "BTC", "USDT"})


def tapes(request: web.Request, house: House, /) -> list[Tape]:
    """Return the markets named by `markets`, as a list, repeated, or both."""
    names = ",".join(request.query.getall("markets", []))
    if not names:
        raise errors.missing_parameter()
    return [_listed(house, name.strip()) for name in names.split(",")]


def tape(request: web.Request, house: House, /) -> Tape:
    """Return the one market named by `market`."""
    name = request.query.get("market")
    if not name:
        raise errors.missing_parameter()
    return _listed(house, name)


def _listed(house: House, name: str) -> Tape:
    found = house.tapes.get(name.upper())
    if found is None or not house.conditions.is_listed(market=found.market):
        raise errors.unknown_code()
    return found


def quotes(request: web.Request, /) -> frozenset[str]:
    """Return the quote currencies named by `quote_currencies`."""
    text = ",".join(request.query.getall("quote_currencies", []))
    if not text:
        raise errors.missing_parameter()
    named = frozenset(code.strip().upper() for code in text.split(","))
    if not named <= _QUOTES:
        raise errors.wrong_value()
    return named


def number(request: web.Request, name: str, /, *, default: int, most: int) -> int:
    """Return a whole number from 1 on, cut at *most*."""
    text = request.query.get(name)
    if not text:
        return default
    if not re.fullmatch(r"-?\d{1,9}", text):
        raise errors.wrong_type()
    if int(text) < 1:
        raise errors.wrong_value()
    return min(int(text), most)


def flag(request: web.Request, *names: str) -> bool:
    """Return a true or false given under one of *names*."""
    given = (request.query[name] for name in names if name in request.query)
    text = next(given, "false").lower()
    if text not in ("true", "false"):
        raise errors.wrong_type()
    return text == "true"


def level(request: web.Request, /) -> Decimal:
    """Return the price step that a book is to be gathered to; 0: as it is."""
    text = request.query.get("level") or "0"
    if not re.fullmatch(r"\d{1,12}(\.\d{1,8})?", text):
        raise errors.wrong_type()
    return Decimal(text)


def moment(text: str, /) -> int:
    """Return the real ms of `2025-07-01T12:00:00`, UTC unless a zone is given."""
    # A plus sign that was not encoded arrives as a space.
    text = re.sub(r" (\d\d:?\d\d)$", r"+\1", text.strip()) if "T" in text else text
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise errors.wrong_type() from error
    aware = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return int(aware.timestamp() * 1000)


def time_of_day(text: str, /) -> int:
    """Return the ms since midnight of `HHmmss` or `HH:mm:ss`."""
    match = re.fullmatch(r"(\d\d):?(\d\d):?(\d\d)", text)
    if match is None:
        raise errors.wrong_type()
    hour, minute, second = map(int, match.groups())
    try:
        time(hour, minute, second)
    except ValueError as error:
        raise errors.wrong_value() from error
    return ((hour * 60 + minute) * 60 + second) * 1000
