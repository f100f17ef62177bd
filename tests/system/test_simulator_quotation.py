"""Market data as its clients meet it: every call's shape, pages and bad inputs."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import pytest
import requests

from tests.system.simulator_process import Simulator, eventually, problem, running

MARKETS = 140
CANDLE = {
    *("market", "candle_date_time_utc", "candle_date_time_kst", "opening_price"),
    *("high_price", "low_price", "trade_price", "timestamp"),
    *("candle_acc_trade_price", "candle_acc_trade_volume"),
}
TICKER = {
    *("market", "trade_date", "trade_time", "trade_date_kst", "trade_time_kst"),
    *("trade_timestamp", "opening_price", "high_price", "low_price", "trade_price"),
    *("prev_closing_price", "change", "change_price", "change_rate"),
    *("signed_change_price", "signed_change_rate", "trade_volume"),
    *("acc_trade_price", "acc_trade_price_24h", "acc_trade_volume"),
    *("acc_trade_volume_24h", "highest_52_week_price", "highest_52_week_date"),
    *("lowest_52_week_price", "lowest_52_week_date", "timestamp"),
}
TRADE = {
    *("market", "trade_date_utc", "trade_time_utc", "timestamp", "trade_price"),
    *("trade_volume", "prev_closing_price", "change_price", "ask_bid"),
    "sequential_id",
}


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    options = ("--seed", "3", "--rate-factor", "50", "--speed", "60", "--faults")
    with running(*options, "--markets", str(MARKETS)) as one:
        # The first call for all waits until their year has been computed.
        url = f"{one.url}/v1/ticker/all?quote_currencies=KRW"
        assert requests.get(url, timeout=120).ok
        yield one


def _rows(simulator: Simulator, path: str, **query: Any) -> list[dict[str, Any]]:
    answer = simulator.public(path, **query)
    assert answer.status_code == 200, answer.text
    rows: list[dict[str, Any]] = answer.json()
    return rows


# --- markets ------------------------------------------------------------------------


def test_markets_carry_names_and_flags(simulator: Simulator) -> None:
    plain = _rows(simulator, "/v1/market/all")
    detailed = _rows(simulator, "/v1/market/all", is_details="true")
    old_spelling = _rows(simulator, "/v1/market/all", isDetails="true")

    assert len(plain) == MARKETS
    assert set(plain[0]) == {"market", "korean_name", "english_name"}
    assert plain[-1] == {
        "market": f"KRW-SIM{MARKETS}",
        "korean_name": f"가상코인{MARKETS}",
        "english_name": f"Simulated {MARKETS}",
    }
    assert detailed == old_spelling
    events = [one["market_event"] for one in detailed]
    assert any(event["warning"] for event in events)
    assert any(event["caution"]["PRICE_FLUCTUATIONS"] for event in events)
    assert {len(event["caution"]) for event in events} == {5}


def test_an_operators_flags_outdo_a_markets_own(simulator: Simulator) -> None:
    simulator.operate(
        "markets/KRW-ADA", warning=True, caution=["GLOBAL_PRICE_DIFFERENCES"]
    )

    rows = _rows(simulator, "/v1/market/all", is_details="true")

    event = next(r["market_event"] for r in rows if r["market"] == "KRW-ADA")
    assert event["warning"] is True
    assert [name for name, on in event["caution"].items() if on] == [
        "GLOBAL_PRICE_DIFFERENCES"
    ]


def test_a_delisted_market_is_gone_from_every_answer(simulator: Simulator) -> None:
    simulator.operate("markets/KRW-OBSR", delisted=True)

    listed = {row["market"] for row in _rows(simulator, "/v1/market/all")}
    every = _rows(simulator, "/v1/ticker/all", quote_currencies="KRW")
    single = [
        simulator.public(path, markets="KRW-BTC,KRW-OBSR")
        for path in ("/v1/ticker", "/v1/orderbook", "/v1/orderbook/instruments")
    ]
    single.append(simulator.public("/v1/candles/days", market="KRW-OBSR"))
    single.append(simulator.public("/v1/trades/ticks", market="KRW-OBSR"))

    assert "KRW-OBSR" not in listed
    assert {row["market"] for row in every} == listed
    assert {problem(answer) for answer in single} == {(404, 404)}


def test_a_market_in_maintenance_stands_still(simulator: Simulator) -> None:
    def last_trades() -> dict[str, int]:
        rows = _rows(simulator, "/v1/ticker", markets="KRW-TRX,KRW-BTC,KRW-XRP")
        return {row["market"]: row["trade_timestamp"] for row in rows}

    simulator.operate("markets/KRW-TRX", offline=True)
    before = last_trades()

    eventually(
        lambda: all(
            last_trades()[name] > before[name] + 3000 for name in ("KRW-BTC", "KRW-XRP")
        )
    )

    assert last_trades()["KRW-TRX"] == before["KRW-TRX"]
    simulator.operate("markets/KRW-TRX", offline=False)
    eventually(lambda: last_trades()["KRW-TRX"] > before["KRW-TRX"])


# --- tickers ------------------------------------------------------------------------


def test_tickers_come_one_by_one_and_all_at_once(simulator: Simulator) -> None:
    comma = _rows(simulator, "/v1/ticker", markets="KRW-BTC,KRW-SIM130")
    repeated = _rows(simulator, "/v1/ticker", markets=["KRW-BTC", "krw-sim130"])
    every = _rows(simulator, "/v1/ticker/all", quote_currencies="krw,BTC")
    others = _rows(simulator, "/v1/ticker/all", quote_currencies="BTC,USDT")

    assert [one["market"] for one in comma] == ["KRW-BTC", "KRW-SIM130"]
    assert [one["market"] for one in repeated] == ["KRW-BTC", "KRW-SIM130"]
    assert set(comma[0]) == TICKER
    assert len(every) >= MARKETS - 1
    assert others == []
    for one in every:
        assert set(one) == TICKER
        assert one["low_price"] <= one["trade_price"] <= one["high_price"]
        assert one["lowest_52_week_price"] <= one["low_price"]
        assert one["acc_trade_price_24h"] >= one["acc_trade_price"] * 0.999 >= 0
        change = one["trade_price"] - one["prev_closing_price"]
        assert one["signed_change_price"] == pytest.approx(change)
        assert one["change_price"] == abs(one["signed_change_price"])


def test_a_ticker_tells_times_in_utc_and_in_seoul(simulator: Simulator) -> None:
    (row,) = _rows(simulator, "/v1/ticker", markets="KRW-BTC")

    at = datetime.fromtimestamp(row["trade_timestamp"] // 1000, UTC)
    seoul = at + timedelta(hours=9)
    assert (row["trade_date"], row["trade_time"]) == (f"{at:%Y%m%d}", f"{at:%H%M%S}")
    assert row["trade_date_kst"] == f"{seoul:%Y%m%d}"
    assert row["trade_time_kst"] == f"{seoul:%H%M%S}"
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=5)


def test_answers_are_packed_for_who_takes_it(simulator: Simulator) -> None:
    url = f"{simulator.url}/v1/ticker/all?quote_currencies=KRW"

    packed = requests.get(url, headers={"Accept-Encoding": "gzip"}, timeout=20)
    plain = requests.get(url, headers={"Accept-Encoding": "identity"}, timeout=20)
    exchange = simulator.get("/v1/orders/chance", market="KRW-BTC")

    assert packed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert len(packed.json()) == len(plain.json())
    assert exchange.status_code == 200
    assert "Content-Encoding" not in exchange.headers


# --- books --------------------------------------------------------------------------


def test_books_hold_pairs_of_levels(simulator: Simulator) -> None:
    names = "KRW-BTC,KRW-USDT,KRW-BTT"

    deep = _rows(simulator, "/v1/orderbook", markets=names)
    flat = _rows(simulator, "/v1/orderbook", markets=names, count=5)

    assert [len(book["orderbook_units"]) for book in deep] == [30, 30, 30]
    assert [len(book["orderbook_units"]) for book in flat] == [5, 5, 5]
    for book in deep:
        units = book["orderbook_units"]
        assert set(book) == {
            *("market", "timestamp", "total_ask_size", "total_bid_size"),
            *("orderbook_units", "level"),
        }
        asks = [unit["ask_price"] for unit in units]
        bids = [unit["bid_price"] for unit in units]
        assert asks == sorted(asks)
        assert bids == sorted(bids, reverse=True)
        assert bids[0] < asks[0]
        total = sum(unit["ask_size"] for unit in units)
        assert book["total_ask_size"] == pytest.approx(total)
        assert book["level"] == 0


def test_books_are_gathered_to_the_levels_a_market_supports(
    simulator: Simulator,
) -> None:
    rows = _rows(simulator, "/v1/orderbook/instruments", markets="KRW-BTC,KRW-USDT")
    old = _rows(simulator, "/v1/orderbook/supported_levels", markets="KRW-BTC")
    level = rows[0]["supported_levels"][1]

    (book,) = _rows(simulator, "/v1/orderbook", markets="KRW-BTC", level=level)
    nothing = _rows(simulator, "/v1/orderbook", markets="KRW-BTC", level="3")

    assert [row["tick_size"] for row in rows] == ["1000", "0.5"]
    assert {row["quote_currency"] for row in rows} == {"KRW"}
    assert level == "10000"
    assert old[0]["supported_levels"][:2] == [0, 10_000]
    assert book["level"] == 10_000
    for unit in book["orderbook_units"]:
        assert unit["ask_price"] % 10_000 == unit["bid_price"] % 10_000 == 0
    assert nothing == []


def test_a_new_tick_table_shows_in_instruments_and_book(simulator: Simulator) -> None:
    simulator.operate("markets/KRW-ETC", ticks=[["0", "13"]])

    (row,) = _rows(simulator, "/v1/orderbook/instruments", markets="KRW-ETC")
    (book,) = _rows(simulator, "/v1/orderbook", markets="KRW-ETC")

    assert row["tick_size"] == "13"
    prices = [Decimal(str(u["ask_price"])) for u in book["orderbook_units"]]
    assert all(price % 13 == 0 for price in prices)


def test_the_tick_of_stable_coins_is_an_open_question(simulator: Simulator) -> None:
    path, market = "/v1/orderbook/instruments", "KRW-USDC"
    simulator.operate("assumptions", stable_tick="table")
    (table,) = _rows(simulator, path, markets=market)
    (book,) = _rows(simulator, "/v1/orderbook", markets=market)

    simulator.operate("assumptions", stable_tick="half")

    (half,) = _rows(simulator, path, markets=market)
    assert (table["tick_size"], half["tick_size"]) == ("1", "0.5")
    assert all(unit["ask_price"] % 1 == 0 for unit in book["orderbook_units"])


# --- candles ------------------------------------------------------------------------


def test_candles_are_newest_first_and_to_is_exclusive(simulator: Simulator) -> None:
    path = "/v1/candles/minutes/5"
    page = _rows(simulator, path, market="KRW-BTC", count=500)
    oldest, kst = page[-1]["candle_date_time_utc"], page[-1]["candle_date_time_kst"]

    older = [
        _rows(simulator, path, market="KRW-BTC", count=3, to=to)
        for to in (oldest, f"{oldest}Z", f"{kst}+09:00", oldest.replace("T", " "))
    ]
    raw_plus = requests.get(
        f"{simulator.url}{path}?market=KRW-BTC&count=3&to={quote(kst)}+09:00",
        timeout=20,
    ).json()

    times = [row["candle_date_time_utc"] for row in page]
    assert len(page) == 200
    assert set(page[0]) == CANDLE | {"unit"}
    assert times == sorted(times, reverse=True)
    assert older[0][0]["candle_date_time_utc"] < oldest
    assert all(rows == raw_plus for rows in older)
    assert {row["unit"] for row in page} == {5}
    assert len(_rows(simulator, path, market="KRW-BTC")) == 1


def test_days_carry_their_change(simulator: Simulator) -> None:
    path = "/v1/candles/days"

    newest, before = _rows(simulator, path, market="KRW-XRP", count=2)
    (converted,) = _rows(simulator, path, market="KRW-XRP", converting_price_unit="KRW")

    extra = {"prev_closing_price", "change_price", "change_rate"}
    assert set(newest) == CANDLE | extra
    assert newest["prev_closing_price"] == before["trade_price"]
    change = newest["trade_price"] - newest["prev_closing_price"]
    assert newest["change_price"] == pytest.approx(change)
    assert converted["converted_trade_price"] == converted["trade_price"]


@pytest.mark.parametrize("period", ["weeks", "months", "years"])
def test_long_candles_name_their_first_day(simulator: Simulator, period: str) -> None:
    rows = _rows(simulator, f"/v1/candles/{period}", market="KRW-ETH", count=3)

    assert set(rows[0]) == CANDLE | {"first_day_of_period"}
    for row in rows:
        day = date.fromisoformat(row["first_day_of_period"])
        assert row["candle_date_time_utc"] == f"{day}T00:00:00"
        assert row["candle_date_time_kst"] == f"{day}T09:00:00"
        assert day.weekday() == 0 or period != "weeks"
        assert day.day == 1 or period == "weeks"
        assert day.month == 1 or period != "years"


def test_seconds_have_candles_of_their_own(simulator: Simulator) -> None:
    page = _rows(simulator, "/v1/candles/seconds", market="KRW-BTC", count=200)
    to = page[50]["candle_date_time_utc"]

    older = _rows(simulator, "/v1/candles/seconds", market="KRW-BTC", count=9, to=to)

    times = [row["candle_date_time_utc"] for row in page]
    assert len(set(times)) == 200
    assert set(page[0]) == CANDLE
    assert older == page[51:60]


def test_ninety_days_of_hours_can_be_paged(simulator: Simulator) -> None:
    rows: list[dict[str, Any]] = []
    to = ""
    while len(rows) < 2160:
        query = {"market": "KRW-SOL", "count": 200, **({"to": to} if to else {})}
        page = _rows(simulator, "/v1/candles/minutes/60", **query)
        assert page
        rows += page
        to = page[-1]["candle_date_time_utc"]

    times = [row["candle_date_time_utc"] for row in rows]
    assert len(set(times)) == len(times)
    assert times == sorted(times, reverse=True)


# --- trades -------------------------------------------------------------------------


def test_trades_are_paged_by_their_numbers(simulator: Simulator) -> None:
    path = "/v1/trades/ticks"
    page = _rows(simulator, path, market="KRW-BTC", count=40, days_ago=1)

    first = _rows(simulator, path, market="KRW-BTC", count=10, days_ago=1)
    rest = _rows(
        simulator,
        path,
        market="KRW-BTC",
        count=30,
        days_ago=1,
        cursor=first[-1]["sequential_id"],
    )

    assert set(page[0]) == TRADE
    assert first + rest == page
    numbers = [row["sequential_id"] for row in page]
    assert numbers == sorted(set(numbers), reverse=True)
    assert all(isinstance(number, int) for number in numbers)
    assert {row["ask_bid"] for row in page} == {"ASK", "BID"}
    assert page[0]["change_price"] == pytest.approx(
        page[0]["trade_price"] - page[0]["prev_closing_price"]
    )
    assert len(_rows(simulator, path, market="KRW-BTC", days_ago=1)) == 1


@pytest.mark.parametrize("to", ["123000", "12:30:00"])
def test_trades_of_a_day_end_at_the_asked_time(simulator: Simulator, to: str) -> None:
    rows = _rows(
        simulator, "/v1/trades/ticks", market="KRW-BTC", count=500, days_ago=3, to=to
    )

    # The day may turn while the test runs.
    day = (datetime.now(UTC) - timedelta(days=3)).date()
    assert len(rows) == 500
    assert rows[0]["trade_date_utc"] in (str(day), str(day - timedelta(days=1)))
    assert "12:15:00" < rows[0]["trade_time_utc"] < "12:30:00"
    at = datetime.fromtimestamp(rows[0]["timestamp"] / 1000, UTC)
    assert f"{at:%H:%M:%S}" == rows[0]["trade_time_utc"]


def test_the_last_trade_is_the_tickers_and_the_candles(simulator: Simulator) -> None:
    simulator.operate("trades", market="KRW-QTUM", price="4444", volume="0.25")

    (trade,) = _rows(simulator, "/v1/trades/ticks", market="KRW-QTUM", count=1)
    rows = _rows(simulator, "/v1/trades/ticks", market="KRW-QTUM", count=50)
    (candle,) = _rows(simulator, "/v1/candles/minutes/60", market="KRW-QTUM")

    assert trade["timestamp"] <= rows[0]["timestamp"]
    assert (4444.0, 0.25) in [(r["trade_price"], r["trade_volume"]) for r in rows]
    assert candle["high_price"] >= 4444


# --- bad inputs ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("market/all", {"is_details": "maybe"}, 400),
        ("ticker", {}, 400),
        ("ticker", {"markets": "KRW-BTC,KRW-NOPE"}, 404),
        ("ticker", {"markets": "KRW-BTC,"}, 404),
        ("ticker/all", {}, 400),
        ("ticker/all", {"quote_currencies": "EUR"}, 400),
        ("candles/seconds", {}, 400),
        ("candles/minutes/7", {"market": "KRW-BTC"}, 400),
        ("candles/minutes/x", {"market": "KRW-BTC"}, 400),
        ("candles/minutes/5", {}, 400),
        ("candles/minutes/5", {"market": "KRW-NOPE"}, 404),
        ("candles/minutes/5", {"market": "KRW-BTC", "count": "many"}, 400),
        ("candles/minutes/5", {"market": "KRW-BTC", "count": "0"}, 400),
        ("candles/days", {"market": "KRW-BTC", "to": "yesterday"}, 400),
        ("candles/weeks", {"market": "KRW-NOPE"}, 404),
        ("orderbook", {}, 400),
        ("orderbook", {"markets": "KRW-BTC", "level": "x"}, 400),
        ("orderbook", {"markets": "KRW-BTC", "count": "-1"}, 400),
        ("orderbook/instruments", {"markets": "BTC-ETH"}, 404),
        ("orderbook/supported_levels", {}, 400),
        ("trades/ticks", {}, 400),
        ("trades/ticks", {"market": "KRW-BTC", "to": "noon"}, 400),
        ("trades/ticks", {"market": "KRW-BTC", "to": "250000"}, 400),
        ("trades/ticks", {"market": "KRW-BTC", "days_ago": "8"}, 400),
        ("trades/ticks", {"market": "KRW-BTC", "days_ago": "-1"}, 400),
        ("trades/ticks", {"market": "KRW-BTC", "cursor": "last"}, 400),
        ("nothing", {}, 404),
    ],
)
def test_bad_calls_answer_the_status_as_name(
    simulator: Simulator, path: str, query: dict[str, str], status: int
) -> None:
    answer = simulator.public(f"/v1/{path}", **query)

    assert problem(answer) == (status, status)
    assert answer.json()["error"]["message"]
    assert "Remaining-Req" in answer.headers


@pytest.mark.parametrize("unit", [1, 3, 5, 10, 15, 30, 60, 240])
def test_every_minute_unit_is_served(simulator: Simulator, unit: int) -> None:
    path = f"/v1/candles/minutes/{unit}"

    rows = _rows(simulator, path, market="KRW-BTC", count=2)

    first, second = (
        datetime.fromisoformat(row["candle_date_time_utc"]) for row in rows
    )
    assert first > second
    assert (first - second) % timedelta(minutes=unit) == timedelta(0)
    assert (first.hour * 60 + first.minute) % unit == 0


@pytest.mark.parametrize("count", ["0", "501", "many"])
def test_an_exchange_has_so_many_markets(count: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "deploy.simulator", "--port", "1", "--markets", count],
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert ended.returncode == 2
    assert "from 1 to 500" in ended.stderr.splitlines()[-1]
