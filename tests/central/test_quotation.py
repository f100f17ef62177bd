"""Upbit behind the port: what pyupbit hides is raised, numbers stay exact, calls are paced."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from pyupbit import request_api
from requests.adapters import BaseAdapter

from central_project.market.limiter import CallLimiter
from central_project.market.quotation import Quotation, SourceError, SourceUnavailable
from central_project.market.sources import CandleRow, UpbitSource

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
Reply = tuple[int, str] | Exception
CANDLE = (
    '{"market":"KRW-BTC","candle_date_time_utc":"2026-11-23T11:00:00",'
    '"candle_date_time_kst":"2026-11-23T20:00:00","opening_price":0.00001234,'
    '"high_price":148601000.00000000,"low_price":1E-5,"trade_price":148601000,'
    '"timestamp":1,"candle_acc_trade_price":12345678901234.56789012,'
    '"candle_acc_trade_volume":98765432109.12345678,"unit":60}'
)


class FreeLimiter(CallLimiter):
    """Notes the groups instead of waiting."""

    def __init__(self) -> None:
        self.groups: list[str] = []

    def wait(self, *, group: str) -> None:
        self.groups.append(group)


class Wire(BaseAdapter):
    """Answers requests without a network."""

    def __init__(self, *replies: Reply) -> None:
        super().__init__()
        self.replies = list(replies)
        self.requests: list[requests.PreparedRequest] = []
        self.timeouts: list[Any] = []

    def send(self, request: Any, **kwargs: Any) -> requests.Response:
        self.requests.append(request)
        self.timeouts.append(kwargs["timeout"])
        reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
        if isinstance(reply, Exception):
            raise reply
        response = requests.Response()
        response.status_code, text = reply
        response._content = text.encode()
        response.url = request.url
        return response

    def close(self) -> None:
        """Nothing to close."""

    def query(self, index: int = -1) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.requests[index].url or "").query)


def source_on(wire: Wire, limiter: CallLimiter | None = None) -> UpbitSource:
    session = requests.Session()
    session.mount("http://", wire)
    return UpbitSource(
        quotation=Quotation(
            base_url="http://upbit.test/",
            limiter=limiter or FreeLimiter(),
            session=session,
        )
    )


def read_hour(wire: Wire) -> list[CandleRow]:
    return source_on(wire).candles(market="KRW-BTC", unit=60, before=NOON, count=200)


def test_candles_come_from_the_given_host_with_an_explicit_end_and_a_timeout() -> None:
    wire = Wire((200, f"[{CANDLE}]"))

    read_hour(wire)

    url = urlsplit(wire.requests[0].url or "")
    assert (url.netloc, url.path) == ("upbit.test", "/v1/candles/minutes/60")
    assert wire.query() == {
        "market": ["KRW-BTC"],
        "count": ["200"],
        "to": ["2026-11-23 12:00:00"],
    }
    assert wire.timeouts == [(3.0, 10.0)]


def test_numbers_are_exact_and_times_are_utc() -> None:
    rows = read_hour(Wire((200, f"[{CANDLE}]")))

    assert rows == [
        CandleRow(
            started_at=datetime(2026, 11, 23, 11, tzinfo=UTC),
            open=Decimal("0.00001234"),
            high=Decimal("148601000.00000000"),
            low=Decimal("0.00001"),
            close=Decimal(148601000),
            volume=Decimal("98765432109.12345678"),
            quote_volume=Decimal("12345678901234.56789012"),
        )
    ]


def test_candles_are_sorted_oldest_first() -> None:
    later = CANDLE.replace("T11:", "T12:").replace("T20:", "T21:")

    rows = read_hour(Wire((200, f"[{later},{CANDLE}]")))

    assert [row.started_at.hour for row in rows] == [11, 12]


def test_no_candle_is_an_empty_answer() -> None:
    assert read_hour(Wire((200, "[]"))) == []


@pytest.mark.parametrize(
    ("reply", "error", "calls"),
    [
        (requests.ConnectTimeout(), SourceUnavailable, 3),
        (requests.ConnectionError(), SourceUnavailable, 3),
        ((429, "Too many API requests."), SourceUnavailable, 3),
        ((500, "oops"), SourceUnavailable, 3),
        ((200, "<html>maintenance</html>"), SourceUnavailable, 3),
        ((418, '{"error":{"name":"blocked"}}'), SourceError, 1),
        ((404, '{"error":{"name":404,"message":"Code not found"}}'), SourceError, 1),
        ((400, '{"error":{"name":400}}'), SourceError, 1),
        ((302, ""), SourceError, 1),
        ((200, '{"error":{"name":"odd"}}'), SourceError, 1),
        ((200, '[{"market":"KRW-BTC"}]'), SourceError, 1),
        ((200, "null"), SourceError, 1),
        ((200, f"[{CANDLE.replace('148601000,', 'null,')}]"), SourceError, 1),
    ],
)
def test_what_pyupbit_swallows_is_raised(
    reply: Reply, error: type[Exception], calls: int
) -> None:
    wire = Wire(reply)

    with pytest.raises(error):
        read_hour(wire)

    assert len(wire.requests) == calls


def test_a_passing_failure_is_retried() -> None:
    wire = Wire((503, ""), requests.ReadTimeout(), (200, f"[{CANDLE}]"))

    assert len(read_hour(wire)) == 1


def test_every_try_waits_for_its_groups_turn() -> None:
    limiter = FreeLimiter()
    source = source_on(Wire((500, "")), limiter)

    with pytest.raises(SourceUnavailable):
        source.candles(market="KRW-BTC", unit=5, before=NOON, count=1)
    with pytest.raises(SourceUnavailable):
        source.tickers()

    assert limiter.groups == ["candle"] * 3 + ["ticker"] * 3


def test_pyupbit_has_no_network_of_its_own() -> None:
    with pytest.raises(RuntimeError, match="Quotation"):
        request_api.requests.get("https://api.upbit.com/v1/ticker", params={})


def test_markets_carry_their_flags() -> None:
    body = [
        {
            "market": "KRW-BTC",
            "korean_name": "비트코인",
            "english_name": "Bitcoin",
            "market_event": {
                "warning": True,
                "caution": {
                    "PRICE_FLUCTUATIONS": True,
                    "TRADING_VOLUME_SOARING": False,
                },
            },
        },
        {"market": "BTC-ETH", "korean_name": "이더리움", "english_name": "Ethereum"},
    ]
    wire = Wire((200, json.dumps(body)))

    (info,) = source_on(wire).markets()

    assert info.market == "KRW-BTC"
    assert (info.warning, info.cautions) == (True, ("PRICE_FLUCTUATIONS",))
    assert wire.query() == {"is_details": ["true"]}


def test_an_exchange_without_krw_markets_is_an_error() -> None:
    with pytest.raises(SourceError):
        source_on(Wire((200, "[]"))).markets()


def test_tickers_are_exact() -> None:
    wire = Wire(
        (200, '[{"market":"KRW-PEPE","trade_price":0.01234,'
              '"acc_trade_price_24h":1234567890123.12345678}]')
    )  # fmt: skip

    ticker = source_on(wire).tickers()["KRW-PEPE"]

    assert ticker.price == Decimal("0.01234")
    assert ticker.turnover_24h == Decimal("1234567890123.12345678")
    assert wire.query() == {"quote_currencies": ["KRW"]}


@pytest.mark.parametrize("body", ["{}", "[1]", '[{"market":"KRW-BTC"}]', "null"])
def test_an_odd_ticker_answer_is_an_error(body: str) -> None:
    with pytest.raises(SourceError):
        source_on(Wire((200, body))).tickers()


def test_order_books_are_read_fifty_at_a_time_and_empty_ones_left_out() -> None:
    unit = {"ask_price": 101, "bid_price": 99, "ask_size": 2, "bid_size": 1.5}
    full = {"market": "KRW-A0", "orderbook_units": [unit] * 30}
    empty = {"market": "KRW-A1", "orderbook_units": []}
    wire = Wire((200, json.dumps([full, empty])))

    books = source_on(wire).books(markets=[f"KRW-A{i}" for i in range(120)])

    assert len(wire.requests) == 3
    assert list(books) == ["KRW-A0"]
    assert (books["KRW-A0"].bid, books["KRW-A0"].ask) == (99, 101)
    assert books["KRW-A0"].depth_krw == 15 * (101 * 2 + Decimal("148.5"))


class HandClock:
    """Time that only passes while somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.pauses.append(seconds)
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> HandClock:
    hand = HandClock()
    monkeypatch.setattr("throttled.utils.now_mono_f", lambda: hand.now)
    return hand


