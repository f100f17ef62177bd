"""Upbit's WebSocket as lines: what is subscribed, read, refused, and never logged."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import closing
from decimal import Decimal
from http import HTTPStatus
from typing import Any

import jwt
import pytest

from tests.unit.upbit_stub import ACCESS, NO_REDIS, SECRET
from tests.unit.websocket_stub import StubSockets, Visit, stub_sockets
from user_project.exchanges.adapter import KeyRefused, RateLimited, Unavailable
from user_project.exchanges.limiter import RateLimiter
from user_project.exchanges.streams import Alive, Event, Line, OrderNotice
from user_project.exchanges.upbit import UpbitAdapter
from user_project.exchanges.upbit_streams import Connection, Tickers, UpbitLine
from user_project.trading.orders import PriceQuote

TICKER = {
    "type": "ticker",
    "code": "KRW-BTC",
    "trade_price": 148601000.00000000,
    "timestamp": 1763900000000,
    "stream_type": "SNAPSHOT",
}
MY_ORDER = {
    "type": "myOrder",
    "code": "KRW-BTC",
    "uuid": "cdd92199",
    "identifier": "dt1-ours",
    "state": "trade",
    "price": 100000000.0,
}


@pytest.fixture
def sockets() -> Iterator[StubSockets]:
    with stub_sockets() as stub:
        yield stub


def adapter_of(sockets: StubSockets, **changes: Any) -> UpbitAdapter:
    options = {
        "base_url": sockets.url,
        "limiter": RateLimiter(redis_url=NO_REDIS, pocket="unit", rate_factor=100),
        "access_key": ACCESS,
        "secret_key": SECRET,
    }
    return UpbitAdapter(**{**options, **changes})


@pytest.fixture
def adapter(sockets: StubSockets) -> Iterator[UpbitAdapter]:
    with closing(adapter_of(sockets)) as adapter:
        yield adapter


def heard(line: Line, *, count: int = 1) -> list[Event]:
    """Receive until so many events came."""
    events: list[Event] = []
    for _ in range(200):
        events += line.receive(seconds=0.1)
        if len(events) >= count:
            return events
    raise AssertionError(f"heard only {events}")


class TestPrices:
    @pytest.fixture
    def line(self, adapter: UpbitAdapter) -> Iterator[Line]:
        with closing(adapter.stream_prices(markets=["KRW-BTC", "KRW-ETH"])) as line:
            yield line

    @pytest.fixture
    def visit(self, line: Line, sockets: StubSockets) -> Visit:
        return sockets.next_visit()

    def test_one_message_subscribes_to_everything(self, visit: Visit) -> None:
        (message,) = visit.said
        ticket, wanted, form = message

        assert visit.path == "/websocket/v1"
        assert len(ticket["ticket"]) == 36
        assert wanted == {"type": "ticker", "codes": ["KRW-BTC", "KRW-ETH"]}
        assert form == {"format": "DEFAULT"}

    def test_nobody_signs_and_no_browser_is_pretended(self, visit: Visit) -> None:
        names = {name.lower() for name in visit.headers}

        assert names.isdisjoint({"authorization", "origin"})

    def test_prices_are_exact_in_either_frame(self, line: Line, visit: Visit) -> None:
        visit.tell(TICKER)
        visit.tell_text(TICKER | {"code": "KRW-ETH", "trade_price": 0.00012340})

        btc, eth = heard(line, count=2)

        assert isinstance(btc, PriceQuote)
        assert isinstance(eth, PriceQuote)
        assert (btc.market, btc.price) == ("KRW-BTC", 148_601_000)
        assert (eth.market, eth.price) == ("KRW-ETH", Decimal("0.0001234"))

    @pytest.mark.parametrize(
        ("told", "close"),
        [
            ({"prev_closing_price": 148000000.00000000}, Decimal(148_000_000)),
            ({"prev_closing_price": 0.00012340}, Decimal("0.0001234")),
            ({"prev_closing_price": 0}, None),
            ({"prev_closing_price": None}, None),
            ({"prev_closing_price": "many"}, None),
            ({}, None),
        ],
    )
    def test_the_close_of_the_day_before_comes_along(
        self, line: Line, visit: Visit, told: dict[str, Any], close: Decimal | None
    ) -> None:
        visit.tell(TICKER | told)

        (quote,) = heard(line)

        assert isinstance(quote, PriceQuote)
        assert (quote.price, quote.previous_close) == (148_601_000, close)

    def test_an_answered_ping_is_a_sign_of_life(self, line: Line, visit: Visit) -> None:
        line.ping()

        assert heard(line) == [Alive()]

    def test_silence_is_no_event(self, line: Line, visit: Visit) -> None:
        assert line.receive(seconds=0.01) == ()

    @pytest.mark.parametrize(
        "odd",
        [
            [TICKER],
            {"type": "trade", "code": "KRW-BTC"},
            {"type": "ticker", "code": "KRW-BTC"},
            TICKER | {"trade_price": "many"},
            {"method": "LIST_SUBSCRIPTIONS", "result": []},
        ],
        ids=["list", "other type", "no price", "no number", "no type"],
    )
    def test_what_cannot_be_used_is_passed_over(
        self, line: Line, visit: Visit, odd: Any
    ) -> None:
        visit.tell(odd)
        line.ping()

        assert heard(line) == [Alive()]

    def test_an_error_message_ends_the_line(self, line: Line, visit: Visit) -> None:
        told = {"error": {"name": "NO_CODES", "message": "no codes"}}
        visit.tell(told)

        with pytest.raises(Unavailable) as caught:
            heard(line)

        assert caught.value.name == "NO_CODES"

    @pytest.mark.parametrize("code", [1000, 1011])
    def test_a_closed_connection_ends_the_line(
        self, line: Line, visit: Visit, code: int
    ) -> None:
        visit.connection.close(code)

        with pytest.raises(Exception, match=str(code)):
            heard(line)

    def test_a_broken_message_ends_the_line(self, line: Line, visit: Visit) -> None:
        visit.connection.send(b'{"type": ')

        with pytest.raises(json.JSONDecodeError):
            heard(line)


class TestOrders:
    @pytest.fixture
    def line(self, adapter: UpbitAdapter) -> Iterator[Line]:
        with closing(adapter.stream_orders()) as line:
            yield line

    @pytest.fixture
    def visit(self, line: Line, sockets: StubSockets) -> Visit:
        return sockets.next_visit()

    def test_the_handshake_is_signed_with_a_nonce(self, visit: Visit) -> None:
        headers = {name.lower(): value for name, value in visit.headers.items()}
        token = headers["authorization"].removeprefix("Bearer ")

        claims = jwt.decode(token, SECRET, algorithms=["HS256"])

        assert visit.path == "/websocket/v1/private"
        assert claims["access_key"] == ACCESS
        assert len(claims["nonce"]) == 36
        assert visit.said[0][1] == {"type": "myOrder"}

    def test_each_step_of_an_order_is_a_notice(self, line: Line, visit: Visit) -> None:
        visit.tell(MY_ORDER)
        visit.tell(MY_ORDER | {"identifier": None, "code": "KRW-ETH"})

        assert heard(line, count=2) == [
            OrderNotice(identifier="dt1-ours", market="KRW-BTC"),
            OrderNotice(identifier=None, market="KRW-ETH"),
        ]

    @pytest.mark.parametrize(
        ("state", "accepted_only"),
        [("wait", True), ("trade", False), ("done", False), ("cancel", False)],
    )
    def test_the_first_step_is_told_apart(
        self, line: Line, visit: Visit, state: str, accepted_only: bool
    ) -> None:
        visit.tell(MY_ORDER | {"state": state})

        (notice,) = heard(line, count=1)
        assert notice == OrderNotice(
            identifier="dt1-ours", market="KRW-BTC", accepted_only=accepted_only
        )

    def test_other_types_are_passed_over(self, line: Line, visit: Visit) -> None:
        visit.tell({"type": "myAsset", "assets": []})
        line.ping()

        assert heard(line) == [Alive()]


class TestRefusals:
    @pytest.mark.parametrize(
        ("status", "meaning"),
        [
            (HTTPStatus.UNAUTHORIZED, KeyRefused),
            (HTTPStatus.FORBIDDEN, KeyRefused),
            (HTTPStatus.TOO_MANY_REQUESTS, RateLimited),
            (HTTPStatus.INTERNAL_SERVER_ERROR, Unavailable),
        ],
    )
    def test_a_refused_handshake_says_why(
        self,
        sockets: StubSockets,
        adapter: UpbitAdapter,
        status: HTTPStatus,
        meaning: type[Exception],
    ) -> None:
        sockets.refuse_with = status

        with pytest.raises(meaning):
            adapter.stream_orders()

    def test_a_block_stops_the_account_s_calls_as_well(
        self, sockets: StubSockets, adapter: UpbitAdapter
    ) -> None:
        sockets.refuse_with = HTTPStatus.IM_A_TEAPOT
        with pytest.raises(RateLimited):
            adapter.stream_orders()

        with pytest.raises(RateLimited) as caught:
            adapter.get_balances()

        assert caught.value.retry_after > 50

    def test_without_keys_there_is_nothing_to_sign(self, sockets: StubSockets) -> None:
        keyless = adapter_of(sockets, access_key="", secret_key="")

        with closing(keyless), pytest.raises(KeyRefused):
            keyless.stream_orders()

        assert sockets.visits == []

    def test_nobody_listening_is_unavailable(self) -> None:
        nowhere = StubSockets()
        nowhere.url = "http://127.0.0.1:9"

        with closing(adapter_of(nowhere)) as adapter, pytest.raises(Unavailable):
            adapter.stream_prices(markets=["KRW-BTC"])


def test_neither_key_nor_signature_is_ever_logged(
    sockets: StubSockets, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)

    with closing(adapter_of(sockets)) as adapter, closing(adapter.stream_orders()):
        visit = sockets.next_visit()

    token = visit.headers["Authorization"].removeprefix("Bearer ")
    assert [w for w in (token, SECRET, ACCESS) if w in caplog.text] == []


class Scripted(Connection):
    """A connection that was closed already."""

    def recv_bytes(self, *, timeout: float | None = None) -> bytes:
        raise TimeoutError

    def send_raw(self, data: bytes | str) -> None:
        return

    def close(self) -> None:
        raise OSError("closed already")


def test_closing_never_fails() -> None:
    line = UpbitLine(Scripted(), wanted={"type": "ticker"}, read=Tickers().read)

    line.close()


@pytest.mark.parametrize(
    ("times", "prices"),
    [
        ((1, 2, 3), (1, 2, 3)),
        ((2, 1, 3), (2, 3)),
        ((1, 1, 1), (1, 1, 1)),
        ((3, 1, 2, 3, 4), (3, 3, 4)),
    ],
)
def test_a_ticker_that_was_overtaken_is_dropped(
    times: Sequence[int], prices: Sequence[int]
) -> None:
    tickers = Tickers()

    read = [tickers.read(TICKER | {"timestamp": t, "trade_price": t}) for t in times]

    assert [quote.price for quote in read if quote is not None] == list(prices)
    other = tickers.read(TICKER | {"code": "KRW-ETH", "timestamp": 0, "trade_price": 1})
    assert other is not None
