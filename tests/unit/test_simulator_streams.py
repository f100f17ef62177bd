"""What WebSocket clients may ask, how messages are written, when a connection ends."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
from upbit.lib.ws._parser import SIMPLE_MODELS
from upbit.types.connect_private_server_event import MyAsset, MyOrder
from upbit.types.connect_public_server_event import (
    Orderbook,
    Ticker,
    Trade,
    WsCandleResponse,
)
from upbit.types.simple_candle import SimpleCandle

from deploy.simulator.streams.asked import (
    Format,
    StreamProblem,
    Subscription,
    book_code,
    read,
)
from deploy.simulator.streams.connection import MOST_WAITING, Connection, Times
from deploy.simulator.streams.fields import SHORT_NAMES, shortened
from deploy.simulator.streams.frames import Message, to_json, written

TICKET = {"ticket": "t"}


def _read(*parts: Any) -> Any:
    return read(json.dumps(parts))


def _only(*parts: Any) -> Subscription:
    (subscription,) = _read(TICKET, *parts).subscriptions
    assert isinstance(subscription, Subscription)
    return subscription


def _refusal(text: str) -> str:
    with pytest.raises(StreamProblem) as problem:
        read(text)
    assert problem.value.body()["error"]["message"]
    return problem.value.name


# --- requests ----------------------------------------------------------------------


def test_a_request_names_types_with_their_codes_and_a_format() -> None:
    request = _read(
        TICKET,
        {"type": "ticker", "codes": ["KRW-BTC", "KRW-ETH", "KRW-BTC"]},
        {"type": "myOrder"},
        {"format": "SIMPLE_LIST"},
    )

    ticker, orders = request.subscriptions
    assert (request.ticket, request.format, request.lists) == (
        "t",
        Format.SIMPLE_LIST,
        False,
    )
    assert (ticker.codes, ticker.snapshot, ticker.realtime) == (
        ("KRW-BTC", "KRW-ETH"),
        True,
        True,
    )
    assert (orders.codes, orders.snapshot, orders.realtime) == ((), False, True)


def test_without_a_format_the_connection_keeps_its_own() -> None:
    assert _read(TICKET, {"type": "myAsset"}).format is None


@pytest.mark.parametrize("value", [True, "true"])
@pytest.mark.parametrize(
    ("name", "snapshot", "realtime"),
    [
        ("is_only_snapshot", True, False),
        ("isOnlySnapshot", True, False),
        ("is_only_realtime", False, True),
        ("isOnlyRealtime", False, True),
    ],
)
def test_both_spellings_of_the_flags_are_understood(
    name: str, snapshot: bool, realtime: bool, value: object
) -> None:
    subscription = _only({"type": "trade", "codes": ["KRW-BTC"], name: value})

    assert (subscription.snapshot, subscription.realtime) == (snapshot, realtime)


@pytest.mark.parametrize(
    ("code", "market", "depth"),
    [
        ("KRW-BTC", "KRW-BTC", 30),
        ("KRW-BTC.1", "KRW-BTC", 1),
        ("KRW-BTC.5", "KRW-BTC", 5),
        ("KRW-BTC.15", "KRW-BTC", 15),
        ("KRW-BTC.20", "KRW-BTC", 30),
        ("KRW-BTC.", "KRW-BTC", 30),
        ("KRW-BTC.x", "KRW-BTC", 30),
    ],
)
def test_an_orderbook_code_names_1_5_15_or_30_levels(
    code: str, market: str, depth: int
) -> None:
    assert book_code(code) == (market, depth)


@pytest.mark.parametrize("level", [10000, "10000", 10000.0])
def test_a_level_is_a_number_or_its_text(level: object) -> None:
    subscription = _only({"type": "orderbook", "codes": ["KRW-BTC"], "level": level})

    assert subscription.level == Decimal(10000)


def test_listing_may_stand_before_the_ticket() -> None:
    request = _read({"method": "LIST_SUBSCRIPTIONS"}, TICKET)

    assert (request.lists, request.ticket, request.subscriptions) == (True, "t", ())


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        ([{"type": "ticker", "codes": ["KRW-BTC"]}], "NO_TICKET"),
        ([{"ticket": ""}, {"type": "myAsset"}], "NO_TICKET"),
        ([{"ticket": 7}, {"type": "myAsset"}], "NO_TICKET"),
        ([TICKET], "NO_TYPE"),
        ([TICKET, {"codes": ["KRW-BTC"]}], "NO_TYPE"),
        ([TICKET, {"type": "ticker"}], "NO_CODES"),
        ([TICKET, {"type": "orderbook", "codes": []}], "NO_CODES"),
        ([TICKET, {"type": "nope", "codes": ["KRW-BTC"]}], "INVALID_PARAM"),
        ([TICKET, {"type": "candle.2m", "codes": ["KRW-BTC"]}], "INVALID_PARAM"),
        ([TICKET, {"type": ["ticker"], "codes": ["KRW-BTC"]}], "WRONG_FORMAT"),
        ([TICKET, {"type": "myAsset"}, {"format": "simple"}], "INVALID_PARAM"),
        ([TICKET, {"type": "myAsset"}, {"format": ["SIMPLE"]}], "WRONG_FORMAT"),
        ([TICKET, {"method": "UNSUBSCRIBE"}], "INVALID_PARAM"),
        ([TICKET, {"type": "myAsset", "codes": ["KRW-BTC"]}], "WRONG_FORMAT"),
        ([TICKET, {"type": "myAsset", "codes": []}], "WRONG_FORMAT"),
        ([TICKET, {"type": "ticker", "codes": "KRW-BTC"}], "WRONG_FORMAT"),
        ([TICKET, {"type": "ticker", "codes": [1]}], "WRONG_FORMAT"),
        ([TICKET, "ticker"], "WRONG_FORMAT"),
        ([], "WRONG_FORMAT"),
        (
            [TICKET, {"type": "trade", "codes": ["A"], "is_only_snapshot": 1}],
            "WRONG_FORMAT",
        ),
        ([TICKET, {"type": "orderbook", "codes": ["A"], "level": "x"}], "WRONG_FORMAT"),
        ([TICKET, {"type": "orderbook", "codes": ["A"], "level": -1}], "WRONG_FORMAT"),
        (
            [TICKET, {"type": "orderbook", "codes": ["A"], "level": True}],
            "WRONG_FORMAT",
        ),
        (
            [
                TICKET,
                {
                    "type": "trade",
                    "codes": ["A"],
                    "is_only_snapshot": True,
                    "isOnlyRealtime": True,
                },
            ],
            "INVALID_PARAM",
        ),
    ],
)
def test_a_wrong_request_is_refused_by_name(parts: list[object], name: str) -> None:
    assert _refusal(json.dumps(parts)) == name


@pytest.mark.parametrize(
    "text", ["hello", "", "{}", "7", "[" * 100_000, '{"type":"t"}']
)
def test_what_is_no_list_of_objects_has_the_wrong_format(text: str) -> None:
    assert _refusal(text) == "WRONG_FORMAT"


# --- names and numbers -------------------------------------------------------------

DEFAULT_MODELS = {
    "ticker": Ticker,
    "trade": Trade,
    "orderbook": Orderbook,
    "candle": WsCandleResponse,
    "myOrder": MyOrder,
    "myAsset": MyAsset,
}
NESTED = {"orderbook": "orderbook_units", "myAsset": "assets"}


@pytest.mark.parametrize("kind", DEFAULT_MODELS)
def test_each_field_has_the_short_name_that_the_official_client_reads(
    kind: str,
) -> None:
    simple = {**SIMPLE_MODELS, "candle": SimpleCandle}[kind]
    long_names = set(DEFAULT_MODELS[kind].model_fields)
    wanted = {field.alias or name for name, field in simple.model_fields.items()}

    names = SHORT_NAMES[kind]

    # Deprecated fields, which the client no longer reads, are still sent.
    old = {"is_trading_suspended", "market_warning"}
    inner = {"ask_price", "bid_price", "ask_size", "bid_size", "currency", "balance"}
    assert long_names <= set(names) <= long_names | old | inner | {"locked"}
    assert {names[name] for name in long_names} == wanted
    assert len({v for k, v in names.items() if k not in inner}) == len(
        set(names) - inner
    )


def test_short_names_reach_into_lists() -> None:
    book = {
        "type": "orderbook",
        "code": "KRW-BTC",
        "orderbook_units": [
            {"ask_price": 2.0, "bid_price": 1.0, "ask_size": 0.5, "bid_size": 0.1}
        ],
        "level": 0,
    }
    listed = {
        "method": "LIST_SUBSCRIPTIONS",
        "result": [{"type": "ticker", "codes": ["KRW-BTC"]}],
        "ticket": "t",
    }

    assert shortened(book) == {
        "ty": "orderbook",
        "cd": "KRW-BTC",
        "obu": [{"ap": 2.0, "bp": 1.0, "as": 0.5, "bs": 0.1}],
        "lv": 0,
    }
    assert shortened(listed) == {
        "mthd": "LIST_SUBSCRIPTIONS",
        "rslt": [{"ty": "ticker", "cds": ["KRW-BTC"]}],
        "tckt": "t",
    }


def test_what_has_no_kind_keeps_its_names() -> None:
    assert shortened({"status": "UP"}) == {"status": "UP"}
    assert shortened({"error": {"name": "NO_TYPE"}}) == {"error": {"name": "NO_TYPE"}}


@pytest.mark.parametrize(
    ("form", "text"),
    [
        (Format.DEFAULT, b'{"type":"trade","code":"KRW-BTC"}'),
        (Format.SIMPLE, b'{"ty":"trade","cd":"KRW-BTC"}'),
        (Format.JSON_LIST, b'[{"type":"trade","code":"KRW-BTC"}]'),
        (Format.SIMPLE_LIST, b'[{"ty":"trade","cd":"KRW-BTC"}]'),
    ],
)
def test_the_format_chooses_names_and_list(form: Format, text: bytes) -> None:
    assert written({"type": "trade", "code": "KRW-BTC"}, form) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("1386929.37231066771348207123", "1386929.37231066771348207123"),
        ("0.00000001", "0.00000001"),
        ("1E+3", "1000"),
        ("5000.50", "5000.5"),
        ("0E-8", "0"),
    ],
)
def test_amounts_are_numbers_with_exactly_their_digits(amount: str, text: str) -> None:
    message = {"assets": [{"balance": Decimal(amount)}], "n": None, "t": '원 "'}

    assert (
        to_json(message) == f'{{"assets":[{{"balance":{text}}}],"n":null,"t":"원 \\""}}'
    )


# --- frames ------------------------------------------------------------------------


def _payload(frame: bytes) -> bytes:
    """Read one server frame back, as a client does."""
    size, at = frame[1], 2
    if size == 126:
        size, at = int.from_bytes(frame[2:4], "big"), 4
    elif size == 127:
        size, at = int.from_bytes(frame[2:10], "big"), 10
    payload = frame[at:]
    assert len(payload) == size
    assert frame[0] & 0x8F == 0x82
    if frame[0] & 0x40:
        return zlib.decompressobj(wbits=-15).decompress(payload + b"\x00\x00\xff\xff")
    return payload


@pytest.mark.parametrize("length", [1, 99, 100, 101, 300, 2000, 70_000])
@pytest.mark.parametrize("packed", [False, True])
def test_a_frame_is_read_back_at_every_length(length: int, packed: bool) -> None:
    data = {"type": "ticker", "code": "x" * length}

    frame = Message(data).frame(form=Format.DEFAULT, packed=packed)

    assert json.loads(_payload(frame)) == data
    assert not frame.endswith(b"\x00\x00\xff\xff")
    assert bool(frame[0] & 0x40) == (packed and length > 1000)


@pytest.mark.parametrize("form", [Format.DEFAULT, Format.SIMPLE])
def test_a_wrong_clock_writes_wrong_times_and_nothing_else(form: Format) -> None:
    data = {"type": "ticker", "code": "KRW-BTC", "timestamp": 1_780_000_000_000}
    message = Message(data)

    right = json.loads(_payload(message.frame(form=form, packed=False)))
    wrong = json.loads(_payload(message.frame(form=form, packed=False, offset_ms=-5)))

    name = "tms" if form.short else "timestamp"
    assert wrong == right | {name: right[name] - 5}


def test_a_message_is_written_once_for_all() -> None:
    message = Message({"type": "ticker", "code": "KRW-BTC"})

    first = message.frame(form=Format.SIMPLE, packed=False)
    again = message.frame(form=Format.SIMPLE, packed=False)
    other = message.frame(form=Format.DEFAULT, packed=False)

    assert first is again
    assert first != other


# --- connections -------------------------------------------------------------------


@dataclass
class Pipe:
    """A transport that remembers; *stuck* bytes have not been taken by the reader."""

    sent: list[bytes] = field(default_factory=list)
    stuck: int = 0
    aborted: bool = False

    def write(self, data: bytes) -> None:
        self.sent.append(data)

    def get_write_buffer_size(self) -> int:
        return self.stuck

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True


@dataclass
class Clock:
    """Seconds that pass when told to."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def _connection(**more: Any) -> tuple[Connection, Pipe, Clock]:
    pipe, clock = Pipe(), Clock()
    made = Connection(
        pipe=pipe,
        packed=False,
        clock=clock,
        times=Times(idle=120, status=10),
        **more,
    )
    return made, pipe, clock


