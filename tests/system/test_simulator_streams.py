"""The simulator's WebSocket side as clients meet it: a real process, raw frames."""

from __future__ import annotations

import contextlib
import hashlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import uuid4

import jwt
import pytest
import requests
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from deploy.ports import free_ports
from deploy.simulator.streams.fields import SHORT_NAMES

PATIENCE_SECONDS = 30.0
CANDLES = tuple(
    f"candle.{unit}"
    for unit in ("1s", *(f"{n}m" for n in (1, 3, 5, 10, 15, 30, 60, 240)))
)
DEPRECATED = {"is_trading_suspended", "market_warning"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One account's key."""

    access: str
    secret: str

    @property
    def option(self) -> str:
        return f"--account={self.access}:{self.secret}:10000000"

    def signed(self, text: str = "", *, secret: str | None = None) -> dict[str, str]:
        claims = {"access_key": self.access, "nonce": str(uuid4())}
        if text:
            claims["query_hash"] = hashlib.sha512(text.encode()).hexdigest()
            claims["query_hash_alg"] = "SHA512"
        token = jwt.encode(claims, secret or self.secret, "HS256")
        return {"Authorization": f"Bearer {token}"}


ALICE = Key(access="stream-alice", secret="a" * 64)
BOB = Key(access="stream-bob", secret="b" * 64)
CAROL = Key(access="stream-carol", secret="c" * 64)


class Socket:
    """A client that reads frames one by one."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    def say(self, *parts: dict[str, Any]) -> None:
        self.connection.send(json.dumps([{"ticket": "t"}, *parts]))

    def next(self) -> Any:
        frame = self.connection.recv(timeout=PATIENCE_SECONDS)
        assert isinstance(frame, bytes), "the exchange sends binary frames"
        return json.loads(frame, parse_float=Decimal)

    def until(self, wanted: Callable[[Any], bool]) -> Any:
        """Return the first message that is wanted, whatever comes before."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not wanted(message := self.next()):
            assert time.monotonic() < deadline, "waited too long"
        return message

    def closing(self) -> int:
        """Read to the end; return the close code."""
        try:
            while True:
                self.connection.recv(timeout=PATIENCE_SECONDS)
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else 1006


@dataclass
class Simulator:
    """A running process and where it listens."""

    process: subprocess.Popen[bytes]
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextlib.contextmanager
    def public(self, **options: Any) -> Iterator[Socket]:
        with connect(f"ws://127.0.0.1:{self.port}/websocket/v1", **options) as made:
            yield Socket(made)

    @contextlib.contextmanager
    def private(self, key: Key = ALICE) -> Iterator[Socket]:
        url = f"ws://127.0.0.1:{self.port}/websocket/v1/private"
        with connect(url, additional_headers=key.signed()) as made:
            yield Socket(made)

    def get(self, path: str, key: Key | None = None, **query: str) -> Any:
        text = "&".join(f"{name}={value}" for name, value in query.items())
        headers = {} if key is None else key.signed(text)
        answer = requests.get(
            f"{self.url}{path}", params=query, headers=headers, timeout=20
        )
        assert answer.status_code == 200, answer.text
        return json.loads(answer.text, parse_float=Decimal)

    def order(self, key: Key = ALICE, **body: str) -> Any:
        text = "&".join(f"{name}={value}" for name, value in body.items())
        answer = requests.post(
            f"{self.url}/v1/orders", json=body, headers=key.signed(text), timeout=20
        )
        assert answer.status_code == 201, answer.text
        return answer.json()

    def cancel(self, uuid: str, key: Key = ALICE) -> None:
        answer = requests.delete(
            f"{self.url}/v1/order",
            params={"uuid": uuid},
            headers=key.signed(f"uuid={uuid}"),
            timeout=20,
        )
        assert answer.status_code == 200, answer.text

    def price(self, market: str) -> Decimal:
        return Decimal(self.get("/v1/ticker", markets=market)[0]["trade_price"])

    def switch(self, path: str, body: dict[str, Any], method: str = "POST") -> None:
        answer = requests.request(
            method, f"{self.url}/simulator/{path}", json=body, timeout=20
        )
        assert answer.ok, answer.text


@contextlib.contextmanager
def running(*options: str) -> Iterator[Simulator]:
    (port,) = free_ports(1)
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "deploy.simulator", "--port", str(port)),
            *("--seed", "3", ALICE.option, BOB.option, CAROL.option, *options),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    simulator = Simulator(process, port)
    try:
        _eventually(lambda: _answers(simulator))
        yield simulator
    finally:
        process.terminate()
        process.wait(timeout=20)


