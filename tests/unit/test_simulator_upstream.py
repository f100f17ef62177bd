"""Another exchange behind the simulator: asked sparingly, believed only when it speaks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from decimal import Decimal

import pytest
from aiohttp import web

from deploy.simulator.__main__ import main
from deploy.simulator.rest.errors import UpbitProblem
from deploy.simulator.upstream.feed import BOOK_MS, UpstreamFeed
from deploy.simulator.upstream.pace import WINDOW_SECONDS, Pace, stated_seconds
from deploy.simulator.upstream.reads import Deal, Quote, book_of, deal_of
from deploy.simulator.upstream.rest import (
    UpstreamAway,
    UpstreamRest,
    is_real_upbit,
    upstream_url,
)
from tests.unit.upstream_stub import MARKET, StubExchange, trade_frame, trade_row

NOW_MS = 1_800_000_000_000


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


def paced(time: Time, *, factor: float = 1.0) -> Pace:
    return Pace(factor=factor, clock=time, sleep=time.sleep)


# --- the pace -------------------------------------------------------------------------


def test_no_more_calls_go_out_in_a_second_than_the_upstream_counts() -> None:
    time = Time()
    pace, sent = paced(time), []

    async def call() -> None:
        await pace.turn(group="ticker")
        sent.append(time.now)

    async def scenario() -> None:
        for _ in range(25):
            await call()

    asyncio.run(scenario())

    spans = [later - first for first, later in zip(sent, sent[10:], strict=False)]
    assert min(spans) >= WINDOW_SECONDS
    assert sent[9] == 1000.0


def test_groups_do_not_wait_for_each_other() -> None:
    time = Time()
    pace = paced(time)

    async def scenario() -> None:
        for group in ("ticker", "candle", "orderbook", "trade", "market"):
            for _ in range(10):
                await pace.turn(group=group)

    asyncio.run(scenario())

    assert time.now == 1000.0


def test_a_crowd_is_refused_here_rather_than_there() -> None:
    pace = paced(Time())

    async def scenario() -> list[object]:
        calls = [pace.turn(group="ticker") for _ in range(40)]
        return list(await asyncio.gather(*calls, return_exceptions=True))

    results = asyncio.run(scenario())

    refused = [one for one in results if isinstance(one, UpbitProblem)]
    assert len(refused) == 20
    assert {one.status for one in refused} == {429}


@pytest.mark.parametrize(
    ("status", "left"), [(429, None), (200, "group=ticker; min=600; sec=0")]
)
def test_a_used_up_second_is_waited_out(status: int, left: str | None) -> None:
    time = Time()
    pace = paced(time)
    pace.heard(group="ticker", status=status, text="", left=left)

    asyncio.run(pace.turn(group="ticker"))

    assert time.now == 1000.0 + WINDOW_SECONDS


def test_nothing_is_asked_while_the_upstream_blocks() -> None:
    time = Time()
    pace = paced(time)
    pace.heard(group="ticker", status=418, text="blocked, 30 seconds", left=None)

    for group in ("ticker", "candle"):
        with pytest.raises(UpbitProblem) as caught:
            asyncio.run(pace.turn(group=group))
        assert caught.value.status == 418
        assert "30초" in caught.value.message
    time.now += 30
    asyncio.run(pace.turn(group="ticker"))


def test_a_block_of_unknown_length_is_doubled_until_an_answer_is_good() -> None:
    time = Time()
    pace = paced(time)

    def block_length() -> float:
        pace.heard(group="ticker", status=418, text="I'm a teapot", left=None)
        begin = time.now
        while True:
            try:
                asyncio.run(pace.turn(group="ticker"))
            except UpbitProblem:
                time.now += 1
            else:
                return time.now - begin

    lengths = [block_length(), block_length(), block_length()]
    pace.heard(group="ticker", status=200, text="", left=None)

    assert [*lengths, block_length()] == [60, 120, 240, 60]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("요청이 제한되었습니다. 60초 후에 다시 시도해주세요.", 60),
        ("blocked for 3 minutes", 180),
        ("2분간 차단", 120),
        ('{"name":"blocked"}', None),
    ],
)
def test_a_block_time_is_read_from_the_answers_words(
    text: str, seconds: float | None
) -> None:
    assert stated_seconds(text) == seconds


# --- a market's feed ------------------------------------------------------------------


class Feed(UpstreamFeed):
    """A feed on a clock that stands still."""

    def __init__(self) -> None:
        self.clock_ms = NOW_MS
        super().__init__(market=MARKET, now_ms=lambda: self.clock_ms)

    def prices(self, *, after_ms: int = 0, until_ms: int = NOW_MS * 2) -> list[float]:
        return list(self.trades(after_ms=after_ms, until_ms=until_ms).price)


def deal(number: int | None, price: int, *, ms: int = NOW_MS) -> Deal:
    return Deal(price=Decimal(price), volume=Decimal(1), traded_ms=ms, number=number)


def test_a_trade_is_never_stamped_into_a_past_that_was_looked_at() -> None:
    feed = Feed()
    seen = feed.prices(until_ms=NOW_MS + 500)

    feed.traded([deal(1, 100), deal(2, 90)])

    assert seen == []
    assert feed.prices(after_ms=NOW_MS + 500) == [100, 90]


def test_a_trade_told_twice_counts_once() -> None:
    feed = Feed()

    feed.traded([deal(1, 100), deal(2, 90)])
    feed.made_up([deal(1, 100), deal(3, 80)], losses=1)

    assert feed.prices() == [100, 90, 80]


def test_a_trade_before_the_order_is_none_of_its_business() -> None:
    feed = Feed()
    feed.begin(from_ms=NOW_MS)

    feed.traded([deal(1, 50, ms=NOW_MS - 1), deal(2, 100, ms=NOW_MS)])

    assert feed.prices() == [100]


def test_an_older_price_never_replaces_a_newer_one() -> None:
    feed = Feed()
    feed.quoted(Quote(market=MARKET, price=Decimal(100), traded_ms=NOW_MS))

    feed.made_up([deal(1, 90, ms=NOW_MS - 10)], losses=1)

    assert feed.price(at_ms=NOW_MS) == 100
    assert feed.prices() == [90]


def test_what_is_heard_after_a_gap_does_not_hide_the_gap() -> None:
    feed = Feed()
    feed.made_up([deal(1, 100, ms=NOW_MS)], losses=1)
    feed.lost()

    feed.traded([deal(9, 120, ms=NOW_MS + 60_000)])

    assert feed.is_behind
    assert feed.since_ms == NOW_MS


def test_a_loss_during_the_catching_up_needs_another_one() -> None:
    feed = Feed()
    before = feed.losses
    feed.lost()

    feed.made_up([], losses=before)

    assert feed.is_behind


def test_a_book_that_nobody_keeps_up_to_date_is_empty_after_a_while() -> None:
    feed = Feed()
    units = [{"ask_price": 101, "bid_price": 99, "ask_size": 1, "bid_size": 1}]
    feed.offered(book_of({"orderbook_units": units}))
    fresh = feed.book(at_ms=NOW_MS)

    feed.clock_ms += BOOK_MS + 1
    stale = feed.book(at_ms=feed.clock_ms)
    feed.streamed = True
    kept = feed.book(at_ms=feed.clock_ms)

    assert [level.price for level in fresh.asks] == [101]
    assert stale.asks == stale.bids == ()
    assert kept == fresh


def test_a_frames_trade_happened_when_it_was_traded_not_when_it_was_told() -> None:
    assert deal_of(trade_frame(7, 100, ms=NOW_MS)).traded_ms == NOW_MS
    assert deal_of(trade_row(7, 100, ms=NOW_MS)).traded_ms == NOW_MS


def test_empty_levels_of_the_shorter_side_are_nobodys_offer() -> None:
    units = [
        {"ask_price": 101, "bid_price": 99, "ask_size": 1, "bid_size": 1},
        {"ask_price": 102, "bid_price": 0, "ask_size": 1, "bid_size": 0},
    ]

    book = book_of({"orderbook_units": units})

    assert [level.price for level in book.asks] == [101, 102]
    assert [level.price for level in book.bids] == [99]


def test_somebodys_trade_here_is_the_price_until_the_upstreams_next() -> None:
    feed = Feed()
    feed.quoted(Quote(market=MARKET, price=Decimal(100), traded_ms=NOW_MS))

    feed.inject(price=Decimal(70), volume=Decimal(1), at_ms=NOW_MS)
    injected = feed.price(at_ms=NOW_MS)
    feed.traded([deal(1, 101, ms=NOW_MS + 1)])

    assert injected == 70
    assert feed.price(at_ms=NOW_MS) == 101
    assert feed.prices() == [101]


# --- asking over HTTP -----------------------------------------------------------------


def with_stub(
    scenario: Callable[[StubExchange, UpstreamRest], Awaitable[None]],
) -> StubExchange:
    """Run *scenario* beside a stub; return the stub for its memories."""

    async def run() -> StubExchange:
        async with StubExchange() as stub:
            rest = UpstreamRest(url=stub.url)
            await rest.open()
            try:
                await scenario(stub, rest)
            finally:
                await rest.close()
        return stub

    return asyncio.run(run())


def test_an_answer_is_passed_on_as_it_is_compressed_or_not() -> None:
    body = b'[{"trade_price": 148601000.00000000}]\n'

    async def scenario(stub: StubExchange, rest: UpstreamRest) -> None:
        def packed() -> web.Response:
            response = web.Response(
                status=404,
                body=body,
                content_type="application/json",
                charset="utf-8",
                headers={"Remaining-Req": "group=ticker; min=600; sec=7"},
            )
            response.enable_compression(web.ContentCoding.gzip)
            return response

        stub.special["/v1/ticker"] = packed

        answer = await rest.fetch("/v1/ticker?markets=KRW-BTC")

        assert (answer.status, answer.body) == (404, body)
        assert answer.content_type == "application/json; charset=utf-8"
        assert answer.remaining == "group=ticker; min=600; sec=7"

    with_stub(scenario)


def test_the_query_reaches_the_upstream_as_it_was_written() -> None:
    target = "/v1/candles/days?market=KRW-BTC&to=2025-07-01T00%3A00%3A00%2B09%3A00"

    async def scenario(stub: StubExchange, rest: UpstreamRest) -> None:
        await rest.fetch(target)

    stub = with_stub(scenario)

    assert [one.target for one in stub.asked] == [target]


def test_identical_calls_share_an_answer() -> None:
    async def scenario(stub: StubExchange, rest: UpstreamRest) -> None:
        calls = [rest.fetch("/v1/ticker?markets=KRW-BTC") for _ in range(30)]
        answers = await asyncio.gather(*calls)

        assert len({answer.body for answer in answers}) == 1

    stub = with_stub(scenario)

    assert stub.paths() == ["/v1/ticker"]


def test_a_fresh_answer_is_not_a_shared_one() -> None:
    async def scenario(stub: StubExchange, rest: UpstreamRest) -> None:
        await rest.fetch("/v1/ticker?markets=KRW-BTC")
        await rest.fetch("/v1/ticker?markets=KRW-BTC", fresh=True)

    stub = with_stub(scenario)

    assert len(stub.asked) == 2


def test_a_refusal_is_not_remembered_as_an_answer() -> None:
    async def scenario(stub: StubExchange, rest: UpstreamRest) -> None:
        stub.special["/v1/ticker"] = lambda: web.Response(status=500)
        first = await rest.fetch("/v1/ticker?markets=KRW-BTC")
        del stub.special["/v1/ticker"]
        second = await rest.fetch("/v1/ticker?markets=KRW-BTC")

        assert (first.status, second.status) == (500, 200)

    with_stub(scenario)


def test_nothing_of_the_caller_goes_out() -> None:
    async def scenario(stub: StubExchange, rest: UpstreamRest) -> None:
        await rest.fetch("/v1/ticker?markets=KRW-BTC")
        await (await rest.connect("/websocket/v1")).close()

    stub = with_stub(scenario)

    names = {name.lower() for one in stub.asked for name in one.headers}
    assert len(stub.asked) == 2
    assert names.isdisjoint({"authorization", "origin", "cookie", "referer"})


def test_an_upstream_that_is_gone_gives_no_answer_and_a_reason() -> None:
    async def scenario(stub: StubExchange, rest: UpstreamRest) -> None:
        await rest.fetch("/v1/ticker?markets=KRW-BTC")
        known = rest.away
        await stub.go()

        with pytest.raises(UpstreamAway):
            await rest.fetch("/v1/ticker?markets=KRW-ETH")
        with pytest.raises(UpstreamAway):
            await rest.connect("/websocket/v1")

        assert known is None
        assert rest.away is not None

    with_stub(scenario)


def test_a_blocked_address_is_not_asked_from_again() -> None:
    async def scenario(stub: StubExchange, rest: UpstreamRest) -> None:
        stub.special["/v1/ticker"] = lambda: web.Response(status=418, text="teapot")
        first = await rest.fetch("/v1/ticker")

        with pytest.raises(UpbitProblem) as caught:
            await rest.fetch("/v1/orderbook")

        assert (first.status, caught.value.status) == (418, 418)

    stub = with_stub(scenario)

    assert stub.paths() == ["/v1/ticker"]


# --- what the command line accepts ----------------------------------------------------


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("https://api.upbit.com", "https://api.upbit.com"),
        ("https://API.upbit.com/", "https://api.upbit.com"),
        ("http://127.0.0.1:8100", "http://127.0.0.1:8100"),
        ("http://localhost:8100/", "http://localhost:8100"),
    ],
)
def test_an_upstream_is_a_bare_address(text: str, url: str) -> None:
    assert upstream_url(text) == url


@pytest.mark.parametrize(
    "text",
    [
        "http://api.upbit.com",
        "https://key:secret@api.upbit.com",
        "https://api.upbit.com/v1",
        "https://",
        "api.upbit.com",
        "",
    ],
)
def test_prices_that_could_be_forged_on_the_way_are_no_upstream(text: str) -> None:
    with pytest.raises(ValueError, match="is not an exchange's address"):
        upstream_url(text)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--rate-factor", "2"), "would make https://api.upbit.com block this address"),
        (("--speed", "auto"), "--speed is for a market made here"),
        (("--replay", "x.parquet"), "--upstream and --replay are two markets"),
    ],
)
def test_options_that_do_not_go_with_an_upstream_are_refused(
    capsys: pytest.CaptureFixture[str], options: tuple[str, ...], complaint: str
) -> None:
    code = main(["--port", "1", "--upstream", "https://api.upbit.com", *options])

    assert code == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize(
    ("url", "is_real"),
    [
        ("https://api.upbit.com", True),
        ("https://upbit.com", True),
        ("https://notupbit.com", False),
        ("http://127.0.0.1:8100", False),
    ],
)
def test_upbits_own_addresses_are_known(url: str, is_real: bool) -> None:
    assert is_real_upbit(url=url) is is_real
