"""Upbit behind the port: what pyupbit hides is raised, numbers stay exact, calls are paced."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from pyupbit import request_api
from requests.adapters import BaseAdapter

from central_project.market.limiter import CallLimiter, CallsBlocked
from central_project.market.quotation import Quotation
from central_project.market.source_errors import (
    ClockOff,
    ImplausibleCandles,
    SourceBlocked,
    SourceError,
    SourceUnavailable,
    UnknownMarket,
)
from central_project.market.sources import CandleRow, UpbitSource

BTC = "KRW-BTC"
NO_REDIS = "redis://127.0.0.1:9/0"
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
Reply = tuple[int, str] | tuple[int, str, dict[str, str]] | Exception
CANDLE = (
    '{"market":"KRW-BTC","candle_date_time_utc":"2026-11-23T11:00:00",'
    '"candle_date_time_kst":"2026-11-23T20:00:00","opening_price":0.00001234,'
    '"high_price":148601000.00000000,"low_price":1E-5,"trade_price":148601000,'
    '"timestamp":1,"candle_acc_trade_price":12345678901234.56789012,'
    '"candle_acc_trade_volume":98765432109.12345678,"unit":60}'
)


class FreeLimiter(CallLimiter):
    """Notes what it is asked instead of waiting."""

    def __init__(self) -> None:
        self.groups: list[str] = []
        self.brakes: list[str | float | None] = []

    @contextmanager
    def turn(self, *, group: str) -> Iterator[None]:
        self.groups.append(group)
        yield

    def hold(self, *, group: str) -> None:
        self.brakes.append(group)

    def block(self, *, seconds: float | None) -> float:
        self.brakes.append(seconds)
        return 0


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
        response.status_code, text, *more = reply
        response.headers.update(*more)
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
            clock=NOON.timestamp,
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
    earlier = CANDLE.replace("T11:", "T10:").replace("T20:", "T19:")

    rows = read_hour(Wire((200, f"[{CANDLE},{earlier}]")))

    assert [row.started_at.hour for row in rows] == [10, 11]


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
        ((418, '{"error":{"name":"blocked"}}'), SourceUnavailable, 3),
        ((404, '{"error":{"name":404,"message":"Code not found"}}'), UnknownMarket, 1),
        ((400, '{"error":{"name":400}}'), SourceError, 1),
        ((302, ""), SourceError, 1),
        ((200, '{"error":{"name":"odd"}}'), SourceError, 1),
        ((200, '[{"market":"KRW-BTC"}]'), SourceError, 1),
        ((200, "null"), SourceError, 1),
        ((200, f"[{CANDLE}"), SourceUnavailable, 3),
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


def test_429_holds_its_group_and_418_everybody_for_the_stated_time() -> None:
    limiter = FreeLimiter()
    wire = Wire(
        (429, "Too many API requests."),
        (418, '{"error":{"name":418,"message":"37초 후 다시 시도해주세요."}}'),
        (200, f"[{CANDLE}]"),
    )

    source_on(wire, limiter).candles(market=BTC, unit=60, before=NOON, count=200)
    for text, headers in (("", {"Retry-After": "90"}), ("no word of it", {})):
        wire.replies = [(418, text, headers), (200, f"[{CANDLE}]")]
        source_on(wire, limiter).candles(market=BTC, unit=60, before=NOON, count=200)

    assert limiter.brakes == ["candle", 37.0, 90.0, None]


def test_calls_and_refusals_are_counted() -> None:
    source = source_on(
        Wire((429, ""), (418, ""), requests.ConnectionError(), (200, f"[{CANDLE}]"))
    )

    with pytest.raises(SourceUnavailable):
        source.candles(market=BTC, unit=60, before=NOON, count=1)
    source.candles(market=BTC, unit=60, before=NOON, count=1)

    assert (source.usage().calls, source.usage().refused) == (4, 2)


def date(seconds: float) -> dict[str, str]:
    return {"Date": format_datetime(NOON + timedelta(seconds=seconds), usegmt=True)}


@pytest.mark.parametrize(("ahead", "word"), [(600, "ahead of"), (-600, "behind")])
def test_a_clock_minutes_off_ends_everything_with_a_remedy(
    ahead: int, word: str
) -> None:
    source = source_on(Wire((200, f"[{CANDLE}]", date(-ahead))))

    with pytest.raises(ClockOff, match=f"600 s {word} .*set-ntp") as error:
        source.candles(market=BTC, unit=60, before=NOON, count=1)

    assert error.value.ends_run
    assert source.usage().clock_ahead == ahead


def test_a_clock_seconds_off_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    source = source_on(
        Wire((200, f"[{CANDLE}]", date(0)), (200, f"[{CANDLE}]", date(20)))
    )

    for _ in range(4):
        source.candles(market=BTC, unit=60, before=NOON, count=1)

    assert caplog.text.count("market.clock.off: -20.0 s") == 1


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ('"high_price":148601000.00000000', '"high_price":0.0000001', "below its low"),
        ('"low_price":1E-5', '"low_price":0', "outside its range"),
        ('"low_price":1E-5', '"low_price":-3', "outside its range"),
        ('"trade_price":148601000', '"trade_price":148601001', "outside its range"),
        ("98765432109.12345678", "-1", "negative volume"),
        ("T20:00:00", "T20:07:00", "full 60 minutes"),
        ("T20:00:00", "T21:00:00", "from the future"),
    ],
)
def test_a_candle_that_cannot_be_true_is_not_believed(
    old: str, new: str, why: str
) -> None:
    assert CANDLE.count(old) == 1

    with pytest.raises(ImplausibleCandles, match=why):
        read_hour(Wire((200, f"[{CANDLE.replace(old, new)}]")))


def test_a_candle_given_twice_counts_once_unless_the_two_differ() -> None:
    other = CANDLE.replace('"trade_price":148601000', '"trade_price":148600000')

    assert len(read_hour(Wire((200, f"[{CANDLE},{CANDLE}]")))) == 1
    with pytest.raises(ImplausibleCandles, match="twice"):
        read_hour(Wire((200, f"[{CANDLE},{other}]")))


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
    assert ticker.signed_change_rate is None
    assert wire.query() == {"quote_currencies": ["KRW"]}


@pytest.mark.parametrize(
    ("told", "rate"),
    [
        ("-0.0183673469", Decimal("-0.0183673469")),
        ("0", Decimal(0)),
        *(("null", None), ('"up"', None), ("[]", None), ("true", None)),
        *(("-1.5", None), ("1e20", None)),
    ],
)
def test_a_ticker_tells_the_days_change_and_no_nonsense(
    told: str, rate: Decimal | None
) -> None:
    body = (
        '[{"market":"KRW-BTC","trade_price":1,"acc_trade_price_24h":1,'
        f'"signed_change_rate":{told}}}]'
    )

    ticker = source_on(Wire((200, body))).tickers()["KRW-BTC"]

    assert ticker.signed_change_rate == rate


@pytest.mark.parametrize(
    "body",
    [
        *("{}", "[]", "[1]", "null", '[{"market":"KRW-BTC"}]'),
        '[{"market":"KRW-BTC","trade_price":"dear","acc_trade_price_24h":1}]',
        '[{"market":"KRW-BTC","trade_price":1,"acc_trade_price_24h":null}]',
    ],
)
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


class Books(Wire):
    """Order books of everything but some markets, which spoil a whole call."""

    def __init__(self, *unknown: str) -> None:
        super().__init__((200, ""))
        self.unknown = unknown

    def send(self, request: Any, **kwargs: Any) -> requests.Response:
        asked = parse_qs(urlsplit(request.url).query)["markets"][0].split(",")
        unit = {"ask_price": 101, "bid_price": 99, "ask_size": 2, "bid_size": 1.5}
        rows = [{"market": market, "orderbook_units": [unit]} for market in asked]
        bad = set(asked) & set(self.unknown)
        self.replies = [(404, "Code not found") if bad else (200, json.dumps(rows))]
        return super().send(request, **kwargs)


def test_one_unknown_market_takes_no_other_order_book_with_it() -> None:
    markets = [f"KRW-A{i}" for i in range(120)]
    wire = Books("KRW-A7", "KRW-A77")

    books = source_on(wire).books(markets=markets)

    assert set(books) == set(markets) - {"KRW-A7", "KRW-A77"}
    assert len(wire.requests) < 30


def test_an_exchange_that_knows_no_market_at_all_is_soon_left_alone() -> None:
    markets = [f"KRW-A{i}" for i in range(250)]
    wire = Books(*markets)

    with pytest.raises(UnknownMarket):
        source_on(wire).books(markets=markets)

    assert len(wire.requests) < 30


class HandClock:
    """Time that only passes while somebody waits."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.pauses.append(seconds)
        self.now += seconds

    def limiter(self, *, redis_url: str = NO_REDIS, factor: float = 1) -> CallLimiter:
        return CallLimiter(
            redis_url=redis_url,
            rate_factor=factor,
            sleep=self.sleep,
            clock=lambda: self.now,
        )