def _answers(simulator: Simulator) -> bool:
    assert simulator.process.poll() is None, "the simulator ended"
    with contextlib.suppress(requests.ConnectionError):
        return bool(simulator.get("/healthz"))
    return False


def _eventually(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    with running("--rate-factor", "50", "--speed", "120", "--faults") as made:
        yield made


# --- market data -------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["ticker", "trade", "orderbook", *CANDLES])
def test_a_subscription_begins_with_a_snapshot_and_goes_on(
    simulator: Simulator, kind: str
) -> None:
    with simulator.public() as socket:
        socket.say({"type": kind, "codes": ["KRW-BTC"]})
        first, second = socket.next(), socket.next()

    names = set(SHORT_NAMES[kind.partition(".")[0]])
    inner = {"ask_price", "bid_price", "ask_size", "bid_size"}
    assert set(first) == set(second) == names - inner
    assert (first["type"], first["code"]) == (kind, "KRW-BTC")
    assert (first["stream_type"], second["stream_type"]) == ("SNAPSHOT", "REALTIME")


@pytest.mark.parametrize("kind", ["ticker", "trade", "orderbook", "candle.1m"])
def test_short_names_say_the_same(simulator: Simulator, kind: str) -> None:
    wanted = {"type": kind, "codes": ["KRW-BTC"], "is_only_snapshot": True}
    with simulator.public() as socket:
        socket.say(wanted, {"format": "SIMPLE"})
        short = socket.next()
        socket.say(wanted, {"format": "SIMPLE_LIST"})
        (listed,) = socket.next()
        socket.say(wanted, {"format": "JSON_LIST"})
        (long,) = socket.next()

    names = SHORT_NAMES[kind.partition(".")[0]]
    assert list(short) == list(listed) == [names[name] for name in long]
    assert (short["ty"], short["cd"], short["st"]) == (kind, "KRW-BTC", "SNAPSHOT")


def test_values_are_those_of_the_rest_side(simulator: Simulator) -> None:
    price = simulator.price(QUIET)
    simulator.switch("trades", {"market": QUIET, "price": f"{price:f}", "volume": "2"})
    before, told = _same_moment(simulator)

    for kind, row in before.items():
        same = {name: told[kind][name] for name in set(row) & set(told[kind])}
        assert same == {name: row[name] for name in same}
        assert len(same) >= 3


QUIET = "KRW-HUNT"
"""A coin that trades rarely."""
_OF_NOW = {"timestamp", "total_ask_size", "total_bid_size", "orderbook_units"}


def _same_moment(simulator: Simulator) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what both sides say between two trades."""
    for _ in range(20):
        before, told = _rest(simulator), _snapshots(simulator)
        if before == _rest(simulator):
            return before, told
    raise AssertionError("the market never stood still")


def _rest(simulator: Simulator) -> dict[str, dict[str, Any]]:
    """Return the REST side's rows, but for what changes with every second."""
    rows = {
        "ticker": simulator.get("/v1/ticker", markets=QUIET)[0],
        "trade": simulator.get("/v1/trades/ticks", market=QUIET)[0],
        "orderbook": simulator.get("/v1/orderbook", markets=QUIET)[0],
        "candle.60m": simulator.get("/v1/candles/minutes/60", market=QUIET)[0],
    }
    # A stream tells how much a price changed, the REST side also which way.
    rows["trade"]["change_price"] = abs(rows["trade"]["change_price"])
    return {
        kind: {name: value for name, value in row.items() if name not in _OF_NOW}
        | {"code": row["market"], "type": kind}
        for kind, row in rows.items()
    }


def _snapshots(simulator: Simulator) -> dict[str, Any]:
    kinds = ("ticker", "trade", "orderbook", "candle.60m")
    with simulator.public() as socket:
        socket.say(
            *(
                {"type": kind, "codes": [QUIET], "is_only_snapshot": True}
                for kind in kinds
            )
        )
        return {row["type"]: row for row in (socket.next() for _ in kinds)}


def test_every_trade_is_told_once_and_in_order(simulator: Simulator) -> None:
    with simulator.public() as socket:
        socket.say({"type": "trade", "codes": ["KRW-BTC"]})
        told = [socket.next() for _ in range(30)]
        last = told[-1]["sequential_id"]
        rows: list[Any] = []
        _eventually(
            lambda: (
                rows.clear()
                or rows.extend(
                    simulator.get("/v1/trades/ticks", market="KRW-BTC", count="200")
                )
                or any(row["sequential_id"] == last for row in rows)
            )
        )

    first = told[0]["sequential_id"]
    between = [
        row["sequential_id"]
        for row in reversed(rows)
        if first <= row["sequential_id"] <= last
    ]
    assert [row["sequential_id"] for row in told] == between


@pytest.mark.parametrize(("code", "levels"), [("KRW-BTC.1", 1), ("KRW-BTC.5", 5)])
def test_a_book_has_as_many_levels_as_its_code_names(
    simulator: Simulator, code: str, levels: int
) -> None:
    with simulator.public() as socket:
        socket.say({"type": "orderbook", "codes": [code], "is_only_snapshot": True})
        book = socket.next()

    assert (book["code"], len(book["orderbook_units"])) == ("KRW-BTC", levels)


@pytest.mark.parametrize("name", ["is_only_realtime", "isOnlyRealtime"])
def test_only_realtime_begins_without_a_snapshot(
    simulator: Simulator, name: str
) -> None:
    with simulator.public() as socket:
        socket.say({"type": "ticker", "codes": ["KRW-BTC"], name: True})

        assert socket.next()["stream_type"] == "REALTIME"


def test_a_snapshot_alone_is_no_subscription(simulator: Simulator) -> None:
    with simulator.public() as socket:
        socket.say({"type": "ticker", "codes": ["KRW-BTC"], "is_only_snapshot": True})
        snapshot = socket.next()
        socket.say({"method": "LIST_SUBSCRIPTIONS"})
        listed = socket.next()

    assert snapshot["stream_type"] == "SNAPSHOT"
    assert listed == {"method": "LIST_SUBSCRIPTIONS", "result": [], "ticket": "t"}


def test_what_somebody_else_trades_is_told_at_once(simulator: Simulator) -> None:
    price = simulator.price("KRW-HUNT")
    body = {"market": "KRW-HUNT", "price": f"{price:f}", "volume": "3.5"}
    with simulator.public() as socket:
        socket.say(
            {"type": "trade", "codes": ["KRW-HUNT"], "is_only_realtime": True},
            {"type": "ticker", "codes": ["KRW-HUNT"], "is_only_realtime": True},
        )
        _listed(socket)
        simulator.switch("trades", body)
        told = {
            row["type"]: row
            for row in (
                socket.until(lambda row: row["trade_volume"] == Decimal("3.5"))
                for _ in range(2)
            )
        }

    assert told["trade"]["trade_price"] == told["ticker"]["trade_price"] == price


def _listed(socket: Socket) -> Any:
    """Ask for the subscriptions: when they come, all that was said has been done."""
    socket.say({"method": "LIST_SUBSCRIPTIONS"})
    return socket.until(lambda row: "method" in row)["result"]


# --- the connection ----------------------------------------------------------------


def test_a_second_subscription_takes_the_place_of_the_first(
    simulator: Simulator,
) -> None:
    with simulator.public() as socket:
        socket.say({"type": "ticker", "codes": ["KRW-BTC"]})
        socket.say({"type": "orderbook", "codes": ["KRW-ETH.5", "KRW-BTC"]})
        listed = _listed(socket)

    assert listed == [
        {"type": "orderbook", "codes": ["KRW-ETH.5", "KRW-BTC"], "level": 0}
    ]


def test_listing_may_change_the_format_of_what_follows(simulator: Simulator) -> None:
    with simulator.public() as socket:
        socket.say({"type": "ticker", "codes": ["KRW-BTC"]})
        socket.say({"method": "LIST_SUBSCRIPTIONS"}, {"format": "SIMPLE"})
        listed = socket.until(lambda row: "mthd" in row)
        following = socket.next()

    assert listed["rslt"] == [{"ty": "ticker", "cds": ["KRW-BTC"]}]
    assert following["ty"] == "ticker"


def test_ping_is_answered_as_text_and_as_a_frame(simulator: Simulator) -> None:
    with simulator.public() as socket:
        socket.connection.send("PING")
        status = socket.next()
        answered = socket.connection.ping().wait(PATIENCE_SECONDS)

    assert status == {"status": "UP"}
    assert answered


@pytest.mark.parametrize("compression", ["deflate", None])
def test_compression_is_the_client_s_choice(
    simulator: Simulator, compression: str | None
) -> None:
    with simulator.public(compression=compression) as socket:
        socket.say({"type": "orderbook", "codes": ["KRW-BTC", "KRW-ETH"]})
        books = [socket.next() for _ in range(8)]

    assert all(len(book["orderbook_units"]) == 30 for book in books)
    offered = socket.connection.response
    assert offered is not None
    assert ("Sec-WebSocket-Extensions" in offered.headers) == (compression is not None)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("hello", "WRONG_FORMAT"),
        ('[{"type":"ticker","codes":["KRW-BTC"]}]', "NO_TICKET"),
        ('[{"ticket":"t"},{"codes":["KRW-BTC"]}]', "NO_TYPE"),
        ('[{"ticket":"t"},{"type":"ticker"}]', "NO_CODES"),
        ('[{"ticket":"t"},{"type":"nope","codes":["KRW-BTC"]}]', "INVALID_PARAM"),
        ('[{"ticket":"t"},{"type":"myOrder"}]', "INVALID_AUTH"),
    ],
)
def test_a_wrong_request_is_named_and_ends_the_connection(
    simulator: Simulator, text: str, name: str
) -> None:
    with simulator.public() as socket:
        socket.connection.send(text)
        problem = socket.next()["error"]

        assert (problem["name"], bool(problem["message"])) == (name, True)
        assert socket.closing() == 1000


