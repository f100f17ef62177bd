"""Reads of the Upbit adapter: retried, batched, checked, and needing no key if public."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import httpx
import pytest
import stamina

from common.money import KRW_TICKS
from tests.unit.upbit_stub import SECRET, StubUpbit, order, refusal
from user_project.exchanges.adapter import (
    KeyRefused,
    NotFound,
    RateLimited,
    Refused,
    Unavailable,
)
from user_project.exchanges.registry import UnknownExchange, build_adapter

TICKER = "/v1/ticker"
MARKETS = "/v1/market/all"
CHANCE = "/v1/orders/chance"
INSTRUMENTS = "/v1/orderbook/instruments"
CLOSED = "/v1/orders/closed"
NAMES = [
    {
        "market": "KRW-BTC",
        "korean_name": "비트코인",
        "english_name": "Bitcoin",
        "market_event": {"warning": False, "caution": {"PRICE_FLUCTUATIONS": False}},
    },
    {
        "market": "KRW-RISK",
        "korean_name": "위험",
        "english_name": "Risk",
        "market_event": {
            "warning": True,
            "caution": {"PRICE_FLUCTUATIONS": True, "DEPOSIT_AMOUNT_SOARING": True},
        },
    },
]


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    with stamina.set_testing(True, attempts=2, cap=True):
        yield


@pytest.fixture
def exchange() -> StubUpbit:
    return StubUpbit()


def tickers(request: httpx.Request) -> httpx.Response:
    """Know KRW-BTC and KRW-RISK; refuse the whole call for anything else."""
    markets = request.url.params["markets"].split(",")
    if not set(markets) <= {"KRW-BTC", "KRW-RISK"}:
        body = {"error": {"name": 404, "message": "Code not found"}}
        return httpx.Response(404, json=body)
    items = [{"market": market, "trade_price": 100.5} for market in markets]
    return httpx.Response(200, json=items)


def chance(*, fees: dict[str, str] | None = None, **changes: Any) -> dict[str, Any]:
    side = {"currency": "KRW", "min_total": "5000"}
    return {
        "bid_fee": "0.0005",
        "ask_fee": "0.0004",
        **(fees or {}),
        "market": {
            "id": "KRW-BTC",
            "bid": side,
            "ask": {**side, "min_total": "5500"},
            "max_total": "1000000000",
            "state": "active",
            "bid_types": ["limit", "price", "limit_ioc", "best_fok"],
            "ask_types": ["limit", "market"],
            **changes,
        },
    }


def instruments(*ticks: str) -> Any:
    """Tell one tick size after the other, the last one for ever."""
    left = list(ticks)

    def tell(request: httpx.Request) -> httpx.Response:
        tick = left.pop(0) if len(left) > 1 else left[0]
        return httpx.Response(200, json=[{"market": "KRW-BTC", "tick_size": tick}])

    return tell


def test_a_read_without_an_answer_is_repeated_once(exchange: StubUpbit) -> None:
    exchange.on("GET", "/v1/order", refusal("internal_server_error", status=500))

    with pytest.raises(Unavailable):
        exchange.adapter().get_order(uuid="u-1")

    assert exchange.count("GET") == 2


@pytest.mark.parametrize("by", [{"uuid": "u-1"}, {"identifier": "ours-2"}])
def test_an_answer_about_another_order_is_no_information(
    exchange: StubUpbit, by: dict[str, str]
) -> None:
    exchange.on_json("GET", "/v1/order", order(uuid="u-9", identifier="ours-9"))

    with pytest.raises(Unavailable, match="9"):
        exchange.adapter().get_order(**by)


def test_an_old_order_that_is_told_without_its_name_is_taken(
    exchange: StubUpbit,
) -> None:
    exchange.on_json("GET", "/v1/order", order(uuid="u-1", identifier=None))

    assert exchange.adapter().get_order(identifier="ours-1").uuid == "u-1"


@pytest.mark.parametrize(
    ("answer", "meaning"),
    [
        (refusal("order_not_found", status=404), NotFound),
        (refusal("out_of_scope", status=403), KeyRefused),
        (refusal("too_many_requests", status=429), RateLimited),
        (refusal("blocked", status=418, message="300초간 차단"), RateLimited),
    ],
)
def test_a_definite_answer_is_not_asked_for_again(
    exchange: StubUpbit, answer: httpx.Response, meaning: type[Exception]
) -> None:
    exchange.on("GET", "/v1/order", answer)

    with pytest.raises(meaning):
        exchange.adapter().get_order(uuid="u-1")

    assert exchange.count("GET") == 1


@pytest.mark.parametrize(
    ("message", "headers", "seconds"),
    [
        ("300초간 차단되었습니다", {}, 300),
        ("blocked for 5 minutes", {}, 300),
        ("1시간 뒤에 다시", {}, 3600),
        ("whatever", {"Retry-After": "90"}, 90),
        ("whatever", {}, 60),
    ],
)
def test_a_penalty_stops_every_later_call_for_the_stated_time(
    exchange: StubUpbit, message: str, headers: dict[str, str], seconds: int
) -> None:
    body = {"error": {"name": "blocked", "message": message}}
    exchange.on_json("GET", "/v1/order", body, status_code=418, headers=headers)
    adapter = exchange.adapter()
    with pytest.raises(RateLimited):
        adapter.get_order(uuid="u-1")

    with pytest.raises(RateLimited) as caught:
        adapter.get_balances()

    assert seconds - 10 < caught.value.retry_after <= seconds
    assert len(exchange.requests) == 1


def test_an_unknown_market_does_not_cost_the_others_their_price(
    exchange: StubUpbit,
) -> None:
    exchange.on("GET", TICKER, tickers)
    exchange.on_json("GET", MARKETS, NAMES)

    quotes = exchange.adapter().get_prices(markets=["KRW-NOPE", "KRW-BTC"])

    assert {name: quote.price for name, quote in quotes.items()} == {
        "KRW-BTC": Decimal("100.5")
    }


def test_only_unknown_markets_have_no_price(exchange: StubUpbit) -> None:
    exchange.on("GET", TICKER, tickers)
    exchange.on_json("GET", MARKETS, NAMES)

    assert exchange.adapter().get_prices(markets=["KRW-NOPE"]) == {}
    assert exchange.adapter().get_prices(markets=[]) == {}


def test_public_reads_send_no_signature_and_signed_ones_need_a_key(
    exchange: StubUpbit,
) -> None:
    exchange.on("GET", TICKER, tickers)
    keyless = exchange.adapter(access_key="", secret_key="")

    keyless.get_prices(markets=["KRW-BTC"])

    assert "authorization" not in exchange.requests[0].headers
    with pytest.raises(KeyRefused):
        keyless.get_balances()
    assert len(exchange.requests) == 1


def test_names_and_flags_are_read_once_a_minute(exchange: StubUpbit) -> None:
    exchange.on_json("GET", MARKETS, NAMES)
    adapter = exchange.adapter()

    calm = adapter.get_market(market="KRW-BTC")
    risky = adapter.get_market(market="KRW-RISK")

    assert (calm.korean_name, calm.warning, calm.cautions) == ("비트코인", False, ())
    assert risky.warning
    assert risky.cautions == ("DEPOSIT_AMOUNT_SOARING", "PRICE_FLUCTUATIONS")
    with pytest.raises(Refused):
        adapter.get_market(market="KRW-NOPE")
    assert exchange.count("GET") == 1


@pytest.fixture
def ruled(exchange: StubUpbit) -> StubUpbit:
    """Answer what get_rules asks: KRW-BTC trades at 100.5, its tick there is 1."""
    exchange.on_json("GET", CHANCE, chance())
    exchange.on("GET", INSTRUMENTS, instruments("1"))
    exchange.on("GET", TICKER, tickers)
    return exchange


def test_rules_carry_fees_and_limits_as_told_and_ticks_by_the_table(
    ruled: StubUpbit, caplog: pytest.LogCaptureFixture
) -> None:
    rules = ruled.adapter().get_rules(market="KRW-BTC")

    assert (rules.bid_fee, rules.ask_fee) == (Decimal("0.0005"), Decimal("0.0004"))
    assert (rules.min_total, rules.max_total) == (5500, 1_000_000_000)
    assert rules.ticks is KRW_TICKS
    assert rules.is_active
    assert rules.bid_kinds == rules.ask_kinds == {"limit", "market"}
    assert "mismatch" not in caplog.text


def test_rules_are_read_once_a_minute(ruled: StubUpbit) -> None:
    adapter = ruled.adapter()

    assert adapter.get_rules(market="KRW-BTC") is adapter.get_rules(market="KRW-BTC")
    assert ruled.count("GET") == 3


@pytest.mark.parametrize(
    ("maker", "expected"),
    [
        ({"maker_bid_fee": "0.0007", "maker_ask_fee": "0.0002"}, ("0.0007", "0.0004")),
        ({"maker_bid_fee": "0", "maker_ask_fee": "0.0025"}, ("0.0005", "0.0025")),
    ],
)
def test_a_plan_reckons_with_the_dearer_of_maker_and_taker(
    ruled: StubUpbit, maker: dict[str, str], expected: tuple[str, str]
) -> None:
    ruled.on_json("GET", CHANCE, chance(fees=maker))

    rules = ruled.adapter().get_rules(market="KRW-BTC")

    assert (rules.bid_fee, rules.ask_fee) == tuple(map(Decimal, expected))


@pytest.mark.parametrize("state", ["preview", "delisted", "maintenance"])
def test_a_market_that_is_not_active_shows(ruled: StubUpbit, state: str) -> None:
    ruled.on_json("GET", CHANCE, chance(state=state))

    assert not ruled.adapter().get_rules(market="KRW-BTC").is_active


def test_kinds_of_order_that_a_market_does_not_take_show(ruled: StubUpbit) -> None:
    only_limits = chance(bid_types=["limit", "limit_ioc"], ask_types=[])
    ruled.on_json("GET", CHANCE, only_limits)

    rules = ruled.adapter().get_rules(market="KRW-BTC")

    assert (rules.bid_kinds, rules.ask_kinds) == ({"limit"}, set())


def test_an_answer_without_kinds_and_state_forbids_nothing(ruled: StubUpbit) -> None:
    told = chance()
    for name in ("state", "bid_types", "ask_types"):
        del told["market"][name]
    ruled.on_json("GET", CHANCE, told)

    rules = ruled.adapter().get_rules(market="KRW-BTC")

    assert rules.is_active
    assert rules.bid_kinds == rules.ask_kinds == {"limit", "market"}


@pytest.mark.parametrize("tick", ["0.5", "0.1", "5", "10"])
def test_the_exchange_s_tick_rules_the_band_of_the_present_price(
    ruled: StubUpbit, caplog: pytest.LogCaptureFixture, tick: str
) -> None:
    ruled.on("GET", INSTRUMENTS, instruments(tick))

    rules = ruled.adapter().get_rules(market="KRW-BTC")

    assert "upbit.tick.mismatch KRW-BTC at 100.5" in caplog.text
    assert rules.tick_size(Decimal(999)) == Decimal(tick)
    assert rules.floor_tick(Decimal("116.66")) % Decimal(tick) == 0
    # Below the market, where stages lie, and above it the table stays in charge.
    assert rules.tick_size(Decimal(99)) == Decimal("0.1")
    assert rules.tick_size(Decimal(1000)) == 1


def test_a_tick_told_while_the_price_crossed_an_edge_corrects_nothing(
    ruled: StubUpbit, caplog: pytest.LogCaptureFixture
) -> None:
    # Told for 99.9, before the price rose to 100.5.
    ruled.on("GET", INSTRUMENTS, instruments("0.1", "1"))

    rules = ruled.adapter().get_rules(market="KRW-BTC")

    assert rules.ticks is KRW_TICKS
    assert "mismatch" not in caplog.text


def test_a_tick_that_fits_no_band_is_reported_and_left(
    ruled: StubUpbit, caplog: pytest.LogCaptureFixture
) -> None:
    ruled.on("GET", INSTRUMENTS, instruments("0.3"))

    rules = ruled.adapter().get_rules(market="KRW-BTC")

    assert rules.ticks is KRW_TICKS
    assert "upbit.tick.unusable KRW-BTC" in caplog.text


def test_without_a_tick_told_the_table_rules(ruled: StubUpbit) -> None:
    ruled.on("GET", INSTRUMENTS, refusal("internal_server_error", status=500))

    assert ruled.adapter().get_rules(market="KRW-BTC").ticks is KRW_TICKS


@pytest.mark.parametrize(
    "answer", [refusal("notfoundmarket"), refusal("notfoundmarket", status=404)]
)
def test_rules_of_an_unknown_market_are_refused(
    exchange: StubUpbit, answer: httpx.Response
) -> None:
    exchange.on("GET", CHANCE, answer)

    with pytest.raises(Refused):
        exchange.adapter().get_rules(market="KRW-NOPE")


def test_open_orders_are_paged_to_the_end(exchange: StubUpbit) -> None:
    def page(request: httpx.Request) -> httpx.Response:
        sizes = {"1": 100, "2": 100, "3": 7}
        number = request.url.params["page"]
        items = [order(uuid=f"{number}-{i}") for i in range(sizes[number])]
        return httpx.Response(200, json=items)

    exchange.on("GET", "/v1/orders/open", page)

    assert len(exchange.adapter().list_orders()) == 207


def test_identifiers_are_asked_a_hundred_at_a_time(exchange: StubUpbit) -> None:
    def known(request: httpx.Request) -> httpx.Response:
        names = request.url.params.get_list("identifiers[]")
        assert len(names) <= 100
        return httpx.Response(200, json=[order(uuid=n, identifier=n) for n in names])

    exchange.on("GET", "/v1/orders/uuids", known)
    names = [f"ours-{number}" for number in range(250)]

    found = exchange.adapter().list_orders(identifiers=names)

    assert [view.identifier for view in found] == names
    assert exchange.count("GET") == 3


def test_closed_orders_are_walked_in_windows_of_a_week(exchange: StubUpbit) -> None:
    exchange.on_json("GET", CLOSED, [])
    since = datetime.now(UTC) - timedelta(days=16)

    exchange.adapter().list_orders(open_only=False, since=since)

    windows = [_window(request) for request in exchange.requests]
    assert len(windows) == 3
    assert all(end - start <= timedelta(days=7) for start, end in windows)
    assert windows[0][0] <= since
    for (_, end), (start, _) in pairwise(windows):
        assert start <= end, "no gap between windows"


def test_a_full_window_is_halved_until_nothing_can_hide(exchange: StubUpbit) -> None:
    since = datetime.now(UTC) - timedelta(days=4)
    made = [since + timedelta(seconds=170 * number) for number in range(2000)]

    def page(request: httpx.Request) -> httpx.Response:
        start, end = _window(request)
        items = [
            order(uuid=str(number), created_at=at.isoformat())
            for number, at in enumerate(made)
            if start <= at <= end
        ]
        return httpx.Response(200, json=items[:1000])

    exchange.on("GET", CLOSED, page)

    found = exchange.adapter().list_orders(open_only=False, since=since)

    assert len(found) == 2000


def test_one_malformed_order_spoils_the_list(exchange: StubUpbit) -> None:
    items = [order(), order(uuid="x", executed_volume="many")]
    exchange.on_json("GET", "/v1/orders/open", items)

    with pytest.raises(Unavailable):
        exchange.adapter().list_orders()


def test_no_secret_shows_in_errors_or_logs(
    exchange: StubUpbit, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    exchange.on("GET", "/v1/accounts", refusal("jwt_verification", status=401))

    with pytest.raises(KeyRefused) as caught:
        exchange.adapter().get_balances()

    assert SECRET not in f"{caught.value!r} {caught.getrepr()} {caplog.text}"


def test_an_unknown_exchange_is_named() -> None:
    with pytest.raises(UnknownExchange, match="upbit"):
        build_adapter(
            exchange="mtgox",
            base_url="http://upbit.test",
            access_key="",
            secret_key="",
            rate_factor=1,
            redis_url="redis://127.0.0.1:1/0",
            pocket="unit",
        )


def _window(request: httpx.Request) -> tuple[datetime, datetime]:
    params = request.url.params
    return (
        datetime.fromisoformat(params["start_time"]),
        datetime.fromisoformat(params["end_time"]),
    )


def test_prices_are_read_with_the_close_of_the_day_before(exchange: StubUpbit) -> None:
    one = {"market": "KRW-BTC", "trade_price": 100.5, "prev_closing_price": 80.25}
    items = [one, {"market": "KRW-RISK", "trade_price": 7}]
    exchange.on("GET", "/v1/ticker", lambda _: httpx.Response(200, json=items))

    quotes = exchange.adapter().get_prices(markets=["KRW-BTC", "KRW-RISK"])

    closes = {market: quote.previous_close for market, quote in quotes.items()}
    assert closes == {"KRW-BTC": Decimal("80.25"), "KRW-RISK": None}
