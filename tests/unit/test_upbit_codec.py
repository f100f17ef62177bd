"""Upbit's answers as neutral values and our requests as Upbit's text, to the last digit."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from upbit.types.order import Order, Trade

from common.money import KRW_TICKS
from tests.unit.upbit_stub import order
from user_project.exchanges.upbit_codec import (
    MalformedAnswer,
    accepted_order,
    order_fields,
    order_view,
    outcome_of,
)
from user_project.trading.orders import (
    OrderKind,
    OrderRequest,
    OrderView,
    Outcome,
    Side,
)

PLAIN = re.compile(r"(0|[1-9]\d*)(\.\d*[1-9])?")
OUTCOMES = [
    ("wait", "limit", "bid", "0", Outcome.OPEN),
    ("watch", "limit", "bid", "0", Outcome.OPEN),
    ("watch", "limit", "ask", "0", Outcome.OPEN),
    ("wait", "price", "bid", "0", Outcome.OPEN),
    ("wait", "limit", "bid", "0.1", Outcome.PARTIAL),
    ("wait", "price", "bid", "0.1", Outcome.PARTIAL),
    ("wait", "market", "ask", "0.1", Outcome.PARTIAL),
    ("done", "limit", "bid", "1", Outcome.FILLED),
    ("done", "limit", "ask", "1", Outcome.FILLED),
    ("done", "price", "bid", "1", Outcome.FILLED),
    ("done", "market", "ask", "1", Outcome.FILLED),
    ("done", "best", "bid", "1", Outcome.FILLED),
    ("done", "best", "ask", "1", Outcome.FILLED),
    ("cancel", "limit", "bid", "0", Outcome.CANCELLED),
    ("cancel", "price", "bid", "0", Outcome.CANCELLED),
    ("cancel", "market", "ask", "0", Outcome.CANCELLED),
    ("cancel", "best", "bid", "0", Outcome.CANCELLED),
    ("cancel", "price", "bid", "0.1", Outcome.FILLED),
    ("cancel", "best", "bid", "0.1", Outcome.FILLED),
    ("cancel", "limit", "bid", "0.1", Outcome.CANCELLED),
    ("cancel", "limit", "ask", "0.1", Outcome.CANCELLED),
    ("cancel", "market", "ask", "0.1", Outcome.CANCELLED),
    ("cancel", "best", "ask", "0.1", Outcome.CANCELLED),
]


def answer(**changes: Any) -> Order:
    """Return an order as the SDK hands it on; None removes a key."""
    body = order(**changes)
    trades = body.pop("trades", None)
    if trades is not None:
        body["trades"] = [Trade.construct(**trade) for trade in trades]
    return Order.construct(**body)


def view(**changes: Any) -> OrderView:
    return order_view(answer(**changes))


def trade(number: int, *, price: str, volume: str, funds: str | None) -> dict[str, Any]:
    return {
        "market": "KRW-BTC",
        "uuid": f"trade-{number}",
        "price": price,
        "volume": volume,
        "funds": funds,
        "created_at": "2026-11-01T09:00:00.597751+09:00",
    }


class TestOutcome:
    @pytest.mark.parametrize(
        ("state", "ord_type", "side", "executed", "outcome"), OUTCOMES
    )
    def test_it_follows_what_was_executed(
        self, state: str, ord_type: str, side: str, executed: str, outcome: Outcome
    ) -> None:
        seen = view(state=state, ord_type=ord_type, side=side, executed_volume=executed)

        assert seen.outcome is outcome

    @pytest.mark.parametrize(
        ("state", "executed", "outcome"),
        [
            ("cancel", "0", Outcome.CANCELLED),
            ("cancel", "0.1", Outcome.CANCELLED),
            ("wait", "0.1", Outcome.PARTIAL),
            ("done", "0.1", Outcome.FILLED),
        ],
    )
    def test_what_prevention_took_away_is_not_bought(
        self, state: str, executed: str, outcome: Outcome
    ) -> None:
        decided = outcome_of(
            state=state,
            ord_type="price",
            side="bid",
            executed_volume=Decimal(executed),
            prevented=True,
        )

        assert decided is outcome

    @pytest.mark.parametrize(
        "prevented", [{"prevented_volume": "0.00002"}, {"prevented_locked": "3001.5"}]
    )
    def test_a_prevented_market_buy_shows_that_it_may_be_tried_again(
        self, prevented: dict[str, str]
    ) -> None:
        seen = view(
            state="cancel",
            ord_type="price",
            price="6000",
            volume=None,
            executed_volume="0.00003",
            **prevented,
        )

        assert seen.outcome is Outcome.CANCELLED
        volume = prevented.get("prevented_volume", "0")
        assert seen.prevented_volume == Decimal(volume)

    def test_an_unknown_state_is_no_outcome(self) -> None:
        with pytest.raises(MalformedAnswer, match="prevented"):
            view(state="prevented")


class TestReading:
    def test_a_market_buy_that_left_a_rest(self) -> None:
        seen = view(
            ord_type="price",
            state="cancel",
            price="6000",
            volume=None,
            remaining_volume=None,
            executed_volume="0.00003736",
            reserved_fee="3",
            paid_fee="2.99989592",
            remaining_fee="0.00010408",
            locked="0.20826408",
            trades_count=1,
            trades=[
                trade(1, price="160594000", volume="0.00003736", funds="5999.79184")
            ],
        )

        assert seen.outcome is Outcome.FILLED
        assert (seen.price, seen.volume, seen.funds) == (None, None, 6000)
        assert seen.trades is not None
        (only,) = seen.trades
        assert (only.funds, only.fee) == (Decimal("5999.79184"), seen.paid_fee)

    def test_a_market_sell_has_no_price(self) -> None:
        seen = view(
            side="ask",
            ord_type="market",
            state="done",
            price=None,
            volume="5.377594",
            executed_volume="5.377594",
            paid_fee="3.697095875",
            trades_count=1,
            trades=[trade(1, price="1375", volume="5.377594", funds="7394.19175")],
        )

        assert (seen.outcome, seen.kind) == (Outcome.FILLED, OrderKind.MARKET)
        assert (seen.price, seen.funds) == (None, None)
        assert seen.paid_fee == Decimal("3.697095875")

    def test_funds_that_are_not_told_are_price_times_volume(self) -> None:
        told = [trade(1, price="1375.5", volume="0.12345678", funds=None)]

        seen = view(executed_volume="0.12345678", trades_count=1, trades=told)

        assert seen.trades is not None
        assert seen.trades[0].funds == Decimal("1375.5") * Decimal("0.12345678")

    def test_trades_that_are_not_listed_yet_can_be_told_by_their_count(self) -> None:
        told = [trade(1, price="100", volume="0.00004", funds="0.004")]

        seen = view(executed_volume="0.0001", trades_count=2, trades=told)

        assert seen.trades is not None
        assert len(seen.trades) < seen.trades_count
        assert sum(t.volume for t in seen.trades) < seen.executed_volume

    @pytest.mark.parametrize(
        "padding", [{}, {"price": "100000000.0", "volume": "0.00010000"}]
    )
    def test_the_format_of_a_number_does_not_matter(
        self, padding: dict[str, str]
    ) -> None:
        seen = view(executed_volume="0.0", paid_fee="0E-8", **padding)

        assert (seen.price, seen.volume) == (100_000_000, Decimal("0.0001"))
        assert (seen.executed_volume, seen.paid_fee) == (0, 0)
        assert seen.outcome is Outcome.OPEN

    def test_null_means_the_same_as_nothing(self) -> None:
        told = answer(ord_type="price", price="6000")
        told.volume = told.identifier = None

        seen = order_view(told)

        assert (seen.volume, seen.identifier) == (None, None)

    @pytest.mark.parametrize(
        "text",
        ["2026-11-01T09:00:00+09:00", "2026-11-01T09:00:00.000000+09:00"],
    )
    def test_times_are_read_with_and_without_fractions(self, text: str) -> None:
        assert view(created_at=text).created_at == datetime(2026, 11, 1, tzinfo=UTC)

    @pytest.mark.parametrize(
        "changes",
        [
            {"uuid": None},
            {"executed_volume": "many"},
            {"executed_volume": None},
            {"side": "both"},
            {"created_at": "2026-11-01T09:00:00"},
            {"created_at": "yesterday"},
            {"trades": [trade(1, price="1", volume="1", funds="1") | {"uuid": None}]},
        ],
        ids=lambda changes: str(sorted(changes)),
    )
    def test_what_is_incomplete_is_no_order(self, changes: dict[str, Any]) -> None:
        with pytest.raises(MalformedAnswer):
            view(**changes)

    @pytest.mark.parametrize("odd", [None, "<html>", [], {"uuid": "x"}])
    def test_what_is_no_order_object_is_refused(self, odd: object) -> None:
        with pytest.raises(MalformedAnswer):
            order_view(odd)

    def test_an_order_of_another_name_is_not_the_answer_to_ours(self) -> None:
        with pytest.raises(MalformedAnswer, match="ours-2"):
            accepted_order(answer(identifier="ours-1"), identifier="ours-2")

    @pytest.mark.parametrize("price", ["100000050", "4.555", "0.123456789"])
    def test_an_order_off_today_s_grid_is_read_like_any_other(self, price: str) -> None:
        seen = view(price=price, state="cancel", executed_volume="0.00005")

        assert not KRW_TICKS.is_on_tick(price=Decimal(price))
        assert seen.price == Decimal(price)
        assert seen.outcome is Outcome.CANCELLED


POSITIVE = st.builds(
    lambda digits, power: Decimal(digits).scaleb(power),
    st.integers(1, 10**17),
    st.integers(-16, 20),
)


class TestWriting:
    @settings(max_examples=500, deadline=None)
    @given(side=st.sampled_from(Side), price=POSITIVE, volume=POSITIVE)
    def test_numbers_are_plain_text_that_reads_back_the_same(
        self, side: Side, price: Decimal, volume: Decimal
    ) -> None:
        fields = order_fields(request(side=side, price=price, volume=volume))

        assert (Decimal(fields["price"]), Decimal(fields["volume"])) == (price, volume)
        assert PLAIN.fullmatch(fields["price"])
        assert PLAIN.fullmatch(fields["volume"])

    @settings(max_examples=300, deadline=None)
    @given(amount=POSITIVE)
    def test_market_orders_name_won_to_buy_and_coins_to_sell(
        self, amount: Decimal
    ) -> None:
        market = OrderKind.MARKET
        buy = order_fields(request(side=Side.BID, kind=market, funds=amount))
        sell = order_fields(request(side=Side.ASK, kind=market, volume=amount))

        assert (buy["ord_type"], Decimal(buy["price"])) == ("price", amount)
        assert (sell["ord_type"], Decimal(sell["volume"])) == ("market", amount)
        assert PLAIN.fullmatch(buy["price"])
        assert PLAIN.fullmatch(sell["volume"])
        assert "volume" not in buy
        assert "price" not in sell

    def test_name_and_self_match_rule_are_always_sent(self) -> None:
        fields = order_fields(request(price=Decimal(1), volume=Decimal(1)))

        assert fields["identifier"] == "ours-1"
        assert fields["smp_type"] == "cancel_taker"

    @pytest.mark.parametrize(
        "changes",
        [
            {"identifier": ""},
            {"price": None},
            {"price": Decimal(0)},
            {"volume": Decimal(-1)},
            {"kind": OrderKind.MARKET, "funds": None},
            {"kind": OrderKind.MARKET, "side": Side.ASK, "volume": None},
        ],
        ids=str,
    )
    def test_what_lacks_a_number_or_a_name_is_not_written(
        self, changes: dict[str, Any]
    ) -> None:
        whole = {"price": Decimal(1), "volume": Decimal(1), **changes}

        with pytest.raises(ValueError, match="needs"):
            order_fields(request(**whole))


def request(**changes: Any) -> OrderRequest:
    """Return a limit buy of KRW-BTC."""
    values = {
        "identifier": "ours-1",
        "market": "KRW-BTC",
        "side": Side.BID,
        "kind": OrderKind.LIMIT,
        **changes,
    }
    return OrderRequest(**values)
