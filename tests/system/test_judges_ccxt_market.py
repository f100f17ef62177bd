"""ccxt as a judge: market data over its REST client, unmodified but for the address."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import ccxt
import pytest

from tests.system.judge_world import BUSY, TRADER, Exchange, ccxt_client, exchange

BTC, HUNT = "BTC/KRW", "HUNT/KRW"
HOURS_OF_90_DAYS = 90 * 24


@pytest.fixture(scope="module")
def upbit() -> Iterator[Exchange]:
    with exchange() as running:
        yield running


@pytest.fixture(scope="module")
def client(upbit: Exchange) -> ccxt.upbit:
    return ccxt_client(upbit, TRADER)


def test_markets_have_their_symbols_and_fees(client: ccxt.upbit) -> None:
    markets = client.load_markets()

    assert len(markets) > 100
    assert markets[BTC]["id"] == BUSY
    assert markets[BTC]["taker"] == markets[BTC]["maker"] == 0.0005
    assert markets[BTC]["info"]["korean_name"] == "비트코인"
    # ccxt knows no won ticks: any price with eight decimals looks fine to it.
    assert markets[BTC]["precision"]["price"] == 1e-8


def test_tickers_of_one_some_and_all_markets(client: ccxt.upbit) -> None:
    one = client.fetch_ticker(BTC)
    some = client.fetch_tickers([BTC, HUNT])
    everything = client.fetch_tickers()

    assert one["low"] <= one["last"] <= one["high"]
    assert one["timestamp"] <= client.milliseconds() + 1000
    assert one["quoteVolume"] > one["baseVolume"] > 0
    assert set(some) == {BTC, HUNT}
    assert set(everything) == set(client.markets)


def test_an_unknown_market_is_no_ticker(client: ccxt.upbit) -> None:
    with pytest.raises(ccxt.ExchangeError, match=r'"name": ?404.*Code not found'):
        client.public_get_ticker({"markets": "KRW-BTC,KRW-NOPE"})


def test_the_book_is_sorted_and_not_crossed(client: ccxt.upbit) -> None:
    book = client.fetch_order_book(BTC, 5)
    bids = [price for price, _ in book["bids"]]
    asks = [price for price, _ in book["asks"]]

    assert len(bids) == len(asks) == 5
    assert bids == sorted(bids, reverse=True)
    assert asks == sorted(asks)
    assert bids[0] < asks[0]


def test_recent_trades_come_in_time_order(client: ccxt.upbit) -> None:
    # Of yesterday: just after midnight (UTC) the exchange has few of today.
    trades = client.fetch_trades(BTC, limit=50, params={"days_ago": 1})

    assert len(trades) == 50
    assert [one["timestamp"] for one in trades] == sorted(
        one["timestamp"] for one in trades
    )
    assert len({one["id"] for one in trades}) == 50
    assert {one["side"] for one in trades} == {"buy", "sell"}


def test_ninety_days_of_hours_page_backwards_without_overlap(
    client: ccxt.upbit,
) -> None:
    starts: list[datetime] = []
    pages = 0
    while len(starts) < HOURS_OF_90_DAYS:
        query = {"market": BUSY, "unit": 60, "count": 200}
        if starts:
            query["to"] = f"{starts[-1]:%Y-%m-%dT%H:%M:%S}Z"
        page = client.public_get_candles_minutes_unit(query)
        starts += [_start(candle) for candle in page]
        pages += 1

    steps = {newer - older for newer, older in itertools.pairwise(starts)}
    assert steps == {timedelta(hours=1)}
    assert pages == 11


def _start(candle: dict[str, str]) -> datetime:
    return datetime.fromisoformat(candle["candle_date_time_utc"]).replace(tzinfo=UTC)


def test_silent_hours_have_no_candle(client: ccxt.upbit) -> None:
    candles = client.fetch_ohlcv(HUNT, "1h", limit=200)
    hours = [candle[0] // 3_600_000 for candle in candles]

    assert len(candles) == 200
    assert hours == sorted(set(hours))
    assert hours[-1] - hours[0] > 200


def test_candles_since_an_hour_end_before_the_page_does(client: ccxt.upbit) -> None:
    now = client.fetch_ohlcv(BTC, "1h", limit=1)[0][0]
    since = now - 50 * 3_600_000

    candles = client.fetch_ohlcv(BTC, "1h", since=since, limit=10)

    # ccxt turns since and limit into `to`, which the exchange leaves out.
    assert [candle[0] for candle in candles] == [
        since + hour * 3_600_000 for hour in range(10)
    ]