@pytest.mark.parametrize("factor", [1, 10, 0.05])
def test_without_redis_each_process_keeps_half_the_pace(factor: float) -> None:
    clock = HandClock()
    limiter, leaves = clock.limiter(factor=factor), []

    for _ in range(30):
        with limiter.turn(group="candle"):
            leaves.append(clock.now)

    gaps = [later - first for first, later in pairwise(leaves)]
    assert min(gaps) >= 0.5 / (4.5 * factor) - 1e-9
    assert sum(gaps) == pytest.approx(29 / (4.5 * factor), rel=0.05)


def test_a_slow_call_never_lets_more_arrive_in_a_second_than_allowed() -> None:
    clock = HandClock()
    limiter = clock.limiter(factor=2)  # 9 a second for this process, 10 slots
    with ExitStack() as under_way:
        for _ in range(10):
            under_way.enter_context(limiter.turn(group="candle"))
        clock.now += 5  # all ten are held up; any of them may arrive now
        held, clock.pauses = clock.now, []
        under_way.pop_all().close()
    with limiter.turn(group="candle"):
        assert clock.now - held >= 1


def test_processes_share_one_pace_over_redis(settings: Any) -> None:
    first, second = HandClock(), HandClock()
    slow = {"redis_url": settings.REDIS_URL, "factor": 0.001}

    with first.limiter(**slow).turn(group="shared-pace"):
        pass
    second.sleep = lambda seconds: stop(seconds)  # type: ignore[method-assign]
    with (
        pytest.raises(Stopped) as stopped,
        second.limiter(**slow).turn(group="shared-pace"),
    ):
        pass

    # 0.009 calls a second, of which half an interval may be made up for.
    assert 50 < stopped.value.seconds <= 1000


