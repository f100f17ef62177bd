"""The simulator's protocol over a real connection: keys, refusals, limits, restarts."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
import requests
from upbit import BadRequestError, NotFoundError, Upbit

from deploy.ports import free_ports
from tests.system.simulator_process import (
    ACCESS,
    SECRET,
    Simulator,
    ended,
    eventually,
    problem,
    running,
    signed,
    start,
)
from tests.unit.simulator_world import write_recording

REFUSED = {"market": "KRW-BTC", "side": "bid", "ord_type": "price", "price": "1"}


@pytest.fixture(scope="module")
def simulator() -> Iterator[Simulator]:
    options = ("--seed", "3", "--rate-factor", "50", "--speed", "60", "--faults")
    with running(*options) as one:
        yield one


@pytest.fixture
def upbit(simulator: Simulator) -> Iterator[Upbit]:
    with simulator.client() as client:
        yield client


# --- keys ---------------------------------------------------------------------------


def test_accounts_chance_and_keys_have_the_documented_shape(upbit: Upbit) -> None:
    chance = upbit.orders.retrieve_chance(market="KRW-XRP")
    (key,) = upbit.api_keys.list()
    accounts = {one.currency: one for one in upbit.accounts.list()}

    assert (chance.bid_fee, chance.market.id) == ("0.0005", "KRW-XRP")
    assert chance.market.bid.min_total == "5000"
    assert chance.market.max_total == "1000000000"
    assert "limit_ioc" in chance.market.bid_types
    assert chance.bid_account.currency == "KRW"
    assert key.access_key == ACCESS
    assert datetime.fromisoformat(key.expire_at) > datetime.now(UTC) + timedelta(
        days=300
    )
    assert accounts["KRW"].unit_currency == "KRW"
    assert isinstance(accounts["KRW"].avg_buy_price_modified, bool)


def test_calls_that_are_not_well_signed_are_refused(simulator: Simulator) -> None:
    url = f"{simulator.url}/v1/orders/chance?market=KRW-BTC"
    text = "market=KRW-BTC"
    replayed = signed(text, algorithm="HS512")

    def get(headers: dict[str, str]) -> requests.Response:
        return requests.get(url, headers=headers, timeout=20)

    assert problem(get({})) == (401, "no_authorization_token")
    assert problem(get(signed(text, secret="x" * 64))) == (401, "jwt_verification")
    assert problem(get(signed(text, access_key="nobody"))) == (
        401,
        "invalid_access_key",
    )
    assert problem(get(signed("market=KRW-ETH"))) == (401, "invalid_query_payload")
    assert problem(get(signed())) == (401, "invalid_query_payload")
    assert get(replayed).status_code == 200
    assert problem(get(replayed)) == (401, "nonce_used")


def test_a_key_may_do_what_it_was_made_for_from_where_it_may(
    simulator: Simulator,
) -> None:
    for name, more in (
        ("manager", {"scopes": ["manage_pockets", "view_withdrawals"]}),
        ("abroad", {"allowed_ips": ["10.0.0.1"]}),
        ("old", {"expire_at": "2026-01-01T00:00:00+09:00"}),
    ):
        simulator.operate(
            "accounts",
            access_key=name,
            secret_key=SECRET,
            krw="0",
            pocket="own",
            **more,
        )

    def get(path: str, name: str, text: str = "") -> requests.Response:
        headers = signed(text, access_key=name)
        return requests.get(
            f"{simulator.url}{path}?{text}", headers=headers, timeout=20
        )

    (group,) = get("/v1/pockets/api_keys", "manager").json()

    assert problem(get("/v1/accounts", "manager")) == (401, "out_of_scope")
    assert problem(get("/v1/accounts", "abroad")) == (401, "no_authorization_ip")
    assert problem(get("/v1/accounts", "old")) == (401, "expired_access_key")
    assert get("/v1/withdraws/chance", "manager", "currency=BTC").status_code == 200
    withdrawal = get("/v1/withdraws/chance", ACCESS, "currency=BTC")
    assert problem(withdrawal) == (401, "out_of_scope")
    assert {key["access_key"]: key["allowed_ips"] for key in group["keys"]} == {
        "manager": [],
        "abroad": ["10.0.0.1"],
    }


def test_unknown_orders_are_not_found(upbit: Upbit) -> None:
    with pytest.raises(NotFoundError) as by_uuid:
        upbit.orders.retrieve(uuid=str(uuid4()))
    with pytest.raises(NotFoundError) as by_identifier:
        upbit.orders.retrieve(identifier="never-sent")

    assert by_uuid.value.name == by_identifier.value.name == "order_not_found"


# --- limits -------------------------------------------------------------------------


def test_too_many_calls_answer_429_and_then_418() -> None:
    with running("--seed", "3", "--rate-factor", "0.05") as simulator:
        first = simulator.public("/v1/ticker", markets="KRW-BTC")
        quotation = _until(
            429, lambda: simulator.public("/v1/ticker", markets="KRW-BTC")
        )
        exchange = _until(429, lambda: simulator.post(REFUSED))
        blocked = _until(418, lambda: simulator.post(REFUSED))

    assert first.headers["Remaining-Req"] == "group=ticker; min=60; sec=0"
    assert quotation.headers["Remaining-Req"] == "group=ticker; min=60; sec=0"
    assert problem(quotation) == (429, 429)
    assert problem(exchange) == (429, "too_many_requests")
    assert problem(blocked) == (418, "blocked")
    assert exchange.headers["Remaining-Req"] == "group=order; min=60; sec=0"


def _until(status: int, call: Callable[[], requests.Response]) -> requests.Response:
    """Call until an answer has a status, however slow the machine is."""
    answers: list[requests.Response] = []

    def answered() -> bool:
        answers.append(call())
        return answers[-1].status_code == status

    eventually(answered)
    return answers[-1]


# --- restart, replay, start-up ------------------------------------------------------


def test_accounts_orders_and_the_path_survive_a_kill(tmp_path: Path) -> None:
    options = ("--seed", "5", "--state", str(tmp_path / "state"))
    simulator = start(*options)
    price = int(simulator.price("KRW-BTC") / 2) // 1000 * 1000
    before = simulator.public("/healthz").json()
    with simulator.client() as upbit:
        bought = upbit.orders.create(
            market="KRW-BTC", side="bid", ord_type="price", price="50000"
        )
        ended(upbit, bought.uuid)
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

    simulator = start(*options)
    try:
        after = simulator.public("/healthz").json()
        with simulator.client() as upbit:
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
    simulator = start(
        *("--replay", str(file), "--replay-from", "2022-10-05", "--speed", "30")
    )
    try:
        health = simulator.public("/healthz").json()
        listed = simulator.public("/v1/market/all").json()
        page = simulator.public(
            "/v1/candles/minutes/5", market="KRW-BTC", count=200
        ).json()
    finally:
        simulator.stop()

    began = datetime.fromisoformat(health["path_start"])
    assert (
        timedelta(0) <= began - datetime(2022, 10, 5, tzinfo=UTC) < timedelta(hours=1)
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
    simulator = start()

    assert simulator.stop(signal.SIGTERM) == 0
