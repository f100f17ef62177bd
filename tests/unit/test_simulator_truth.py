"""The ledger's second sums, remembered answers and shifted clocks."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web

from common.money import MarketRules
from deploy.simulator.faults.clock import skewed, skewed_date
from deploy.simulator.faults.reads import (
    MEMORY_BYTES,
    UNKNOWN_CODE,
    Answers,
    Read,
    altered,
)
from deploy.simulator.operator.received import LOG_LENGTH, Calls, Received
from deploy.simulator.operator.truth_checks import violations
from user_project.trading.matching import MatchingEngine
from user_project.trading.matching_orders import (
    Level,
    NewOrder,
    Order,
    OrderType,
    State,
    Wallet,
)
from user_project.trading.orders import Side

D = Decimal
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
LIST = ("alice", "/v1/orders/open", "")
UUIDS = ("11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222")


def _world() -> MatchingEngine:
    """Return an account that bought at two prices and has an open sell."""
    engine = MatchingEngine()
    engine.open_account(account="alice", balances={"KRW": D(1_000_000)})
    engine.deposit(account="alice", currency="KRW", amount=D("-0.123"))
    _order(engine, UUIDS[0], Side.BID, D(100_000), D("0.3"), "first")
    engine.arrive(
        uuid=UUIDS[0],
        levels=[Level(D(99_000), D("0.12345678")), Level(D(100_000), D(5))],
        at=NOW,
    )
    _order(engine, UUIDS[1], Side.ASK, D(120_000), D("0.1"), "second")
    engine.burn(account="alice", identifier="third")
    return engine


def _order(
    engine: MatchingEngine,
    uuid: str,
    side: Side,
    price: Decimal,
    volume: Decimal,
    identifier: str,
) -> None:
    request = NewOrder(
        market="KRW-BTC",
        side=side,
        ord_type=OrderType.LIMIT,
        price=price,
        volume=volume,
        identifier=identifier,
    )
    order = engine.check(
        account="alice",
        request=request,
        rules=MarketRules(market="KRW-BTC"),
        last=D(100_000),
        uuid=uuid,
        now=NOW,
    )
    engine.place(order=order)


def _broken(engine: MatchingEngine) -> list[str]:
    return list(violations(engine=engine, account="alice"))


# --- the second sums -----------------------------------------------------------------


def test_a_sound_account_has_no_violations() -> None:
    assert _broken(_world()) == []


def _wallet(currency: str, **changes: Decimal) -> Callable[[MatchingEngine], None]:
    def change(engine: MatchingEngine) -> None:
        wallets = engine._accounts["alice"].wallets
        wallet = wallets.get(currency, Wallet())
        wallets[currency] = replace(
            wallet,
            **{name: getattr(wallet, name) + by for name, by in changes.items()},
        )

    return change


def _stored(number: int, **changes: Any) -> Callable[[MatchingEngine], None]:
    def change(engine: MatchingEngine) -> None:
        uuid = UUIDS[number]
        engine._orders[uuid] = replace(engine._orders[uuid], **changes)

    return change


def _trade(**changes: Any) -> Callable[[MatchingEngine], None]:
    def change(engine: MatchingEngine) -> None:
        order: Order = engine._orders[UUIDS[0]]
        trades = (replace(order.trades[0], **changes), *order.trades[1:])
        engine._orders[order.uuid] = replace(order, trades=trades)

    return change


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_wallet("KRW", balance=D("0.00000000001")), "deposits and trades make KRW"),
        (_wallet("BTC", balance=D("-1E-8")), "deposits and trades make BTC"),
        (_wallet("XRP", balance=D(1)), "deposits and trades make XRP 0, not 1"),
        (_wallet("BTC", balance=D("-0.05"), locked=D("0.05")), "open orders bind BTC"),
        (_wallet("KRW", balance=D(-1_000_000)), "KRW is below zero"),
        (_stored(1, state=State.CANCEL), "open orders bind BTC 0, not 0.1"),
        (_stored(0, paid_fee=D(15)), "says other sums"),
        (_stored(0, executed_funds=D(1)), "says other sums"),
        (_stored(0, executed_volume=D(1)), "traded more than it asked for"),
        (_trade(fee=D("6.11")), "wrong fee"),
        (_trade(price=D(100_500)), "beyond its limit"),
        (
            lambda engine: engine._accounts["alice"].identifiers.update(first=""),
            "identifier first was used 2 times",
        ),
    ],
)
def test_what_does_not_add_up_is_told(
    spoil: Callable[[MatchingEngine], None], said: str
) -> None:
    engine = _world()
    spoil(engine)

    assert any(said in text for text in _broken(engine))


# --- calls that came in --------------------------------------------------------------


def _received(number: int, **changes: Any) -> Received:
    known = {"method": "POST", "path": "/v1/orders", "endpoint": "POST /v1/orders"}
    return Received(
        **{"at_ms": number, "identifier": f"id-{number}", **known, **changes}
    )


def test_posts_are_counted_for_ever_and_the_latest_calls_kept() -> None:
    calls = Calls()
    for number in range(LOG_LENGTH + 1):
        calls.note(_received(number))
    calls.note(_received(0))
    calls.note(_received(1, method="GET", endpoint="GET /v1/order"))

    assert calls.posts_by_identifier["id-0"] == 2
    assert calls.posts_by_identifier["id-1"] == 1
    assert calls.posts_by_endpoint == {"POST /v1/orders": LOG_LENGTH + 2}
    assert len(calls.log) == LOG_LENGTH
    assert calls.log[0].at_ms == 3


# --- altered reads -------------------------------------------------------------------


def _read(body: Any, *, seconds: float = 5.0, answers: Answers | None = None) -> Read:
    ages_ms = {"young": 4_999, "old": 5_000}
    return Read(
        response=web.Response(
            body=json.dumps(body).encode(), content_type="application/json"
        ),
        question=LIST,
        answers=answers or Answers(),
        seconds=seconds,
        now_ms=100_000,
        created_ms=lambda uuid: 100_000 - ages_ms[uuid],
    )


def _said(kind: str, read: Read) -> tuple[int, Any]:
    response, done = altered(kind, read)
    assert done
    assert isinstance(response.body, bytes)
    return response.status, json.loads(response.body)


def test_a_young_order_is_denied_and_an_old_one_told() -> None:
    status, body = _said("delayed_visibility", _read({"uuid": "young"}))

    assert (status, body["error"]["name"]) == (404, "order_not_found")
    assert _said("delayed_visibility", _read({"uuid": "old"})) == (200, {"uuid": "old"})


def test_young_orders_are_missing_in_lists() -> None:
    rows = [{"uuid": "young"}, {"uuid": "old"}]

    assert _said("delayed_visibility", _read(rows)) == (200, [{"uuid": "old"}])


def test_a_stale_list_is_the_newest_that_is_old_enough() -> None:
    answers = Answers()
    for at_ms in (90_000, 95_000, 95_001):
        answers.keep(question=LIST, body=b"[%d]" % at_ms, now_ms=at_ms)
    answers.keep(question=("bob", *LIST[1:]), body=b"[0]", now_ms=95_000)

    assert _said("stale_list", _read([], answers=answers)) == (200, [95_000])
    assert _said("stale_list", _read([], seconds=50, answers=answers)) == (200, [])


def test_a_stale_ticker_is_never_empty() -> None:
    answers = Answers()
    for at_ms in (90_000, 95_000, 99_000):
        answers.keep(question=LIST, body=b"[%d]" % at_ms, now_ms=at_ms)

    assert _said("stale_ticker", _read([], answers=answers)) == (200, [95_000])
    assert _said("stale_ticker", _read([], seconds=50, answers=answers)) == (
        200,
        [90_000],
    )


def test_answers_are_forgotten_before_they_fill_the_memory() -> None:
    answers, big = Answers(), b"x" * (MEMORY_BYTES // 2)
    for at_ms in range(3):
        answers.keep(question=LIST, body=big + b"%d" % at_ms, now_ms=at_ms)

    assert answers.before(question=LIST, at_ms=1) is None
    assert answers.oldest(question=LIST) == big + b"2"


def test_an_odd_candle_has_its_high_below_its_low() -> None:
    flat, usual = {"high_price": 5.0, "low_price": 5.0}, {"high_price": 7.0}
    for row in (flat, {**usual, "low_price": 6.0}):
        _, (candle, untouched) = _said("candle_high_below_low", _read([row, row]))

        assert candle["high_price"] < candle["low_price"]
        assert untouched == row


def test_an_unknown_code_comes_on_top_of_what_was_asked() -> None:
    _, rows = _said("unknown_code", _read([{"market": "KRW-BTC", "x": 1}]))

    assert rows == [{"market": "KRW-BTC", "x": 1}, {"market": UNKNOWN_CODE, "x": 1}]
    assert _said("unknown_code", _read([])) == (200, [])


# --- shifted clocks ------------------------------------------------------------------


def test_written_times_are_shifted_and_all_else_stays() -> None:
    body = (
        b'[{"created_at":"2026-01-01T00:09:00+09:00","x": 1.50000000,'
        b'"trade_date":"20260101","trade_time":"000500","trade_date_kst":"20260101",'
        b'"trade_time_kst":"090500","trade_timestamp":1767225900000,'
        b'"trade_date_utc": "2026-01-01", "trade_time_utc": "00:05:00",'
        b'"timestamp":1767225900123,"trades":[{"created_at":'
        b'"2026-01-01T00:09:00.000001+09:00"}],'
        b'"candle_date_time_utc":"2026-01-01T00:05:00"}]'
    )

    shifted = skewed(body, offset_ms=-600_000)

    assert shifted == (
        b'[{"created_at":"2025-12-31T23:59:00+09:00","x": 1.50000000,'
        b'"trade_date":"20251231","trade_time":"235500","trade_date_kst":"20260101",'
        b'"trade_time_kst":"085500","trade_timestamp":1767225300000,'
        b'"trade_date_utc": "2025-12-31", "trade_time_utc": "23:55:00",'
        b'"timestamp":1767225300123,"trades":[{"created_at":'
        b'"2025-12-31T23:59:00.000001+09:00"}],'
        b'"candle_date_time_utc":"2026-01-01T00:05:00"}]'
    )


def test_the_short_names_of_streams_are_shifted_too() -> None:
    body = (
        b'{"ty":"trade","td":"2026-01-01","ttm":"00:05:00","ttms":1767225900000,'
        b'"otms":1767225900000,"asttms":1767225900000,'
        b'"tms":1767225900123,"sid":1767225900123,"p":1.50}'
    )

    shifted = skewed(body, offset_ms=-600_000)

    assert shifted == (
        b'{"ty":"trade","td":"2025-12-31","ttm":"23:55:00","ttms":1767225300000,'
        b'"otms":1767225300000,"asttms":1767225300000,'
        b'"tms":1767225300123,"sid":1767225900123,"p":1.50}'
    )


def test_the_date_header_is_shifted() -> None:
    date = skewed_date(offset_ms=60_000, now_ms=1767225600000)

    assert date == "Thu, 01 Jan 2026 00:01:00 GMT"