class Stopped(Exception):
    """Somebody would have waited."""

    def __init__(self, seconds: float) -> None:
        super().__init__(seconds)
        self.seconds = seconds


def stop(seconds: float) -> None:
    raise Stopped(seconds)


def test_a_short_block_is_waited_for_and_a_long_one_told() -> None:
    clock = HandClock()
    limiter = clock.limiter()

    limiter.block(seconds=10)
    with limiter.turn(group="candle"):
        waited = clock.now - 1000
    limiter.block(seconds=30)
    with pytest.raises(CallsBlocked) as told, limiter.turn(group="ticker"):
        pass

    assert waited == 10
    assert told.value.seconds == pytest.approx(30)


def test_a_block_stops_every_process_without_another_call(settings: Any) -> None:
    wire = Wire((418, '{"error":{"message":"600 seconds"}}'))
    sources = [
        source_on(wire, HandClock().limiter(redis_url=settings.REDIS_URL))
        for _ in range(2)
    ]

    for source in sources:
        with pytest.raises(SourceBlocked, match=r"another (600|599) s"):
            source.tickers()

    assert len(wire.requests) == 1


def test_a_block_of_unknown_length_doubles_but_late_answers_belong_to_it(
    settings: Any,
) -> None:
    clock = HandClock()
    limiter = clock.limiter()
    lengths = []

    for _ in range(8):
        lengths.append(limiter.block(seconds=None))
        clock.now += 1
        assert limiter.block(seconds=None) == pytest.approx(lengths[-1] - 1)
        clock.now += lengths[-1]

    assert lengths == [60, 120, 240, 480, 960, 1920, 3600, 3600]
