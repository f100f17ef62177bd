"""The simulator as its clients meet it: a real process, unmodified client libraries."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode
from uuid import uuid4

import httpx
import jwt
import pytest
import pyupbit
import requests
from upbit import BadRequestError, NotFoundError, Upbit
from upbit.types.order import Order

from deploy.ports import free_ports
from tests.unit.simulator_world import write_recording

ACCESS, SECRET = "protocol-access", "p" * 64
PATIENCE_SECONDS = 30.0


@dataclass
class Simulator:
    """A running process and where it listens."""

    process: subprocess.Popen[str]
    url: str

    def get(self, path: str, **query: Any) -> requests.Response:
        return requests.get(f"{self.url}{path}", params=query, timeout=20)

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=20)


def _start(*options: str, port: int | None = None) -> Simulator:
    port = port or free_ports(1)[0]
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "deploy.simulator", "--port", str(port)),
            *("--account", f"{ACCESS}:{SECRET}:10000000", *options),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    simulator = Simulator(process, f"http://127.0.0.1:{port}")
    _eventually(lambda: _healthy(simulator))
    return simulator


def _healthy(simulator: Simulator) -> bool:
    assert simulator.process.poll() is None, "the simulator ended"
    try:
        return simulator.get("/healthz").status_code == 200
    except requests.ConnectionError:
        return False


def _eventually(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    running = _start("--seed", "3", "--rate-factor", "50", "--speed", "60")
    try:
        yield running
    finally:
        running.stop()


def _client(simulator: Simulator) -> Upbit:
    return Upbit(
        access_key=ACCESS,
        secret_key=SECRET,
        base_url=simulator.url,
        max_retries=0,
        timeout=httpx.Timeout(20, connect=5),
    )


@pytest.fixture
def upbit(simulator: Simulator) -> Iterator[Upbit]:
    with _client(simulator) as client:
        yield client


def _signed(
    text: str = "",
    *,
    secret: str = SECRET,
    nonce: str | None = None,
    access_key: str = ACCESS,
) -> dict[str, str]:
    claims = {"access_key": access_key, "nonce": nonce or str(uuid4())}
    if text:
        claims["query_hash"] = hashlib.sha512(text.encode()).hexdigest()
        claims["query_hash_alg"] = "SHA512"
    return {"Authorization": f"Bearer {jwt.encode(claims, secret, 'HS256')}"}


def _error(response: requests.Response) -> tuple[int, object]:
    return response.status_code, response.json()["error"]["name"]


def _post(simulator: Simulator, body: dict[str, str]) -> requests.Response:
    text = "&".join(f"{name}={value}" for name, value in body.items())
    return requests.post(
        f"{simulator.url}/v1/orders", json=body, headers=_signed(text), timeout=20
    )


def _ended(upbit: Upbit, uuid: str) -> Order:
    _eventually(lambda: upbit.orders.retrieve(uuid=uuid).state != "wait")
    return upbit.orders.retrieve(uuid=uuid)


def _price(simulator: Simulator, market: str) -> Decimal:
    answer = simulator.get("/v1/ticker", markets=market)
    rows = json.loads(answer.text, parse_float=Decimal, parse_int=Decimal)
    return Decimal(rows[0]["trade_price"])


# --- orders through the official client -------------------------------------------


def test_a_market_buy_and_sell_through_the_official_client(upbit: Upbit) -> None:
    identifier = f"buy-{uuid4()}"[:36]

    accepted = upbit.orders.create(
        market="KRW-BTC",
        side="bid",
        ord_type="price",
        price="50000",
        identifier=identifier,
        smp_type="cancel_taker",
    )
    bought = _ended(upbit, str(accepted.uuid))
    sold = _ended(
        upbit,
        str(
            upbit.orders.create(
                market="KRW-BTC",
                side="ask",
                ord_type="market",
                volume=str(bought.executed_volume),
            ).uuid
        ),
    )

    assert (accepted.state, accepted.executed_volume) == ("wait", "0")
    assert (accepted.locked, accepted.reserved_fee) == ("50025", "25")
    assert (bought.state, bought.identifier) == ("cancel", identifier)
    assert bought.trades is not None
    assert bought.trades_count == len(bought.trades) == 1
    funds = Decimal(str(bought.trades[0].funds))
    assert funds <= 50_000
    assert Decimal(str(bought.paid_fee)) == funds * Decimal("0.0005")
    rest = 50_000 - funds
    assert Decimal(str(bought.locked)) == rest + rest * Decimal("0.0005")
    assert (sold.state, sold.remaining_volume, sold.price) == ("done", "0", None)


def test_a_resting_order_is_found_listed_and_cancelled(
    simulator: Simulator, upbit: Upbit
) -> None:
    price = int(_price(simulator, "KRW-ETH") / 2) // 1000 * 1000
    identifier = f"rest-{uuid4()}"[:36]
    order = upbit.orders.create(
        market="KRW-ETH",
        side="bid",
        ord_type="limit",
        price=str(price),
        volume="0.01",
        identifier=identifier,
    )

    open_ids = [one.uuid for one in upbit.orders.list_open(market="KRW-ETH")]
    found = upbit.orders.list_by_uuids(identifiers=[identifier, "unknown"])
    snapshot = upbit.orders.cancel(identifier=identifier)
    ended = _ended(upbit, str(order.uuid))
    closed = upbit.orders.list_closed(market="KRW-ETH", states=["cancel"])

    assert order.uuid in open_ids
    assert [one.uuid for one in found] == [order.uuid]
    assert snapshot.state == "wait"
    assert (ended.state, ended.executed_volume) == ("cancel", "0")
    assert order.uuid in [one.uuid for one in closed]
    with pytest.raises(NotFoundError) as failure:
        upbit.orders.cancel(uuid=str(order.uuid))
    assert failure.value.name == "order_not_found"


def test_a_marketable_limit_order_gets_the_better_price(
    simulator: Simulator, upbit: Upbit
) -> None:
    limit = int(_price(simulator, "KRW-BTC") * 2) // 1000 * 1000

    order = upbit.orders.create(
        market="KRW-BTC",
        side="bid",
        ord_type="limit",
        price=str(limit),
        volume="0.0001",
    )
    ended = _ended(upbit, str(order.uuid))

    assert ended.state == "done"
    assert ended.trades is not None
    assert Decimal(str(ended.trades[0].price)) < Decimal(limit) * Decimal("0.7")


def test_money_is_conserved_over_the_wire(upbit: Upbit) -> None:
    bought = upbit.orders.create(
        market="KRW-XRP", side="bid", ord_type="price", price="77777.7"
    )
    _ended(upbit, str(bought.uuid))

    orders = [
        upbit.orders.retrieve(uuid=str(one.uuid))
        for one in upbit.orders.list_closed(limit=1000)
    ]
    spent, fees = Decimal(0), Decimal(0)
    for one in orders:
        fees += Decimal(str(one.paid_fee))
        for trade in one.trades or ():
            spent += Decimal(str(trade.funds)) * (1 if one.side == "bid" else -1)
    krw = next(one for one in upbit.accounts.list() if one.currency == "KRW")

    owned = Decimal(krw.balance) + Decimal(krw.locked)
    assert owned + spent + fees == Decimal(10_000_000)


def test_accounts_chance_and_keys_have_the_documented_shape(upbit: Upbit) -> None:
    chance = upbit.orders.retrieve_chance(market="KRW-XRP")
    (key,) = upbit.api_keys.list()
    accounts = {one.currency: one for one in upbit.accounts.list()}

    assert (chance.bid_fee, chance.market.id) == ("0.0005", "KRW-XRP")
    assert chance.market.bid.min_total == "5000"
    assert chance.market.max_total == "1000000000"
    assert chance.bid_account.currency == "KRW"
    assert key.access_key == ACCESS
    assert datetime.fromisoformat(key.expire_at) > datetime.now(UTC) + timedelta(
        days=300
    )
    assert accounts["KRW"].unit_currency == "KRW"
    assert isinstance(accounts["KRW"].avg_buy_price_modified, bool)


def test_an_order_answers_strings_and_leaves_out_what_does_not_apply(
    simulator: Simulator,
) -> None:
    answer = _post(
        simulator,
        {"market": "KRW-BTC", "side": "bid", "ord_type": "price", "price": "6000"},
    )

    order = answer.json()
    assert answer.status_code == 201
    assert order["trades_count"] == 0
    assert order["created_at"].endswith("+09:00")
    for absent in ("volume", "remaining_volume", "identifier", "trades"):
        assert absent not in order
    for text in ("price", "locked", "reserved_fee", "paid_fee", "executed_volume"):
        assert isinstance(order[text], str)


# --- refusals ----------------------------------------------------------------------

LIMIT = {"market": "KRW-BTC", "side": "bid", "ord_type": "limit"}


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({**LIMIT, "price": "90000500", "volume": "0.001"}, "invalid_price_bid"),
        ({**LIMIT, "price": "90000000", "volume": "0.00001"}, "under_min_total_bid"),
        ({**LIMIT, "price": "90000000", "volume": "11"}, "insufficient_funds_bid"),
        ({**LIMIT, "price": "90000000", "volume": "12"}, "over_krw_funds_bid"),
        ({**LIMIT, "price": "90000000", "volume": "1e-3"}, "invalid_parameter"),
        (
            {**LIMIT, "market": "KRW-NOPE", "price": "1000", "volume": "9"},
            "notfoundmarket",
        ),
        ({**LIMIT, "price": "90000000"}, "create_bid_error"),
        ({**LIMIT, "ord_type": "best", "price": "90000"}, "invalid_parameter"),
        ({**LIMIT, "side": "buy", "price": "9", "volume": "9"}, "invalid_parameter"),
    ],
)
def test_an_order_that_breaks_a_rule_is_refused_by_name(
    simulator: Simulator, body: dict[str, str], name: str
) -> None:
    assert _error(_post(simulator, body)) == (400, name)


def test_a_repeated_identifier_is_refused(upbit: Upbit) -> None:
    identifier = f"once-{uuid4()}"[:36]
    order = {"market": "KRW-BTC", "side": "bid", "ord_type": "price", "price": "6000"}
    first = upbit.orders.create(**order, identifier=identifier)  # type: ignore[arg-type]
    _ended(upbit, str(first.uuid))

    with pytest.raises(BadRequestError) as failure:
        upbit.orders.create(**order, identifier=identifier)  # type: ignore[arg-type]

    assert failure.value.name == "duplicated_identifier"
    assert upbit.orders.retrieve(identifier=identifier).uuid == first.uuid


def test_calls_that_are_not_well_signed_are_refused(simulator: Simulator) -> None:
    url = f"{simulator.url}/v1/orders/chance?market=KRW-BTC"
    replayed = _signed("market=KRW-BTC")

    def get(headers: dict[str, str]) -> requests.Response:
        return requests.get(url, headers=headers, timeout=20)

    assert _error(get({})) == (401, "no_authorization_token")
    assert _error(get(_signed("market=KRW-BTC", secret="x" * 64))) == (
        401,
        "jwt_verification",
    )
    assert _error(get(_signed("market=KRW-BTC", access_key="nobody"))) == (
        401,
        "invalid_access_key",
    )
    assert _error(get(_signed("market=KRW-ETH"))) == (401, "invalid_query_payload")
    assert _error(get(_signed())) == (401, "invalid_query_payload")
    assert get(replayed).status_code == 200
    assert _error(get(replayed)) == (401, "nonce_used")


def test_keys_may_not_withdraw(simulator: Simulator) -> None:
    query = urlencode({"currency": "KRW"})

    answer = requests.get(
        f"{simulator.url}/v1/withdraws/chance?{query}",
        headers=_signed("currency=KRW"),
        timeout=20,
    )

    assert _error(answer) == (401, "out_of_scope")


def test_unknown_orders_are_not_found(upbit: Upbit) -> None:
    with pytest.raises(NotFoundError) as by_uuid:
        upbit.orders.retrieve(uuid=str(uuid4()))
    with pytest.raises(NotFoundError) as by_identifier:
        upbit.orders.retrieve(identifier="never-sent")

    assert by_uuid.value.name == by_identifier.value.name == "order_not_found"


@pytest.mark.parametrize(
    ("path", "query", "status"),
    [
        ("/v1/ticker", {}, 400),
        ("/v1/ticker", {"markets": "KRW-BTC,KRW-NOPE"}, 404),
        ("/v1/ticker/all", {"quote_currencies": "EUR"}, 400),
        ("/v1/candles/minutes/7", {"market": "KRW-BTC"}, 400),
        ("/v1/candles/minutes/5", {}, 400),
        ("/v1/candles/minutes/5", {"market": "KRW-NOPE"}, 404),
        ("/v1/candles/minutes/5", {"market": "KRW-BTC", "count": "many"}, 400),
        ("/v1/candles/days", {"market": "KRW-BTC", "to": "yesterday"}, 400),
        ("/v1/orderbook", {}, 400),
        ("/v1/nothing", {}, 404),
    ],
)
def test_bad_quotation_calls_answer_the_status_as_name(
    simulator: Simulator, path: str, query: dict[str, str], status: int
) -> None:
    assert _error(simulator.get(path, **query)) == (status, status)


# --- market data -------------------------------------------------------------------


def test_markets_carry_names_and_flags(simulator: Simulator) -> None:
    plain = simulator.get("/v1/market/all").json()
    detailed = simulator.get("/v1/market/all", is_details="true").json()
    old_spelling = simulator.get("/v1/market/all", isDetails="true").json()

    assert len(plain) >= 120
    assert set(plain[0]) == {"market", "korean_name", "english_name"}
    assert detailed == old_spelling
    assert any(one["market_event"]["warning"] for one in detailed)
    assert any(any(one["market_event"]["caution"].values()) for one in detailed)


def test_tickers_come_one_by_one_and_all_at_once(simulator: Simulator) -> None:
    comma = simulator.get("/v1/ticker", markets="KRW-BTC,KRW-ETH").json()
    repeated = simulator.get("/v1/ticker", markets=["KRW-BTC", "KRW-ETH"]).json()
    every = simulator.get("/v1/ticker/all", quote_currencies="KRW").json()

    assert [one["market"] for one in comma] == ["KRW-BTC", "KRW-ETH"]
    assert [one["market"] for one in repeated] == ["KRW-BTC", "KRW-ETH"]
    assert len(every) >= 120
    for one in every:
        assert one["low_price"] <= one["trade_price"] <= one["high_price"]
        assert one["acc_trade_price_24h"] >= one["acc_trade_price"] * 0.999 >= 0


def test_books_and_instruments_agree_on_the_tick(simulator: Simulator) -> None:
    names = "KRW-BTC,KRW-USDT,KRW-BTT"

    books = simulator.get("/v1/orderbook", markets=names, count=5).json()
    rows = simulator.get("/v1/orderbook/instruments", markets=names).json()

    assert [len(book["orderbook_units"]) for book in books] == [5, 5, 5]
    assert [row["tick_size"] for row in rows][1] == "0.5"
    assert all(isinstance(row["tick_size"], str) for row in rows)


def test_candles_are_newest_first_and_to_is_exclusive(simulator: Simulator) -> None:
    path = "/v1/candles/minutes/5"
    page = simulator.get(path, market="KRW-BTC", count=500).json()
    oldest = page[-1]["candle_date_time_utc"]

    older = simulator.get(path, market="KRW-BTC", count=3, to=oldest).json()
    in_kst = simulator.get(
        path, market="KRW-BTC", count=3, to=f"{page[-1]['candle_date_time_kst']}+09:00"
    ).json()
    raw_plus = requests.get(
        f"{simulator.url}{path}?market=KRW-BTC&count=3"
        f"&to={quote(page[-1]['candle_date_time_kst'])}+09:00",
        timeout=20,
    ).json()

    times = [row["candle_date_time_utc"] for row in page]
    assert len(page) == 200
    assert times == sorted(times, reverse=True)
    assert older[0]["candle_date_time_utc"] < oldest
    assert older == in_kst == raw_plus
    assert {type(row["unit"]) for row in page} == {int}
    assert all(isinstance(row["trade_price"], (int, float)) for row in page)


def test_days_carry_their_change(simulator: Simulator) -> None:
    newest, before = simulator.get("/v1/candles/days", market="KRW-XRP", count=2).json()

    assert newest["prev_closing_price"] == before["trade_price"]
    change = newest["trade_price"] - newest["prev_closing_price"]
    assert newest["change_price"] == pytest.approx(change)
    assert "converted_trade_price" not in newest


def test_ninety_days_of_hours_can_be_paged(simulator: Simulator) -> None:
    rows: list[dict[str, Any]] = []
    to = ""
    while len(rows) < 2160:
        query = {"market": "KRW-SOL", "count": 200, **({"to": to} if to else {})}
        page = simulator.get("/v1/candles/minutes/60", **query).json()
        assert page
        rows += page
        to = page[-1]["candle_date_time_utc"]

    times = [row["candle_date_time_utc"] for row in rows]
    assert len(set(times)) == len(times)
    assert times == sorted(times, reverse=True)


def test_pyupbit_reads_candles_behind_a_changed_address(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Redirected:
        @staticmethod
        def get(url: str, **options: Any) -> requests.Response:
            here = url.replace("https://api.upbit.com", simulator.url)
            return requests.get(here, timeout=20, **options)

    monkeypatch.setattr("pyupbit.request_api.requests", Redirected)

    frame = pyupbit.get_ohlcv("KRW-BTC", interval="minute60", count=450)
    price = pyupbit.get_current_price("KRW-BTC")

    assert len(frame) == 450
    assert frame.index.is_monotonic_increasing
    assert (frame["high"] >= frame["low"]).all()
    assert price > 0


# --- limits, restart, replay, start-up ----------------------------------------------


def test_too_many_calls_in_a_second_answer_429() -> None:
    simulator = _start("--seed", "3", "--rate-factor", "0.2")
    try:
        first = simulator.get("/v1/ticker", markets="KRW-BTC")
        quotation = _refused(lambda: simulator.get("/v1/ticker", markets="KRW-BTC"))
        exchange = _refused(lambda: _post(simulator, {**LIMIT, "price": "1"}))
    finally:
        simulator.stop()

    assert first.headers["Remaining-Req"] == "group=ticker; min=120; sec=1"
    assert quotation.headers["Remaining-Req"] == "group=ticker; min=120; sec=0"
    assert _error(quotation) == (429, 429)
    assert _error(exchange) == (429, "too_many_requests")


def _refused(call: Callable[[], requests.Response]) -> requests.Response:
    """Call until the limit of a second is met, however slow the machine is."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (answer := call()).status_code != 429:
        assert time.monotonic() < deadline, "never over the limit"
    return answer


