"""Upbit's candles over HTTP: none for silent times, newest first."""

from __future__ import annotations

import asyncio

from aiohttp import web

from common.upbit import CANDLE_PAGE
from deploy.simulator.house import HOUSE
from deploy.simulator.market.bars import Bars
from deploy.simulator.market.clock import MINUTE_MS
from deploy.simulator.market.periods import DAYS, MONTHS, WEEKS, YEARS, Period, minutes
from deploy.simulator.market.tape import Tape
from deploy.simulator.rest import asked, errors
from deploy.simulator.rest.candle_views import (
    day_candles,
    minute_candles,
    period_candles,
    second_candles,
)
from deploy.simulator.rest.quotation import Handler, answer, json_body

MINUTE_UNITS = frozenset({1, 3, 5, 10, 15, 30, 60, 240})


async def of_seconds(request: web.Request) -> web.Response:
    """GET /v1/candles/seconds: of the last three months."""
    house = request.app[HOUSE]
    tape, count = asked.tape(request, house), _count(request)
    now_ms = house.now_ms()
    bars = tape.history.seconds(
        before_ms=_before_ms(request, now_ms), count=count, now_ms=now_ms
    )
    return answer(request, json_body(second_candles(market=tape.market, bars=bars)))


async def of_minutes(request: web.Request) -> web.Response:
    """GET /v1/candles/minutes/{unit}."""
    unit = request.match_info["unit"]
    if not unit.isdecimal() or int(unit) not in MINUTE_UNITS:
        raise errors.wrong_value()
    tape, bars = await _bars(request, minutes(int(unit)), _count(request))
    rows = minute_candles(market=tape.market, unit=int(unit), bars=bars)
    return answer(request, json_body(rows))


async def of_days(request: web.Request) -> web.Response:
    """GET /v1/candles/days: days begin at 0h UTC."""
    count = _count(request)
    tape, bars = await _bars(request, DAYS, count + 1)
    extra = max(len(bars) - count, 0)
    rows = day_candles(
        market=tape.market,
        bars=bars.part(extra, len(bars)),
        before=bars.part(0, extra),
        converted=request.query.get("converting_price_unit"),
    )
    return answer(request, json_body(rows))


def of_periods(period: Period, /) -> Handler:
    """Return the handler of candles of weeks, months or years."""

    async def handle(request: web.Request) -> web.Response:
        tape, bars = await _bars(request, period, _count(request))
        return answer(request, json_body(period_candles(market=tape.market, bars=bars)))

    return handle


of_weeks = of_periods(WEEKS)
of_months = of_periods(MONTHS)
of_years = of_periods(YEARS)


async def _bars(request: web.Request, period: Period, count: int) -> tuple[Tape, Bars]:
    """Return the asked market and its newest *count* bars before ``to``."""
    house = request.app[HOUSE]
    tape, now_ms = asked.tape(request, house), house.now_ms()
    before = -(-_before_ms(request, now_ms) // MINUTE_MS)
    if period.of_hours:
        # Old history takes long to compute; others are answered in between.
        while tape.history.look_back(to_minute=before - (count + 1) * period.longest):
            await asyncio.sleep(0)
    return tape, tape.history.candles(
        period=period, before=before, count=count, now_ms=now_ms
    )


def _count(request: web.Request) -> int:
    return asked.number(request, "count", default=1, most=CANDLE_PAGE)


def _before_ms(request: web.Request, now_ms: int) -> int:
    to = request.query.get("to")
    return asked.moment(to) if to else now_ms + 1
