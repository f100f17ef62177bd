"""How rounds end, one after the other, on the real matching engine and the real books."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from tests.user.floor import Floor
from tests.user.life import bought, fall, kinds, now_of, resting
from user_project.accounts.models import ExchangeAccount
from user_project.bots import (
    services,
)
from user_project.bots.models import (
    Bot,
    BotEvent,
    Cycle,
    Order,
)
from user_project.trading.orders import OrderKind, Side

pytestmark = pytest.mark.usefixtures("shared_price")


class TestWaysOut:
    def test_a_trailing_bot_follows_the_peak_and_sells_after_the_fall(
        self, floor: Floor
    ) -> None:
        cycle = bought(floor, trailing=Decimal("0.01"))
        assert resting(Side.ASK) == 0

        fall(floor, 103_000_000)
        fall(floor, 106_000_000)
        fall(floor, 105_500_000)
        assert now_of(cycle).state == "open"
        assert cycle.peak_price == 106_000_000
        fall(floor, 104_900_000)

        assert now_of(cycle).state == "closed"
        assert cycle.exit_reason == "trailing"
        assert cycle.volume == 0
        assert cycle.profit / cycle.spent > Decimal("0.045")
        sold = Order.objects.get(cycle=cycle, side=Side.ASK)
        assert (sold.kind, sold.stage) == (OrderKind.MARKET, 0)

    def test_a_stop_below_the_last_stage_sells_everything_at_a_loss(
        self, floor: Floor
    ) -> None:
        cycle = bought(floor, stop_below_last=Decimal("0.02"), stage_cooldown_seconds=0)
        fall(floor, 96_000_000, runs=8)
        assert now_of(cycle).state == "open"
        fall(floor, 94_000_000, runs=8)

        assert (now_of(cycle).state, cycle.exit_reason) == ("closed", "stop_loss")
        assert cycle.volume == 0
        assert cycle.profit < 0
        assert "손실" in BotEvent.objects.filter(kind="cycle.closed").get().message

    def test_a_gain_that_melts_is_sold_at_break_even(self, floor: Floor) -> None:
        cycle = bought(floor, break_even_after=Decimal("0.005"))
        fall(floor, 101_000_000)
        assert now_of(cycle).peak_price == 101_000_000
        fall(floor, 100_100_000)

        assert (now_of(cycle).state, cycle.exit_reason) == ("closed", "break_even")
        assert cycle.profit >= -cycle.spent / 10_000

    def test_a_round_is_told_of_and_sold_when_its_time_is_up(
        self, floor: Floor
    ) -> None:
        cycle = bought(floor, max_hold_hours=15 * 24)
        ExchangeAccount.objects.update(reconciled_at=floor.clock() + timedelta(days=20))
        floor.run(seconds=14 * 86_400)
        assert kinds().count("cycle.held_long") == 1
        floor.run_often(2)
        assert kinds().count("cycle.held_long") == 1
        assert now_of(cycle).state == "open"
        floor.run(seconds=86_400)
        floor.run_often(3)

        assert (now_of(cycle).state, cycle.exit_reason) == ("closed", "max_hold")

    def test_stop_and_sell_ends_the_bot(self, floor: Floor) -> None:
        cycle = bought(floor)
        services.stop_and_sell(bot=floor.bot, now=floor.clock())
        services.stop_and_sell(bot=floor.bot, now=floor.clock())
        floor.run_often(5)

        assert (now_of(cycle).state, cycle.exit_reason) == ("closed", "owner")
        assert floor.bot.state == "stopped"
        assert Order.objects.filter(kind=OrderKind.MARKET, side=Side.ASK).count() == 1

    def test_a_stopped_bot_sells_what_it_holds_when_asked(self, floor: Floor) -> None:
        cycle = bought(floor)
        services.stop_bot(bot=floor.bot, now=floor.clock())
        floor.run_often(3)
        assert now_of(cycle).volume > 0
        services.stop_and_sell(bot=floor.bot, now=floor.clock())
        floor.run_often(5)

        assert now_of(cycle).state == "closed"

    def test_a_buy_under_way_is_sold_when_it_arrives(self, floor: Floor) -> None:
        floor.exchange.faults.append("unheard")
        floor.run()
        cycle = floor.bot.cycles.get()
        assert cycle.volume == 0
        services.stop_and_sell(bot=floor.bot, now=floor.clock())
        floor.run_often(8)

        assert (now_of(cycle).state, cycle.exit_reason) == ("closed", "owner")
        assert (cycle.volume, floor.bot.state) == (0, "stopped")

    def test_nothing_held_is_only_stopped(self, floor: Floor) -> None:
        assert (
            services.stop_and_sell(bot=floor.bot, now=floor.clock()).state == "stopped"
        )


class TestRounds:
    def close_one(self, floor: Floor, price: int = 103_000_000) -> Cycle:
        cycle = bought(floor) if not floor.bot.cycles.exists() else None
        if cycle is None:
            floor.run_often(4)
            cycle = floor.bot.cycles.first()
        fall(floor, price, runs=4)
        assert now_of(cycle).state == "closed"
        return cycle

    def test_the_last_round_stops_the_bot(self, floor: Floor) -> None:
        Bot.objects.update(max_cycles=1)
        self.close_one(floor)

        assert (floor.bot.state, floor.bot.reason) == ("stopped", "MAX_CYCLES")
        assert floor.bot.next_tick_at is None

    def test_a_share_of_the_profit_is_put_to_work(self, floor: Floor) -> None:
        Bot.objects.update(reinvest=Decimal("0.5"))
        first = self.close_one(floor)
        floor.exchange.trade_at("100000000")
        floor.run(seconds=120)
        floor.run_often(3)

        second = floor.bot.cycles.first()
        assert second.seq == 2
        assert second.budget == floor.bot.budget + int(first.profit / 2)

    @pytest.mark.parametrize("reentry", ["last_sell", "last_buy"])
    def test_the_next_round_waits_for_its_price(
        self, floor: Floor, reentry: str
    ) -> None:
        Bot.objects.update(reentry=reentry)
        first = self.close_one(floor)
        sold = Order.objects.get(cycle=first, side=Side.ASK)
        gate = (
            sold.executed_funds / sold.executed_volume
            if reentry == "last_sell"
            else Decimal(100_000_000)
        )
        floor.exchange.trade_at(f"{floor.exchange.rules.ceil_tick(gate) + 1_000:f}")
        floor.run(seconds=120)
        assert (floor.bot.reason, floor.bot.cycles.count()) == ("WAIT_REENTRY", 1)

        floor.exchange.trade_at(f"{floor.exchange.rules.floor_tick(gate):f}")
        floor.run_often(3, seconds=31)
        assert floor.bot.cycles.count() == 2

    def test_a_round_near_a_support_waits_for_it(self, floor: Floor) -> None:
        Bot.objects.update(reentry="support", level="moderate")
        floor.run_often(2)
        assert floor.bot.reason == "WAIT_REENTRY"
        floor.exchange.trade_at("96900000")
        floor.run_often(4)
        assert floor.bot.cycles.count() == 1

    def test_the_first_buy_keeps_its_delay(self, floor: Floor) -> None:
        Bot.objects.update(jitter=Decimal("0.25"))
        floor.run()
        cycle = floor.bot.cycles.get()
        assert floor.clock() <= cycle.start_at <= floor.clock() + timedelta(seconds=60)
        Cycle.objects.update(start_at=floor.clock() + timedelta(seconds=30))
        floor.run_often(2)
        assert (floor.bot.reason, len(floor.exchange.posts)) == ("START_DELAY", 0)
        floor.run(seconds=31)
        floor.run()
        assert now_of(cycle).volume > 0

    @pytest.mark.parametrize(
        ("cap", "value", "reason"),
        [
            ("cap_budget", 999_999, "CAP_ACCOUNT"),
            ("cap_coin", 999_999, "CAP_COIN"),
            ("cap_cycles", 0, "CAP_CYCLES"),
        ],
    )
    def test_a_cap_keeps_a_round_from_beginning(
        self, floor: Floor, cap: str, value: int, reason: str
    ) -> None:
        ExchangeAccount.objects.update(**{cap: value})
        floor.run_often(2)
        assert (floor.bot.reason, floor.bot.cycles.count()) == (reason, 0)
        ExchangeAccount.objects.update(**{cap: value + 1})
        floor.run_often(2, seconds=31)
        assert floor.bot.cycles.count() == 1


class TestOwnTable:
    def test_the_table_is_bought_as_it_stands(self, floor: Floor) -> None:
        table = [
            {"drop": "0", "weight": "1"},
            {"drop": "0.03", "weight": "1"},
            {"drop": "0.06", "weight": "2"},
        ]
        cycle = bought(floor, stage_table=table, stage_cooldown_seconds=0)
        planned = [(s["price"], s["amount"]) for s in cycle.plan["stages"]]
        assert planned == [
            ("100000000", "249875"),
            ("97000000", "249875"),
            ("94000000", "499750"),
        ]
        fall(floor, 93_000_000, runs=10)
        assert Order.objects.filter(side=Side.BID, state="filled").count() == 3
