"""Trades that nobody listened to are told by the upstream's history, none invented."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from functools import partial
from typing import Any

from aiohttp import web

from deploy.simulator.market.clock import DAY_MS, MINUTE_MS
from deploy.simulator.upstream.gap import read_missed
from deploy.simulator.upstream.reads import Deal
from deploy.simulator.upstream.rest import UpstreamRest
from tests.unit.upstream_stub import MARKET, StubExchange, trade_row

NOW_MS = 1_800_000_000_000 // MINUTE_MS * MINUTE_MS + 30_000


def missed(stub: StubExchange, *, since_ms: int, now_ms: int = NOW_MS) -> list[Deal]:
    """Return what a reader on its own is told."""
    return asyncio.run(_read(stub, since_ms, now_ms))[-1]


async def _read(
    stub: StubExchange, since_ms: int, now_ms: int, *later: Any
) -> list[list[Deal]]:
    """Read what was missed, and once more after each trade that comes *later*."""
    async with stub:
        rest = UpstreamRest(url=stub.url, factor=100)
        await rest.open()
        read = partial(read_missed, rest, market=MARKET)
        try:
            found = [await read(since_ms=since_ms, now_ms=now_ms)]
            for row in later:
                stub.trades.append(row)
                found.append(await read(since_ms=since_ms, now_ms=now_ms))
            return found
        finally:
            await rest.close()


def candle(minute_ms: int, *, opening: int, high: int, low: int, close: int) -> Any:
    begin = datetime.fromtimestamp(minute_ms / 1000, UTC)
    return {
        "candle_date_time_utc": f"{begin:%Y-%m-%dT%H:%M:%S}",
        "opening_price": opening,
        "high_price": high,
        "low_price": low,
        "trade_price": close,
        "candle_acc_trade_volume": 8.0,
        "candle_acc_trade_price": 800.0,
    }


def serve_candles(stub: StubExchange, candles: list[Any]) -> list[str]:
    """Let the stub page through candles; return the list of `to` it will be asked."""
    asked: list[str] = []

    def page() -> web.Response:
        query = stub.asked[-1].target.partition("?")[2]
        to = dict(part.split("=") for part in query.split("&"))["to"].replace("Z", "")
        asked.append(to)
        older = [row for row in candles if row["candle_date_time_utc"] < to]
        return web.json_response(older[::-1][:200])

    stub.special["/v1/candles/minutes/1"] = page
    return asked


def test_a_short_gap_is_told_trade_by_trade_oldest_first() -> None:
    since = NOW_MS - 60_000
    stub = StubExchange(
        trades=[
            trade_row(1, 90, ms=since - 1),
            trade_row(2, 100, ms=since),
            trade_row(3, 110, ms=NOW_MS),
        ]
    )

    deals = missed(stub, since_ms=since)

    assert [deal.price for deal in deals] == [100, 110]
    assert [deal.number for deal in deals] == [2, 3]


def test_each_look_back_sees_what_happened_since_the_last() -> None:
    since = NOW_MS - 60_000
    stub = StubExchange(trades=[trade_row(1, 100, ms=since)])
    later = trade_row(2, 110, ms=NOW_MS)

    first, second = asyncio.run(_read(stub, since, NOW_MS, later))

    assert [deal.number for deal in first] == [1]
    assert [deal.number for deal in second] == [1, 2]


def test_more_trades_than_a_page_holds_are_all_read() -> None:
    since = NOW_MS - 60_000
    rows = [trade_row(n, 100, ms=since + n * 10) for n in range(1, 1302)]
    stub = StubExchange(trades=rows)

    deals = missed(stub, since_ms=since)

    assert [deal.number for deal in deals] == list(range(1, 1302))
    assert len(stub.asked) == 3


def test_a_long_gap_is_told_by_trades_at_its_ends_and_candles_between() -> None:
    since = NOW_MS - 30 * MINUTE_MS - 10_000  # 20 s into a minute
    minute = since // MINUTE_MS * MINUTE_MS
    stub = StubExchange(
        trades=[
            trade_row(1, 1, ms=since - 5_000),
            trade_row(2, 100, ms=since + 5_000),
            trade_row(3, 101, ms=minute + 5 * MINUTE_MS),
            trade_row(4, 102, ms=NOW_MS - 2_000),
        ]
    )
    rows = [
        candle(minute, opening=1, high=100, low=1, close=100),
        candle(minute + 5 * MINUTE_MS, opening=101, high=130, low=95, close=110),
    ]
    serve_candles(stub, rows)

    deals = missed(stub, since_ms=since)

    assert [deal.price for deal in deals] == [100, 101, 95, 130, 110, 102]
    assert [deal.volume for deal in deals[1:5]] == [2, 2, 2, 2]


def test_candles_are_paged_until_the_gap_is_covered() -> None:
    since = NOW_MS - 500 * MINUTE_MS
    first = (since // MINUTE_MS + 1) * MINUTE_MS
    rows = [
        candle(first + n * MINUTE_MS, opening=n, high=n, low=n, close=n)
        for n in range(1, 480)
    ]
    stub = StubExchange()
    asked = serve_candles(stub, rows)

    deals = missed(stub, since_ms=since)

    assert [int(deal.price) for deal in deals[::4]] == list(range(1, 480))
    assert len(asked) == 4


def test_the_minute_in_which_a_gap_began_is_asked_for_on_its_own_day() -> None:
    since = NOW_MS - 3 * DAY_MS
    stub = StubExchange()
    serve_candles(stub, [])

    missed(stub, since_ms=since)

    end = datetime.fromtimestamp((since // MINUTE_MS + 1) * 60, UTC)
    assert f"to={end:%H%M%S}&days_ago=3" in stub.asked[0].target


def test_the_last_minute_of_a_day_is_asked_for_on_that_day() -> None:
    midnight = NOW_MS // DAY_MS * DAY_MS
    stub = StubExchange()
    serve_candles(stub, [])

    missed(stub, since_ms=midnight - 20_000, now_ms=midnight + 3_600_000)

    assert "to=235959&days_ago=1" in stub.asked[0].target


def test_a_gap_longer_than_single_trades_are_told_begins_with_candles() -> None:
    stub = StubExchange()
    serve_candles(stub, [])

    missed(stub, since_ms=NOW_MS - 9 * DAY_MS)

    assert stub.paths()[0] == "/v1/candles/minutes/1"