def _ticker(price: int, code: str = "KRW-BTC") -> Message:
    return Message({"type": "ticker", "code": code, "trade_price": price})


def _prices(pipe: Pipe) -> list[int]:
    data = b"".join(pipe.sent)
    prices = []
    while data:
        size = data[1]
        prices.append(json.loads(data[2 : 2 + size])["trade_price"])
        data = data[2 + size :]
    return prices


def test_a_connection_ends_after_two_silent_minutes() -> None:
    connection, pipe, clock = _connection()

    clock.now += 119
    connection.beat()
    lasting = not pipe.aborted
    clock.now += 1
    connection.beat()

    assert lasting
    assert pipe.aborted


def test_what_is_heard_or_sent_keeps_a_connection() -> None:
    connection, pipe, clock = _connection()

    clock.now += 119
    connection.heard()
    clock.now += 119
    connection.send(_ticker(1))
    connection.flush()
    clock.now += 119
    connection.beat()

    assert not pipe.aborted


def test_ping_is_answered_at_once_and_every_ten_seconds() -> None:
    connection, pipe, clock = _connection()

    connection.beat()
    before = len(pipe.sent)
    connection.ping()
    at_once = len(pipe.sent)
    for _ in range(30):
        clock.now += 1
        connection.beat()

    assert (before, at_once, len(pipe.sent)) == (0, 1, 4)
    assert all(_payload(frame) == b'{"status":"UP"}' for frame in pipe.sent)


def test_a_slow_reader_gets_the_newest_state_and_every_trade() -> None:
    connection, pipe, _ = _connection()
    pipe.stuck = 10**6

    for price in (1, 2, 3):
        connection.send(_ticker(price), latest=("ticker", "KRW-BTC"))
        connection.send(_ticker(price * 10))
        connection.flush()
    held = list(pipe.sent)
    pipe.stuck = 0
    connection.flush()

    assert held == []
    assert _prices(pipe) == [3, 10, 20, 30]


def test_a_reader_who_is_too_slow_is_cut_off() -> None:
    connection, pipe, _ = _connection()
    pipe.stuck = 10**6
    big = Message({"type": "trade", "code": "x" * 1_000_000})

    for _ in range(MOST_WAITING // 1_000_000 + 1):
        connection.send(big)

    assert pipe.aborted


def test_newer_state_takes_no_more_room() -> None:
    connection, pipe, _ = _connection()
    pipe.stuck = 10**6
    big = Message({"type": "ticker", "code": "x" * 1_000_000})

    for _ in range(100):
        connection.send(big, latest="ticker")

    assert not pipe.aborted