def test_requests_may_come_in_binary_frames(simulator: Simulator) -> None:
    request = b'[{"ticket":"t"},{"type":"ticker","codes":["KRW-BTC"]}]'
    with simulator.public() as socket:
        socket.connection.send(request)

        assert socket.next()["type"] == "ticker"


def test_unknown_codes_are_passed_over_in_silence(simulator: Simulator) -> None:
    with simulator.public() as socket:
        socket.say({"type": "ticker", "codes": ["KRW-NOPE", "krw-btc", "KRW-ETH"]})

        assert socket.next()["code"] == "KRW-ETH"


def test_each_doubt_about_the_exchange_has_its_switch() -> None:
    chosen = ("unknown_code=error", "stream_error=stays", "second_subscription=adds")
    options = [f"--assume={one}" for one in chosen]
    with running(*options) as simulator, simulator.public() as socket:
        socket.say({"type": "ticker", "codes": ["KRW-NOPE"]})
        problem = socket.next()["error"]["name"]
        socket.say({"type": "ticker", "codes": ["KRW-BTC"]})
        socket.say({"type": "trade", "codes": ["KRW-ETH"]})
        listed = _listed(socket)

    assert problem == "INVALID_PARAM"
    assert [one["type"] for one in listed] == ["ticker", "trade"]