def test_accounts_orders_and_the_path_survive_a_kill(tmp_path: Path) -> None:
    options = ("--seed", "5", "--state", str(tmp_path / "state"))
    simulator = _start(*options)
    price = int(_price(simulator, "KRW-BTC") / 2) // 1000 * 1000
    before = simulator.get("/healthz").json()
    with _client(simulator) as upbit:
        bought = upbit.orders.create(
            market="KRW-BTC", side="bid", ord_type="price", price="50000"
        )
        _ended(upbit, str(bought.uuid))
        resting = upbit.orders.create(
            market="KRW-BTC",
            side="bid",
            ord_type="limit",
            price=str(price),
            volume="0.001",
            identifier="survivor",
        )
        wallets = upbit.accounts.list()
    simulator.stop(signal.SIGKILL)

    simulator = _start(*options)
    try:
        after = simulator.get("/healthz").json()
        with _client(simulator) as upbit:
            found = upbit.orders.retrieve(identifier="survivor")
            still = upbit.accounts.list()
            with pytest.raises(BadRequestError) as failure:
                upbit.orders.create(
                    market="KRW-BTC",
                    side="bid",
                    ord_type="price",
                    price="50000",
                    identifier="survivor",
                )
    finally:
        simulator.stop()

    assert (found.uuid, found.state) == (resting.uuid, "wait")
    assert still == wallets
    assert failure.value.name == "duplicated_identifier"
    assert (after["started_at"], after["path_start"]) == (
        before["started_at"],
        before["path_start"],
    )


