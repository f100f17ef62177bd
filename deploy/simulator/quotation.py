"""Upbit's public market data over HTTP."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

from aiohttp import web

from common.money import ticks_of
from common.upbit import CANDLE_PAGE
from deploy.simulator import errors
from deploy.simulator.clock import MINUTE_MS
from deploy.simulator.house import HOUSE, House, look_through
from deploy.simulator.quotation_views import (
    BOOK_LEVELS,
    Json,
    day_candles,
    instrument_view,
    market_view,
    minute_candles,
    orderbook_view,
    ticker_view,
)
from deploy.simulator.tape import DAY, Tape
from deploy.simulator.ticks import TickGrid

MINUTE_UNITS = frozenset({1, 3, 5, 10, 15, 30, 60, 240})


async def market_all(request: web.Request) -> web.Response:
    """GET /v1/market/all: every market; ``is_details`` adds the flags."""
    query = request.query
    details = query.get("is_details", query.get("isDetails", "false")).lower()
    if details not in ("true", "false"):
        raise errors.wrong_type()
    listings = request.app[HOUSE].listings
    return web.json_response(
        [market_view(one, details=details == "true") for one in listings]
    )


async def ticker(request: web.Request) -> web.Response:
    """GET /v1/ticker: the named markets."""
    house = request.app[HOUSE]
    tapes = _tapes(request, house)
    return _present(tapes, lambda t: ticker_view(t, now_ms=house.now_ms()))


async def ticker_all(request: web.Request) -> web.Response:
    """GET /v1/ticker/all: all markets of the quote currencies."""
    house = request.app[HOUSE]
    text = ",".join(request.query.getall("quote_currencies", []))
    if not text:
        raise errors.missing_parameter()
    wanted = {code.strip().upper() for code in text.split(",")}
    if not wanted <= {"KRW", "BTC", "USDT"}:
        raise errors.wrong_value()
    tapes = list(house.venue.tapes.values()) if "KRW" in wanted else []
    await look_through(house, tapes)
    return _present(tapes, lambda t: ticker_view(t, now_ms=house.now_ms()))


async def orderbook(request: web.Request) -> web.Response:
    """GET /v1/orderbook: up to 30 levels of the named markets."""
    house = request.app[HOUSE]
    levels = _number(request, "count", default=BOOK_LEVELS, most=BOOK_LEVELS)

    def view(tape: Tape) -> Json | None:
        grid = TickGrid(ticks=ticks_of(market=tape.market))
        return orderbook_view(tape, grid=grid, levels=levels, now_ms=house.now_ms())

    return _present(_tapes(request, house), view)


async def instruments(request: web.Request) -> web.Response:
    """GET /v1/orderbook/instruments: ticks of the named markets."""
    house = request.app[HOUSE]
    tapes = _tapes(request, house)
    return _present(tapes, lambda t: instrument_view(t, now_ms=house.now_ms()))


async def candles_minutes(request: web.Request) -> web.Response:
    """GET /v1/candles/minutes/{unit}: newest first, none for silent times."""
    unit = request.match_info["unit"]
    if not unit.isdecimal() or int(unit) not in MINUTE_UNITS:
        raise errors.wrong_value()
    house, tape, before, count = _candle_call(request)
    bars = tape.candles(
        unit=int(unit), before=before, count=count, now_ms=house.now_ms()
    )
    return web.json_response(
        minute_candles(market=tape.market, unit=int(unit), bars=bars)
    )


async def candles_days(request: web.Request) -> web.Response:
    """GET /v1/candles/days: days begin at 0h UTC."""
    house, tape, before, count = _candle_call(request)
    bars = tape.candles(unit=DAY, before=before, count=count + 1, now_ms=house.now_ms())
    extra = max(len(bars) - count, 0)
    rows = day_candles(
        market=tape.market,
        bars=bars.part(extra, len(bars)),
        before=bars.part(0, extra),
        converted=request.query.get("converting_price_unit"),
    )
    return web.json_response(rows)


def _candle_call(request: web.Request) -> tuple[House, Tape, int, int]:
    """Return (house, tape, first minute that is too late, number of candles)."""
    house = request.app[HOUSE]
    tape = _tape(house, request.query.get("market"))
    count = _number(request, "count", default=1, most=CANDLE_PAGE)
    to = request.query.get("to")
    end_ms = house.now_ms() + 1 if not to else _moment(to)
    return house, tape, -(-end_ms // MINUTE_MS), count


def _moment(text: str) -> int:
    """Return the real ms of `2025-07-01T12:00:00`, UTC unless a zone is given."""
    # A plus sign that was not encoded arrives as a space.
    text = re.sub(r" (\d\d:?\d\d)$", r"+\1", text.strip()) if "T" in text else text
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise errors.wrong_type() from error
    aware = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return int(aware.timestamp() * 1000)


def _number(request: web.Request, name: str, *, default: int, most: int) -> int:
    text = request.query.get(name)
    if not text:
        return default
    if not re.fullmatch(r"-?\d{1,9}", text):
        raise errors.wrong_type()
    if int(text) < 1:
        raise errors.wrong_value()
    return min(int(text), most)


def _tapes(request: web.Request, house: House) -> list[Tape]:
    names = ",".join(request.query.getall("markets", []))
    if not names:
        raise errors.missing_parameter()
    return [_tape(house, name.strip()) for name in names.split(",")]


def _tape(house: House, market: str | None) -> Tape:
    if not market:
        raise errors.missing_parameter()
    tape = house.venue.tapes.get(market.upper())
    if tape is None:
        raise errors.unknown_code()
    return tape


def _present(tapes: list[Tape], view: Callable[[Tape], Json | None]) -> web.Response:
    rows = [view(tape) for tape in tapes]
    return web.json_response([row for row in rows if row is not None])
