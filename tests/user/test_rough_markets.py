"""A market that jumps, and one that ends, in the middle of a round."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from tests.user.floor import Floor
from user_project.bots import services
from user_project.bots.models import Bot, Cycle, Order
from user_project.exchanges.adapter import Refused
from user_project.trading.orders import OrderKind, Side


class TestJumps:
    def bought_stages(self) -> list[int]:
        bought = Order.objects.filter(side=Side.BID, state="filled")
        return sorted(bought.values_list("stage", flat=True))

    def test_five_stages_in_one_tick_are_bought_one_per_pause(
        self, floor: Floor
    ) -> None:
        Bot.objects.update(stages=7, resting_stages=0, stage_cooldown_seconds=60)
        floor.run_often(4)
        cycle = floor.bot.cycles.get()
        lowest = Decimal(cycle.plan["stages"][5]["price"])
        floor.exchange.trade_at(f"{lowest:f}")

        floor.run_often(5)
        assert self.bought_stages() in ([1], [1, 2])
        seen = [len(self.bought_stages())]
        for _ in range(6):
            floor.clock.pass_seconds(61)
            floor.run_often(3)
            seen.append(len(self.bought_stages()))

        assert all(after - before <= 1 for before, after in pairwise(seen))
        assert self.bought_stages() == [1, 2, 3, 4, 5, 6]

    def test_no_stage_is_paid_above_its_plan(self, floor: Floor) -> None:
        Bot.objects.update(stages=7, stage_cooldown_seconds=0)
        floor.run_often(4)
        cycle = floor.bot.cycles.get()
        planned = {s["stage"]: Decimal(s["price"]) for s in cycle.plan["stages"]}
        floor.exchange.trade_at(f"{planned[6]:f}")
        floor.run_often(12)

        for order in Order.objects.filter(side=Side.BID, stage__gt=1, state="filled"):
            assert order.executed_funds / order.executed_volume <= planned[order.stage]
        cycle.refresh_from_db()
        assert cycle.spent + cycle.reserved <= cycle.budget

    def test_through_all_stages_and_a_stop_at_once_sells_all(
        self, floor: Floor
    ) -> None:
        Bot.objects.update(stages=5, stop_below_last=Decimal("0.02"))
        floor.run_often(4)
        floor.exchange.trade_at("70000000")
        floor.run_often(10, seconds=3)

        cycle = floor.bot.cycles.get()
        assert (cycle.state, cycle.exit_reason) == ("closed", "stop_loss")
        assert (cycle.volume, cycle.reserved) == (0, 0)


class TestDelisted:
    """The exchange ends the market: orders are withdrawn, nothing may be placed."""

    @pytest.fixture
    def held(self, floor: Floor, monkeypatch: pytest.MonkeyPatch) -> Cycle:
        floor.run_often(4)
        cycle: Cycle = floor.bot.cycles.get()
        assert cycle.volume > 0

        def gone(*_: object, **__: object) -> None:
            raise Refused("no such market", name="market_does_not_exist")

        for order in list(Order.objects.live()):
            floor.exchange.cancel_order(uuid=order.exchange_uuid or "")
        monkeypatch.setattr(floor.exchange, "get_rules", gone)
        monkeypatch.setattr(floor.exchange, "get_market", gone)
        monkeypatch.setattr(floor.exchange, "get_prices", lambda *, markets: {})
        monkeypatch.setattr(floor.exchange, "_known", gone)
        return cycle

    def test_the_round_waits_and_asks_ever_more_rarely(
        self, floor: Floor, held: Cycle
    ) -> None:
        before, began = len(floor.exchange.posts), floor.clock()
        floor.run_often(60, seconds=30)

        held.refresh_from_db()
        assert (held.state, floor.bot.state) == ("open", "running")
        assert floor.clock() - began == timedelta(minutes=30)
        assert len(floor.exchange.posts) - before <= 6
        assert floor.bot.reason != ""

    def test_the_owner_takes_the_coins_and_the_round_is_over(
        self, floor: Floor, held: Cycle
    ) -> None:
        from user_project.bots import owner_actions

        floor.run_often(6, seconds=31)
        services.stop_bot(bot=floor.bot, now=floor.clock())
        floor.run_often(3)
        owner_actions.release_coins(bot=floor.bot, by=None, now=floor.clock())

        held.refresh_from_db()
        assert (held.state, held.exit_reason) == ("closed", "released")

    def test_a_sale_that_is_impossible_is_not_hammered(
        self, floor: Floor, held: Cycle
    ) -> None:
        services.stop_and_sell(bot=floor.bot, now=floor.clock())
        before = len(floor.exchange.posts)
        floor.run_often(60, seconds=5)

        held.refresh_from_db()
        assert held.volume > 0
        sales = floor.exchange.posts[before:]
        assert {request.kind for request in sales} <= {OrderKind.MARKET}
        assert 1 <= len(sales) <= 3
        assert floor.bot.reason == "EXITING"