def test_who_comes_or_speaks_too_often_is_refused() -> None:
    with running("--rate-factor", "0.2") as simulator, simulator.public() as socket:
        for _ in range(3):
            socket.say({"method": "LIST_SUBSCRIPTIONS"})
        answers = [socket.next() for _ in range(3)]
        status = _refused_handshake(simulator)

    errors = {one["error"]["name"] for one in answers if "error" in one}
    assert errors == {"Too Many Requests"}
    assert status == 429


def _refused_handshake(simulator: Simulator) -> int:
    """Connect until the limit of a second is met, however slow the machine is."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        try:
            with simulator.public():
                pass
        except InvalidStatus as refused:
            return refused.response.status_code
    raise AssertionError("never over the limit")


def test_a_reader_who_sleeps_does_not_hold_up_the_others(simulator: Simulator) -> None:
    codes = [row["market"] for row in simulator.get("/v1/market/all")]
    asleep = {"max_queue": 1, "close_timeout": 1}
    with simulator.public(**asleep) as sleeper, simulator.public() as socket:
        sleeper.say(*({"type": k, "codes": codes} for k in ("orderbook", "trade")))
        socket.say({"type": "ticker", "codes": ["KRW-BTC"]})
        stamps = [socket.next()["timestamp"] for _ in range(8)]

    assert stamps == sorted(stamps)


def test_open_connections_do_not_delay_the_end() -> None:
    with running() as simulator:
        with simulator.public() as socket, simulator.private() as own:
            socket.say({"type": "ticker", "codes": ["KRW-BTC"]})
            own.say({"type": "myOrder"})
            _listed(own)
            simulator.process.send_signal(signal.SIGTERM)

            assert socket.closing() == own.closing() == 1001
        assert simulator.process.wait(timeout=10) == 0


# --- an account's own streams ------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "name"),
    [
        ({}, "no_authorization_token"),
        (ALICE.signed(secret="x" * 64), "jwt_verification"),
        (Key(access="nobody", secret="n" * 64).signed(), "invalid_access_key"),
    ],
)
def test_only_a_known_key_gets_in(
    simulator: Simulator, headers: dict[str, str], name: str
) -> None:
    url = f"ws://127.0.0.1:{simulator.port}/websocket/v1/private"

    with pytest.raises(InvalidStatus) as refused:
        connect(url, additional_headers=headers)

    answer = refused.value.response
    assert answer.status_code == 401
    assert json.loads(answer.body)["error"]["name"] == name


def test_a_token_opens_one_connection(simulator: Simulator) -> None:
    url = f"ws://127.0.0.1:{simulator.port}/websocket/v1/private"
    headers = ALICE.signed()

    with connect(url, additional_headers=headers), pytest.raises(InvalidStatus) as no:
        connect(url, additional_headers=headers)

    assert json.loads(no.value.response.body)["error"]["name"] == "nonce_used"


def test_the_life_of_a_market_buy_ends_as_the_rest_side_tells_it(
    simulator: Simulator,
) -> None:
    with simulator.private() as socket:
        socket.say({"type": "myOrder"})
        _listed(socket)
        uuid = simulator.order(
            market="KRW-BTC", side="bid", ord_type="price", price="50000"
        )["uuid"]
        rows = [socket.next()]
        while rows[-1]["state"] not in ("done", "cancel"):
            rows.append(socket.next())

    rest = simulator.get("/v1/order", ALICE, uuid=uuid)
    trades = [row for row in rows if row["state"] == "trade"]
    assert {row["uuid"] for row in rows} == {uuid}
    assert [row["state"] for row in rows] == [
        "wait",
        *["trade"] * len(trades),
        rest["state"],
    ]
    assert set(rows[0]) == set(SHORT_NAMES["myOrder"])
    assert [row["trade_uuid"] for row in trades] == [
        trade["uuid"] for trade in reversed(rest["trades"])
    ] or {row["trade_uuid"] for row in trades} == {
        trade["uuid"] for trade in rest["trades"]
    }
    assert sum(row["volume"] for row in trades) == Decimal(rest["executed_volume"])
    assert sum(row["trade_fee"] for row in trades) == Decimal(rest["paid_fee"])
    last = rows[-1]
    for name in ("executed_volume", "paid_fee", "reserved_fee", "remaining_fee"):
        assert last[name] == Decimal(rest[name]), name
    assert last["locked"] == Decimal(rest["locked"])
    assert last["trades_count"] == rest["trades_count"]


def test_a_cancellation_is_told_when_it_takes_effect(simulator: Simulator) -> None:
    price = int(simulator.price("KRW-ETH") / 2) // 1000 * 1000
    with simulator.private() as socket:
        socket.say({"type": "myOrder", "codes": ["KRW-ETH"]}, {"format": "SIMPLE"})
        _listed_short(socket)
        uuid = simulator.order(
            market="KRW-ETH",
            side="bid",
            ord_type="limit",
            price=str(price),
            volume="0.01",
            identifier=f"stream-{uuid4()}"[:36],
        )["uuid"]
        placed = socket.next()
        simulator.cancel(uuid)
        ended = socket.next()

    assert (placed["s"], ended["s"]) == ("wait", "cancel")
    assert (placed["uid"], ended["uid"]) == (uuid, uuid)
    assert placed["p"] == price
    assert placed["id"].startswith("stream-")


def _listed_short(socket: Socket) -> None:
    socket.say({"method": "LIST_SUBSCRIPTIONS"})
    socket.until(lambda row: "mthd" in row)


def test_other_markets_and_other_accounts_are_not_told(simulator: Simulator) -> None:
    buy = {"side": "bid", "ord_type": "price", "price": "6000"}
    with simulator.private() as socket, simulator.private(BOB) as other:
        socket.say({"type": "myOrder", "codes": ["KRW-XRP"]})
        other.say({"type": "myOrder"})
        _listed(socket)
        _listed(other)
        simulator.order(BOB, market="KRW-XRP", **buy)
        simulator.order(market="KRW-BTC", **buy)
        mine = simulator.order(market="KRW-XRP", **buy)["uuid"]

        assert socket.next()["uuid"] == mine


def test_wallets_are_told_until_they_equal_the_accounts(simulator: Simulator) -> None:
    with simulator.private(CAROL) as socket:
        socket.say({"type": "myAsset"})
        _listed(socket)
        simulator.order(
            CAROL, market="KRW-DOGE", side="bid", ord_type="price", price="30000"
        )
        first = socket.next()
        known = {row["currency"]: row for row in first["assets"]}
        bought = Decimal(0)
        while not bought or known["KRW"]["locked"] > 0:
            message = socket.next()
            known |= {row["currency"]: row for row in message["assets"]}
            bought = known.get("DOGE", {}).get("balance", Decimal(0))

    accounts = {row["currency"]: row for row in simulator.get("/v1/accounts", CAROL)}
    assert set(first) == {
        *("type", "asset_uuid", "assets", "asset_timestamp", "timestamp"),
        "stream_type",
    }
    assert first["asset_uuid"] == message["asset_uuid"]
    assert first["assets"][0]["locked"] == Decimal(30015)
    for currency in ("KRW", "DOGE"):
        for name in ("balance", "locked"):
            assert known[currency][name] == Decimal(accounts[currency][name])


def test_money_from_outside_is_told(simulator: Simulator) -> None:
    moved = {"account": BOB.access, "currency": "SOL", "amount": "1.00000001"}
    with simulator.private(BOB) as socket:
        socket.say({"type": "myAsset"})
        _listed(socket)
        simulator.switch("funds", moved)
        message = socket.until(lambda row: row["assets"][0]["currency"] == "SOL")

    assert message["assets"][0]["balance"] == Decimal("1.00000001")


def test_private_types_have_their_own_rules(simulator: Simulator) -> None:
    with simulator.private() as socket:
        socket.say({"type": "myAsset"}, {"type": "myOrder", "codes": ["KRW-BTC"]})
        listed = _listed(socket)
        socket.say({"type": "myAsset", "codes": ["KRW-BTC"]})
        problem = socket.next()["error"]["name"]
    with simulator.private() as socket:
        socket.say({"type": "ticker", "codes": ["KRW-BTC"]})
        public = socket.next()["error"]["name"]

    assert listed == [{"type": "myAsset"}, {"type": "myOrder", "codes": ["KRW-BTC"]}]
    assert (problem, public) == ("WRONG_FORMAT", "INVALID_PARAM")


def test_a_key_sees_only_what_it_was_made_for(simulator: Simulator) -> None:
    key = Key(access=f"narrow-{uuid4()}", secret="n" * 64)
    simulator.switch(
        "accounts",
        {
            "access_key": key.access,
            "secret_key": key.secret,
            "krw": "0",
            "scopes": ["view_account"],
        },
    )
    with simulator.private(key) as socket:
        socket.say({"type": "myAsset"})
        allowed = _listed(socket)
        socket.say({"type": "myOrder"})
        refused = socket.next()["error"]["name"]

    assert allowed == [{"type": "myAsset"}]
    assert refused == "INVALID_AUTH"


# --- faults ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "states"),
    [
        ("duplicate", ["wait", "wait", "cancel"]),
        ("lost", ["cancel"]),
        ("out_of_order", ["cancel", "wait"]),
    ],
)
def test_messages_can_go_wrong_on_demand(
    simulator: Simulator, kind: str, states: list[str]
) -> None:
    key = Key(access=f"fault-{kind}", secret="f" * 64)
    account = {"access_key": key.access, "secret_key": key.secret, "krw": "100000"}
    simulator.switch("accounts", account)
    fault = {"endpoint": "ws myOrder", "kind": kind, "nth": [1], "who": key.access}
    simulator.switch("faults", fault)
    price = int(simulator.price("KRW-ETH") / 2) // 1000 * 1000
    with simulator.private(key) as socket:
        socket.say({"type": "myOrder"})
        _listed(socket)
        uuid = simulator.order(
            key,
            market="KRW-ETH",
            side="bid",
            ord_type="limit",
            price=str(price),
            volume="0.01",
        )["uuid"]
        simulator.cancel(uuid, key)
        told = [socket.next()["state"] for _ in states]

    assert told == states


def test_a_connection_can_break_on_demand(simulator: Simulator) -> None:
    key = Key(access="fault-close", secret="f" * 64)
    account = {"access_key": key.access, "secret_key": key.secret, "krw": "100000"}
    simulator.switch("accounts", account)
    fault = {"endpoint": "ws myOrder", "kind": "close", "nth": [1], "who": key.access}
    simulator.switch("faults", fault)
    with simulator.private(key) as socket:
        socket.say({"type": "myOrder"})
        _listed(socket)
        simulator.order(
            key, market="KRW-BTC", side="bid", ord_type="price", price="6000"
        )

        assert socket.closing() == 1006