def paced(clock: HandClock, *, factor: float, calls: int, redis_url: str) -> float:
    limiter = CallLimiter(redis_url=redis_url, rate_factor=factor, sleep=clock.sleep)
    for _ in range(calls):
        limiter.wait(group="candle")
    return clock.now


@pytest.mark.parametrize(
    ("factor", "seconds"), [(1, 10 / 9), (10, 10 / 90), (0.5, 20 / 9)]
)
def test_without_redis_each_process_keeps_the_same_even_pace(
    clock: HandClock, factor: float, seconds: float
) -> None:
    took = paced(clock, factor=factor, calls=11, redis_url="redis://127.0.0.1:9/0")

    assert took == pytest.approx(seconds, rel=0.01)
    assert max(clock.pauses) == pytest.approx(seconds / 10, rel=0.01)


def test_processes_share_one_pace_over_redis(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []

    def note(seconds: float) -> None:
        pauses.append(seconds)
        raise StopIteration

    make: Callable[[], CallLimiter] = lambda: CallLimiter(  # noqa: E731
        redis_url=settings.REDIS_URL, rate_factor=0.001, sleep=note
    )
    first, second = make(), make()

    first.wait(group="shared-pace")
    with pytest.raises(StopIteration):
        second.wait(group="shared-pace")

    assert 90 < pauses[0] <= 100
