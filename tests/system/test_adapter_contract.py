"""The Upbit adapter against the simulator's real process: every call, every promise."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from deploy.ports import free_ports
from deploy.readiness import http_answers
from user_project.exchanges.adapter import (
    Ambiguous,
    ExchangeAdapter,
    KeyRefused,
    NotFound,
    Refused,
)
from user_project.exchanges.registry import build_adapter
from user_project.trading.orders import (
    OrderKind,
    OrderRequest,
    OrderView,
    Outcome,
    Side,
)

ACCESS, SECRET = "contract-access-key", "c" * 40
NO_REDIS = "redis://127.0.0.1:1/0"
MARKET = "KRW-BTC"
PATIENCE_SECONDS = 20


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    """Run a simulator with one account of 10 million won."""
    (port,) = free_ports(1)
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "deploy.simulator"),
            *("--port", str(port), "--seed", "1", "--rate-factor", "20"),
            *("--speed", "1", "--account", f"{ACCESS}:{SECRET}:10000000"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        eventually(http_answers(f"{url}/v1/market/all"), within=60)
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=20)


@pytest.fixture(scope="module")
def adapter(base_url: str) -> Iterator[ExchangeAdapter]:
    with closing(adapter_at(base_url)) as adapter:
        yield adapter


def adapter_at(
    base_url: str, *, access_key: str = ACCESS, secret_key: str = SECRET
) -> ExchangeAdapter:
    """Return the adapter as a worker would build it."""
    return build_adapter(
        exchange="upbit",
        base_url=base_url,
        access_key=access_key,
        secret_key=secret_key,
        rate_factor=20,
        redis_url=NO_REDIS,
        pocket="contract",
    )


def eventually(check: Callable[[], bool], *, within: float = PATIENCE_SECONDS) -> None:
    """Ask again until it is so; fail after *within* seconds."""
    deadline = time.monotonic() + within
    while not check():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def new_identifier() -> str:
    return f"contract-{uuid.uuid4().hex[:20]}"


def price_of(adapter: ExchangeAdapter) -> Decimal:
    return adapter.get_prices(markets=[MARKET])[MARKET].price


def limit_buy(adapter: ExchangeAdapter, **changes: object) -> OrderRequest:
    """Return a buy of about 10,000 won, a fifth below the market."""
    rules = adapter.get_rules(market=MARKET)
    price = rules.floor_tick(price_of(adapter) * Decimal("0.8"))
    values = {
        "identifier": new_identifier(),
        "market": MARKET,
        "side": Side.BID,
        "kind": OrderKind.LIMIT,
        "price": price,
        "volume": Decimal("0.0001"),
    }
    return OrderRequest(**{**values, **changes})  # type: ignore[arg-type]


def market_buy(won: int) -> OrderRequest:
    return OrderRequest(
        identifier=new_identifier(),
        market=MARKET,
        side=Side.BID,
        kind=OrderKind.MARKET,
        funds=Decimal(won),
    )


def settled(adapter: ExchangeAdapter, identifier: str) -> OrderView:
    """Wait until the order cannot fill any more."""
    eventually(lambda: not adapter.get_order(identifier=identifier).is_open)
    return adapter.get_order(identifier=identifier)


def test_a_market_buy_fills_and_its_sale_empties_the_position(
    adapter: ExchangeAdapter,
) -> None:
    before = adapter.get_balances()["KRW"]
    request = market_buy(10_000)

    sent = adapter.place_market_order(request=request)
    bought = settled(adapter, request.identifier)
    sale = OrderRequest(
        identifier=new_identifier(),
        market=MARKET,
        side=Side.ASK,
        kind=OrderKind.MARKET,
        volume=bought.executed_volume,
    )
    adapter.place_market_order(request=sale)
    sold = settled(adapter, sale.identifier)

    assert sent.uuid == bought.uuid
    assert (bought.outcome, sold.outcome) == (Outcome.FILLED, Outcome.FILLED)
    assert bought.trades
    assert sold.trades
    assert len(bought.trades) == bought.trades_count
    paid = sum(trade.funds + trade.fee for trade in bought.trades)
    received = sum(trade.funds - trade.fee for trade in sold.trades)
    assert sum(trade.fee for trade in bought.trades) == bought.paid_fee
    after = adapter.get_balances()["KRW"]
    assert after.free + after.locked == before.free + before.locked - paid + received


def test_a_resting_order_is_found_followed_and_cancelled(
    adapter: ExchangeAdapter,
) -> None:
    request = limit_buy(adapter)

    sent = adapter.place_limit_order(request=request)

    assert sent.outcome is Outcome.OPEN
    assert (sent.price, sent.volume) == (request.price, request.volume)
    assert sent.uuid in {view.uuid for view in adapter.list_orders(market=MARKET)}
    by_name = adapter.list_orders(identifiers=[request.identifier, "never-sent"])
    assert [view.uuid for view in by_name] == [sent.uuid]
    assert adapter.get_balances()["KRW"].locked > 0
    adapter.cancel_order(uuid=sent.uuid)
    ended = settled(adapter, request.identifier)
    assert (ended.outcome, ended.executed_volume) == (Outcome.CANCELLED, 0)
    month_ago = datetime.now(UTC) - timedelta(days=30)
    closed = adapter.list_orders(open_only=False, since=month_ago)
    assert sent.uuid in {view.uuid for view in closed}


def test_more_identifiers_than_one_call_takes_are_asked_in_parts(
    adapter: ExchangeAdapter,
) -> None:
    request = limit_buy(adapter)
    adapter.place_limit_order(request=request)
    unknown = [f"never-sent-{number}" for number in range(205)]

    found = adapter.list_orders(identifiers=[*unknown, request.identifier])

    assert [view.identifier for view in found] == [request.identifier]


def test_a_repeated_identifier_buys_nothing_more(adapter: ExchangeAdapter) -> None:
    request = limit_buy(adapter)
    first = adapter.place_limit_order(request=request)

    with pytest.raises(Ambiguous) as caught:
        adapter.place_limit_order(request=request)

    assert caught.value.name == "duplicated_identifier"
    assert adapter.get_order(identifier=request.identifier).uuid == first.uuid


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"price": Decimal("1000.5")}, "invalid_price_bid"),
        ({"volume": Decimal("0.00000001")}, "under_min_total_bid"),
        ({"volume": Decimal("0.9")}, "insufficient_funds_bid"),
        ({"volume": Decimal(1000)}, "over_krw_funds_bid"),
        ({"market": "KRW-NOPE"}, "notfoundmarket"),
    ],
)
def test_what_the_exchange_refuses_is_refused_for_certain(
    adapter: ExchangeAdapter, changes: dict[str, object], name: str
) -> None:
    request = limit_buy(adapter, **changes)

    with pytest.raises(Refused) as caught:
        adapter.place_limit_order(request=request)

    assert caught.value.name == name
    with pytest.raises(NotFound):
        adapter.get_order(identifier=request.identifier)


def test_an_order_nobody_sent_is_not_found(adapter: ExchangeAdapter) -> None:
    with pytest.raises(NotFound):
        adapter.get_order(identifier="never-sent")
    with pytest.raises(NotFound):
        adapter.cancel_order(uuid=str(uuid.uuid4()))


def test_rules_names_and_prices_of_markets(adapter: ExchangeAdapter) -> None:
    rules = adapter.get_rules(market=MARKET)
    state = adapter.get_market(market=MARKET)
    prices = adapter.get_prices(markets=[MARKET, "KRW-NOPE", "KRW-ETH"])

    assert rules.bid_fee == rules.ask_fee == Decimal("0.0005")
    assert rules.min_total == 5000
    assert (state.korean_name, state.warning) == ("비트코인", False)
    assert set(prices) == {MARKET, "KRW-ETH"}
    with pytest.raises(Refused):
        adapter.get_rules(market="KRW-NOPE")
    with pytest.raises(Refused):
        adapter.get_market(market="KRW-NOPE")


def test_prices_need_no_key_but_balances_do(base_url: str) -> None:
    with closing(adapter_at(base_url, access_key="", secret_key="")) as nobody:
        prices = nobody.get_prices(markets=[MARKET])

        assert set(prices) == {MARKET}
        with pytest.raises(KeyRefused):
            nobody.get_balances()


def test_a_good_key_passes_its_check(adapter: ExchangeAdapter) -> None:
    report = adapter.check_key()

    assert report.accepted
    assert report.withdraw_refused is True
    assert report.expires_at is not None
    assert report.expires_at > datetime.now(UTC)


@pytest.mark.parametrize(
    ("keys", "name"),
    [
        ({"access_key": "somebody-else"}, "invalid_access_key"),
        ({"secret_key": "x" * 40}, "jwt_verification"),
    ],
)
def test_a_wrong_key_fails_its_check_by_name(
    base_url: str, keys: dict[str, str], name: str
) -> None:
    with closing(adapter_at(base_url, **keys)) as stranger:
        report = stranger.check_key()

    assert not report.accepted
    assert report.message.startswith(name)
