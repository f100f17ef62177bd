"""pyupbit as a judge: REST and its WebSocketManager, unmodified but for the address.

The library fixes the host in every method, so its two network seams are turned round:
`request_api.requests` here, `websocket_api.websockets` in `pyupbit_prices`. Its defects are pinned as well: the
real exchange meets the same ones.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import pyupbit
import requests
from pyupbit import request_api

from tests.system.judge_world import (
    BUSY,
    HASTY,
    QUIET,
    TRADER,
    Exchange,
    Key,
    eventually,
    exchange,
    facts,
    next_second,
)

ROOT = Path(__file__).resolve().parents[2]
THERE = "api.upbit.com"
PATIENCE_SECONDS = 60
HOURS_OF_90_DAYS = 90 * 24


@pytest.fixture(scope="module")
def upbit() -> Iterator[Exchange]:
    with exchange(speed="20") as running, pytest.MonkeyPatch.context() as patch:
        patch.setattr(request_api, "requests", _http_to(running.url))
        yield running


def _http_to(url: str) -> SimpleNamespace:
    def turned(method: str) -> Callable[..., requests.Response]:
        def call(address: str, **options: Any) -> requests.Response:
            here = address.replace(f"https://{THERE}", url)
            return requests.request(method, here, timeout=20, **options)

        return call

    return SimpleNamespace(
        **{name.lower(): turned(name) for name in ("GET", "POST", "DELETE")}
    )


@pytest.fixture(autouse=True)
def _fresh_limits() -> None:
    """Limits are per second and pocket: no test pays for the calls of the last one."""
    next_second()


@pytest.fixture
def client(upbit: Exchange) -> pyupbit.Upbit:
    return _client(TRADER)


def _client(key: Key) -> pyupbit.Upbit:
    return pyupbit.Upbit(key.access, key.secret)


def _ended(client: pyupbit.Upbit, order: dict[str, Any]) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        seen: dict[str, Any] = client.get_order(order["uuid"])
        return seen if seen["state"] != "wait" else None

    return eventually(look)


# --- what everybody may read --------------------------------------------------------


def test_the_list_of_markets_comes_with_the_remaining_calls(upbit: Exchange) -> None:
    tickers, left = pyupbit.get_tickers(fiat="KRW", limit_info=True)
    details = pyupbit.get_tickers(fiat="KRW", is_details=True)

    assert BUSY in tickers
    assert left["group"] == "market"
    assert 0 <= left["sec"] < 10
    assert details[0]["market_event"]["warning"] is False


def test_prices_of_one_and_of_all_markets(upbit: Exchange) -> None:
    codes = pyupbit.get_tickers(fiat="KRW")

    one = pyupbit.get_current_price(BUSY)
    everything = pyupbit.get_current_price(codes)  # repeats markets= for each code

    assert one > 0
    assert set(everything) == set(codes)


def test_the_book_has_thirty_levels(upbit: Exchange) -> None:
    book = pyupbit.get_orderbook(BUSY)

    assert len(book["orderbook_units"]) == 30
    assert (
        book["orderbook_units"][0]["ask_price"]
        > (book["orderbook_units"][0]["bid_price"])
    )


def test_ninety_days_of_hours_are_paged_in_korean_time(upbit: Exchange) -> None:
    next_second()

    hours = pyupbit.get_ohlcv(BUSY, interval="minute60", count=HOURS_OF_90_DAYS)

    steps = hours.index.to_series().diff().dropna()
    assert len(hours) == HOURS_OF_90_DAYS
    assert set(steps) == {timedelta(hours=1)}
    assert hours.index[-1].tzinfo is None
    assert list(hours) == ["open", "high", "low", "close", "volume", "value"]


def test_silent_hours_leave_gaps(upbit: Exchange) -> None:
    next_second()

    hours = pyupbit.get_ohlcv(QUIET, interval="minute60", count=400)

    assert hours.index.is_unique
    assert hours.index[-1] - hours.index[0] > timedelta(hours=400)


def test_an_unknown_interval_silently_gives_days(upbit: Exchange) -> None:
    days = pyupbit.get_ohlcv(BUSY, interval="minute7", count=3)

    assert set(days.index.to_series().diff().dropna()) == {timedelta(days=1)}


def test_an_unknown_market_is_silence(upbit: Exchange) -> None:
    assert pyupbit.get_ohlcv("KRW-NOPE") is None
    with pytest.raises(Exception, match="Code not found") as refusal:
        pyupbit.get_current_price("KRW-NOPE")
    assert refusal.value.code == 404  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", ["ticker", "trade", "orderbook"])
def test_its_websocket_manager_receives_a_market(upbit: Exchange, kind: str) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "tests.system.pyupbit_prices", upbit.url, kind, BUSY],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_SECONDS,
    )

    received = json.loads(told.stdout)
    # It asked with the old isOnlyRealtime and decodes bytes: both have to be spoken.
    assert {one["type"] for one in received} == {kind}
    assert {one["code"] for one in received} == {BUSY}
    assert {one["stream_type"] for one in received} == {"REALTIME"}


# --- orders -------------------------------------------------------------------------


def test_a_market_buy_shows_in_the_balance_and_can_be_sold(
    client: pyupbit.Upbit,
) -> None:
    before = client.get_balance(BUSY)
    bought = _ended(client, client.buy_market_order(BUSY, 50_000))
    coins = client.get_balance(BUSY)

    sold = _ended(client, client.sell_market_order(BUSY, coins))

    assert bought["state"] == "cancel"
    assert coins - before == pytest.approx(float(bought["executed_volume"]))
    assert (sold["state"], sold["remaining_volume"]) == ("done", "0")
    assert client.get_balance(BUSY) == 0
    assert client.get_avg_buy_price(QUIET) == 0


def test_a_resting_order_is_listed_by_the_old_call_and_canceled(
    client: pyupbit.Upbit,
) -> None:
    order = client.buy_limit_order(BUSY, 100_000_000, 0.001)

    listed = [one["uuid"] for one in client.get_order(BUSY)]
    locked = client.get_balance_t("KRW") - client.get_balance("KRW")
    answer = client.cancel_order(order["uuid"])
    ended = _ended(client, order)

    assert order["uuid"] in listed
    assert locked == pytest.approx(100_050)
    assert answer["state"] == "wait"
    assert (ended["state"], ended["executed_volume"]) == ("cancel", "0")
    done = client.get_order(BUSY, state="cancel")
    assert order["uuid"] in [one["uuid"] for one in done]


def test_a_limit_order_takes_what_there_is_and_the_rest_is_canceled(
    upbit: Exchange, client: pyupbit.Upbit
) -> None:
    # The book has other sizes each second: more than any of them, less than the money.
    best = upbit.best(QUIET)
    volume = (4_000_000 / best["ask_price"]).quantize(Decimal(1))
    order = client.buy_limit_order(QUIET, f"{best['ask_price']:f}", f"{volume:f}")

    def partly() -> dict[str, Any] | None:
        seen: dict[str, Any] = client.get_order(order["uuid"])
        return seen if seen["trades"] else None

    open_still = eventually(partly)
    client.cancel_order(order["uuid"])
    ended = _ended(client, order)

    assert (open_still["state"], ended["state"]) == ("wait", "cancel")
    executed, rest = (
        Decimal(ended[name]) for name in ("executed_volume", "remaining_volume")
    )
    assert 0 < executed < volume
    assert executed + rest == volume
    assert sum(Decimal(one["volume"]) for one in open_still["trades"]) == executed


def test_a_chance_tells_fees_and_means(client: pyupbit.Upbit) -> None:
    chance = client.get_chance(BUSY)

    assert (chance["bid_fee"], chance["market"]["id"]) == ("0.0005", BUSY)
    assert Decimal(chance["bid_account"]["balance"]) > 0


def test_small_floats_go_out_as_exponents_and_are_refused(
    client: pyupbit.Upbit,
) -> None:
    answer = client.buy_limit_order(BUSY, 500_000_000, 0.00005)  # str() makes it 5e-05

    assert set(answer) == {"error"}


# --- refusals -----------------------------------------------------------------------


def test_known_refusals_are_printed_and_come_back_as_nothing(
    client: pyupbit.Upbit, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = [
        client.buy_market_order(BUSY, 900_000_000),
        client.buy_market_order(BUSY, 4_999),
        client.sell_market_order("KRW-XRP", 100_000),
        client.get_order("00000000-0000-4000-8000-000000000000"),
        client.cancel_order("00000000-0000-4000-8000-000000000000"),
    ]

    assert answers == [None] * 5
    assert capsys.readouterr().out.split() == [
        "InsufficientFundsBid",
        "UnderMinTotalBid",
        "InsufficientFundsAsk",
        "UpbitError",
        "UpbitError",
    ]


def test_unknown_refusals_look_like_an_order(client: pyupbit.Upbit) -> None:
    off_tick = client.buy_limit_order(BUSY, 100_000_123, 0.001)
    no_market = client.buy_market_order("KRW-NOPE", 6_000)

    assert off_tick["error"]["name"] == "invalid_price_bid"
    assert no_market["error"]["name"] == "notfoundmarket"


def test_a_wrong_key_cannot_be_told_from_an_empty_account(
    upbit: Exchange, capsys: pytest.CaptureFixture[str]
) -> None:
    nobody = _client(Key(access="nobody", secret="n" * 64))
    forger = _client(Key(access=TRADER.access, secret="n" * 64))

    assert nobody.get_balances()["error"]["name"] == "invalid_access_key"
    assert forger.get_balance("KRW") is None
    assert capsys.readouterr().out.split() == ["JwtVerification"]


def test_too_many_calls_come_back_as_an_error_in_place_of_the_list(
    upbit: Exchange,
) -> None:
    hasty = _client(HASTY)

    answers = (hasty.get_balances() for _ in range(200))
    refused = next(one for one in answers if "error" in one)

    # It compares the text with a sentence of long ago, so nothing is raised.
    assert refused["error"]["name"] == "too_many_requests"


def test_a_dotted_group_name_loses_an_accepted_order(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with (
        exchange("--assume", "group_names=dotted") as running,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(request_api, "requests", _http_to(running.url))

        answer = _client(TRADER).buy_limit_order(BUSY, 100_000_000, 0.001)

        assert answer is None  # it could not read Remaining-Req; the order rests
        assert capsys.readouterr().out.split() == ["RemainingReqParsingError"]
        assert len(running.orders(TRADER)) == 1


# --- the truth ----------------------------------------------------------------------


def test_what_pyupbit_was_told_is_the_exchanges_truth(
    upbit: Exchange, client: pyupbit.Upbit
) -> None:
    told = [
        one
        for market in (BUSY, QUIET)
        for state in ("wait", "done", "cancel")
        for one in client.get_order(market, state=state)
    ]
    balances = {
        row["currency"]: (Decimal(row["balance"]), Decimal(row["locked"]))
        for row in client.get_balances()
    }

    assert facts(told) == facts(upbit.orders(TRADER).values())
    assert balances == upbit.balances(TRADER)
