"""The exchange changes a market's grid or takes it off while a round runs."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from tests.engine_exchange import with_ticks
from user_project.bots.models import Bot, Cycle, Order

if TYPE_CHECKING:
    from tests.user.floor import Floor

pytestmark = pytest.mark.django_db
COARSE = Decimal(50_000)


def resting() -> dict[int, Decimal]:
    """Return the prices of resting orders by stage; 0 is the exit."""
    rows = Order.objects.filter(state="open").values_list("stage", "price")
    return dict(rows)


class TestAnotherGrid:
    @pytest.fixture
    def before(self, floor: Floor) -> dict[int, Decimal]:
        """Let a round have its first stage and three resting orders, some off COARSE."""
        floor.run_often(3)
        prices = resting()
        assert set(prices) == {0, 2, 3}
        with_ticks(floor.exchange, tick=COARSE)
        assert any(price % COARSE for price in prices.values())
        return prices

    def test_what_rests_stays_where_it_is(
        self, floor: Floor, before: dict[int, Decimal]
    ) -> None:
        floor.run_often(10)

        assert resting() == before

    def test_an_order_off_the_grid_fills_and_is_booked(
        self, floor: Floor, before: dict[int, Decimal]
    ) -> None:
        floor.exchange.trade_at(str(before[2] - 1000))
        floor.run_often(5)

        second = Order.objects.get(stage=2)
        assert second.state == "filled"
        assert second.executed_funds == before[2] * second.executed_volume

    def test_only_new_orders_are_on_the_new_grid(
        self, floor: Floor, before: dict[int, Decimal]
    ) -> None:
        floor.exchange.trade_at(str(before[2] - 1000))
        floor.run_often(6)

        after = resting()
        assert after[3] == before[3]
        assert set(after) == {0, 3, 4}
        assert after[4] % COARSE == after[0] % COARSE == 0

    def test_an_order_off_the_grid_is_withdrawn_like_any_other(
        self, floor: Floor, before: dict[int, Decimal]
    ) -> None:
        Bot.objects.update(state="stopped")

        floor.run_often(4)

        assert resting() == {}
        assert set(Order.objects.exclude(stage=1).values_list("state", flat=True)) == {
            "cancelled"
        }

    def test_the_round_ends_with_its_profit(
        self, floor: Floor, before: dict[int, Decimal]
    ) -> None:
        floor.exchange.trade_at("110000000")
        floor.run_often(5)

        cycle = Cycle.objects.earliest("seq")
        assert cycle.state == "closed"
        assert cycle.profit > 0


class TestMaintenance:
    def test_no_round_begins_while_the_market_takes_no_orders(
        self, floor: Floor
    ) -> None:
        floor.exchange.rules = replace(floor.exchange.rules, is_active=False)

        floor.run_often(3)

        assert floor.bot.reason == "MARKET_OFFLINE"
        assert floor.exchange.posts == []

    @pytest.mark.parametrize("kinds", [{"bid_kinds"}, {"ask_kinds"}])
    def test_nor_where_our_kinds_of_order_are_not_taken(
        self, floor: Floor, kinds: set[str]
    ) -> None:
        none: frozenset[str] = frozenset()
        changes = dict.fromkeys(kinds, none)
        floor.exchange.rules = replace(floor.exchange.rules, **changes)

        floor.run()

        assert floor.bot.reason == "MARKET_OFFLINE"
        assert floor.exchange.posts == []

    def test_a_round_waits_and_goes_on(self, floor: Floor) -> None:
        active = floor.exchange.rules
        floor.run()
        sent = len(floor.exchange.posts)
        floor.exchange.rules = replace(active, is_active=False)
        floor.exchange.trade_at("90000000")

        floor.run_often(5)
        assert floor.bot.reason == "MARKET_OFFLINE"
        assert len(floor.exchange.posts) == sent
        floor.exchange.rules = active
        floor.run_often(5, seconds=61)

        assert len(floor.exchange.posts) > sent
