"""Upbit's public market data over HTTP: markets, tickers, books and trades."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from aiohttp import web

from deploy.simulator.house import HOUSE, House
from deploy.simulator.market.books import DEPTH
from deploy.simulator.market.clock import DAY_MS
from deploy.simulator.market.lookahead import look_through
from deploy.simulator.market.tape import Tape
from deploy.simulator.rest import asked, errors
from deploy.simulator.rest.book_views import (
    instrument_view,
    levels_view,
    orderbook_text,
)
from deploy.simulator.rest.quotation_views import (
    SEQUENCE,
    Json,
    market_view,
    trade_rows,
)
from deploy.simulator.rest.ticker_views import ticker_text

Handler = Callable[[web.Request], Awaitable[web.Response]]
TRADES_PAGE: Final = 500
DAYS_AGO: Final = 7
_WORTH_PACKING: Final = 1024
"""Bytes; smaller answers grow when they are compressed."""
_LOOK_MS: Final = 1_000
"""How far back trades are looked for at first."""


def answer(request: web.Request, body: bytes, /) -> web.Response:
    """Return a JSON answer, compressed for a client that takes it."""
    response = web.Response(body=body, content_type="application/json")
    accepted = request.headers.get("Accept-Encoding", "")
    if len(body) >= _WORTH_PACKING and "gzip" in accepted:
        response.enable_compression(web.ContentCoding.gzip)
    return response


def json_body(value: Any, /) -> bytes:
    """Return JSON as Upbit writes it, without spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


async def market_all(request: web.Request) -> web.Response:
    """GET /v1/market/all: every market; ``is_details`` adds the flags."""
    details = asked.flag(request, "is_details", "isDetails")
    conditions = request.app[HOUSE].conditions
    rows = [
        market_view(one, condition=conditions.of(market=one.market), details=details)
        for one in request.app[HOUSE].listings
        if conditions.is_listed(market=one.market)
    ]
    return answer(request, json_body(rows))


async def ticker(request: web.Request) -> web.Response:
    """GET /v1/ticker: the named markets."""
    house = request.app[HOUSE]
    return answer(request, _tickers(asked.tapes(request, house), house.now_ms()))


async def ticker_all(request: web.Request) -> web.Response:
    """GET /v1/ticker/all: all markets of the quote currencies."""
    house = request.app[HOUSE]
    if "KRW" not in asked.quotes(request):
        return answer(request, b"[]")
    await look_through(house)
    return answer(request, ticker_all_bytes(house))


def ticker_all_bytes(house: House, /) -> bytes:
    """Return the tickers of all listed markets as JSON."""
    is_listed = house.conditions.is_listed
    tapes = [tape for name, tape in house.tapes.items() if is_listed(market=name)]
    return _tickers(tapes, house.now_ms())


def _tickers(tapes: list[Tape], now_ms: int) -> bytes:
    return _array(ticker_text(tape, now_ms=now_ms) for tape in tapes)


def _array(texts: Iterable[str | None]) -> bytes:
    return f"[{','.join(text for text in texts if text is not None)}]".encode()


async def orderbook(request: web.Request) -> web.Response:
    """GET /v1/orderbook: up to 30 levels of the named markets."""
    house = request.app[HOUSE]
    count = asked.number(request, "count", default=DEPTH, most=DEPTH)
    level, now_ms = asked.level(request), house.now_ms()
    body = _array(
        orderbook_text(tape, now_ms=now_ms, levels=count, level=level)
        for tape in asked.tapes(request, house)
    )
    return answer(request, body)


async def instruments(request: web.Request) -> web.Response:
    """GET /v1/orderbook/instruments: ticks and book levels of the named markets."""
    return _each(request, instrument_view)


async def supported_levels(request: web.Request) -> web.Response:
    """GET /v1/orderbook/supported_levels: what `instruments` has replaced."""
    return _each(request, levels_view)


def _each(request: web.Request, view: Callable[..., Json | None]) -> web.Response:
    """Answer a row for each named market that has traded."""
    house = request.app[HOUSE]
    now_ms = house.now_ms()
    rows = [view(tape, now_ms=now_ms) for tape in asked.tapes(request, house)]
    return answer(request, json_body([row for row in rows if row is not None]))


async def trades_ticks(request: web.Request) -> web.Response:
    """GET /v1/trades/ticks: trades of today or of a day of the last week, newest first.

    ``to`` and ``cursor`` are exclusive.
    """
    house = request.app[HOUSE]
    tape = asked.tape(request, house)
    count = asked.number(request, "count", default=1, most=TRADES_PAGE)
    first_ms, until_ms = _range(request, house.now_ms())
    cursor = request.query.get("cursor")
    if cursor:
        if not cursor.isdecimal():
            raise errors.wrong_type()
        until_ms = min(until_ms, int(cursor) // SEQUENCE)
    rows = _newest(tape, first_ms, until_ms, count, int(cursor) if cursor else None)
    return answer(request, json_body(rows))


def _range(request: web.Request, now_ms: int) -> tuple[int, int]:
    """Return the first and the last millisecond that are asked for."""
    days_ago = request.query.get("days_ago")
    day_ms = now_ms // DAY_MS * DAY_MS
    if days_ago:
        if not days_ago.isdecimal():
            raise errors.wrong_type()
        if not 1 <= int(days_ago) <= DAYS_AGO:
            raise errors.wrong_value()
        day_ms -= int(days_ago) * DAY_MS
    to = request.query.get("to")
    end_ms = day_ms + (asked.time_of_day(to) if to else DAY_MS)
    return day_ms, min(end_ms - 1, now_ms)


def _newest(
    tape: Tape, first_ms: int, until_ms: int, count: int, cursor: int | None
) -> list[Json]:
    """Return the newest trades before *cursor*, newest first."""
    look_ms, rows = _LOOK_MS, list[Json]()
    while len(rows) < count and until_ms >= first_ms:
        after_ms = max(until_ms - look_ms, first_ms - 1)
        found = trade_rows(tape, after_ms=after_ms, until_ms=until_ms)
        rows += [
            row
            for row in reversed(found)
            if cursor is None or row["sequential_id"] < cursor
        ]
        # Quiet coins trade rarely: look further back each time.
        until_ms, look_ms = after_ms, look_ms * 8
    return rows[:count]