def test_a_recording_is_replayed_with_its_own_history(tmp_path: Path) -> None:
    file = tmp_path / "candles.parquet"
    write_recording(file)
    simulator = _start(
        *("--replay", str(file), "--replay-from", "2022-10-05", "--speed", "30")
    )
    try:
        health = simulator.get("/healthz").json()
        listed = simulator.get("/v1/market/all").json()
        page = simulator.get(
            "/v1/candles/minutes/5", market="KRW-BTC", count=200
        ).json()
    finally:
        simulator.stop()

    start = datetime.fromisoformat(health["path_start"])
    assert (
        timedelta(0) <= start - datetime(2022, 10, 5, tzinfo=UTC) < timedelta(hours=1)
    )
    assert {one["market"] for one in listed} == {"KRW-BTC", "KRW-ETH"}
    assert len(page) == 200
    newest = datetime.fromisoformat(page[0]["candle_date_time_utc"]).replace(tzinfo=UTC)
    assert abs(datetime.now(UTC) - newest) < timedelta(minutes=10)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--replay", "{file}", "--replay-from", "2022-10-05"), "close, volume"),
        (
            ("--replay", "absent.parquet", "--replay-from", "2022-10-05"),
            "does not exist",
        ),
        (("--replay", "{file}"), "--replay-from"),
        (("--account", "only-a-name"), "ACCESS:SECRET:KRW"),
        (("--speed", "fast"), "not a number"),
        (("--port", "0"), "1 to 65535"),
    ],
)
def test_a_start_that_cannot_work_ends_with_the_remedy(
    tmp_path: Path, options: tuple[str, ...], words: str
) -> None:
    file = tmp_path / "candles.parquet"
    write_recording(file, drop=("close", "volume"))
    chosen = [option.replace("{file}", str(file)) for option in options]

    ended = subprocess.run(
        [
            *(sys.executable, "-m", "deploy.simulator"),
            *("--port", str(free_ports(1)[0]), *chosen),
        ],
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert ended.returncode == 2
    assert words in ended.stderr.splitlines()[-1]
    assert "Traceback" not in ended.stderr


def test_a_taken_port_is_named(simulator: Simulator) -> None:
    port = simulator.url.rsplit(":", 1)[1]

    ended = subprocess.run(
        [sys.executable, "-m", "deploy.simulator", "--port", port],
        capture_output=True,
        text=True,
        timeout=60,
    )

    assert ended.returncode == 2
    assert f"127.0.0.1:{port}" in ended.stderr
    assert "--port" in ended.stderr


def test_it_ends_cleanly_on_a_signal() -> None:
    simulator = _start()

    assert simulator.stop(signal.SIGTERM) == 0
