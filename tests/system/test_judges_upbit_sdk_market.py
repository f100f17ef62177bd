"""Upbit's own client as a judge: market data of `Upbit`, unmodified but for the address."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from upbit import NotFoundError, Upbit

from tests.system.judge_world import (
    BUSY,
    QUIET,
    TRADER,
    Exchange,
    exchange,
    next_second,
    sdk_client,
)

HOURS_OF_90_DAYS = 90 * 24


@pytest.fixture(scope="module")
def upbit() -> Iterator[Exchange]:
    with exchange() as running:
        yield running


@pytest.fixture(scope="module")
def client(upbit: Exchange) -> Iterator[Upbit]:
    with sdk_client(upbit, TRADER) as client:
        yield client


def test_the_lists_of_markets_agree(client: Upbit) -> None:
    pairs = client.trading_pairs.list(is_details=True)
    codes = [one.market for one in pairs]
    tickers = client.tickers.list_by_quote_currencies(quote_currencies="KRW")

    assert len(codes) == len(set(codes)) > 100
    assert {one.market for one in tickers} == set(codes)
    assert pairs[0].market_event is not None
    assert pairs[0].market_event.warning is False


def test_numbers_arrive_exactly(client: Upbit) -> None:
    (ticker,) = client.tickers.list_by_trading_pairs(markets=BUSY)
    (book,) = client.orderbooks.list(markets=BUSY)
    (rules,) = client.orderbooks.list_instruments(markets=BUSY)

    # The SDK hands JSON numbers on as text, so nothing has been a float.
    assert Decimal(str(ticker.trade_price)) % Decimal(str(rules.tick_size)) == 0
    assert isinstance(ticker.trade_price, str)
    first = book.orderbook_units[0]
    assert Decimal(str(first.bid_price)) < Decimal(str(first.ask_price))
    assert len(book.orderbook_units) == 30


def test_an_unknown_market_is_no_ticker(client: Upbit) -> None:
    with pytest.raises(NotFoundError) as refusal:
        client.tickers.list_by_trading_pairs(markets=f"{BUSY},KRW-NOPE")

    # On quotation the name of an error is the number of its status.
    assert refusal.value.name == "404"


def test_recent_trades_can_be_paged_by_cursor(client: Upbit) -> None:
    newest = client.trades.list(market=BUSY, count=30)
    older = client.trades.list(
        market=BUSY, count=30, cursor=str(newest[-1].sequential_id)
    )

    ids = [one.sequential_id for one in (*newest, *older)]
    assert len(set(ids)) == 60
    assert [one.timestamp for one in (*newest, *older)] == sorted(
        (one.timestamp for one in (*newest, *older)), reverse=True
    )


@pytest.mark.parametrize("market", [BUSY, QUIET])
def test_ninety_days_of_hours_page_back_while_the_client_waits_out_429(
    upbit: Exchange, market: str
) -> None:
    since = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=90)
    starts: list[datetime] = []
    with sdk_client(upbit, TRADER, max_retries=5) as client:
        while not starts or starts[-1] > since:
            page = client.candles.list_minutes(
                unit=60,
                market=market,
                count=200,
                **({"to": f"{starts[-1].isoformat()}Z"} if starts else {}),
            )
            starts += [datetime.fromisoformat(one.candle_date_time_utc) for one in page]

    steps = [newer - older for newer, older in itertools.pairwise(starts)]
    assert min(steps) == timedelta(hours=1)
    if market == BUSY:
        assert max(steps) == timedelta(hours=1)
        assert len(starts) >= HOURS_OF_90_DAYS
    else:  # nobody traded for hours: no candle says so
        assert max(steps) > timedelta(hours=1)


def test_to_is_exclusive_and_may_be_korean_time(client: Upbit) -> None:
    next_second()
    hours = client.candles.list_minutes(unit=60, market=BUSY, count=3)
    start = datetime.fromisoformat(hours[0].candle_date_time_utc)

    before = client.candles.list_minutes(
        unit=60, market=BUSY, count=2, to=f"{start + timedelta(hours=9):%FT%T}+09:00"
    )

    assert [one.candle_date_time_utc for one in before] == [
        one.candle_date_time_utc for one in hours[1:]
    ]


@pytest.mark.parametrize("unit", ["days", "weeks", "months", "years", "seconds"])
def test_candles_of_every_length_come_newest_first(client: Upbit, unit: str) -> None:
    next_second()

    candles = getattr(client.candles, f"list_{unit}")(market=BUSY, count=2)

    starts = [one.candle_date_time_utc for one in candles]
    assert starts == sorted(starts, reverse=True)
    assert Decimal(candles[0].low_price) <= Decimal(candles[0].trade_price)
