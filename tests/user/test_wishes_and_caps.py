"""Caps count what is promised; a second click changes nothing; a stop is rested from."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.user.floor import Floor
from user_project.accounts.models import ExchangeAccount
from user_project.bots import owner_actions
from user_project.bots.models import Bot, BotEvent, Cycle, Order
from user_project.bots.problems import BotProblem
from user_project.bots.rounds import STOPPED_COIN_RESTS

pytestmark = pytest.mark.usefixtures("shared_price")


def buy(floor: Floor, amount: int) -> Cycle:
    return owner_actions.buy_now(
        bot=floor.bot, amount=Decimal(amount), now=floor.clock()
    )


class TestCaps:
    def test_two_wishes_in_a_row_do_not_pass_a_cap_together(self, floor: Floor) -> None:
        floor.run_often(4)
        ExchangeAccount.objects.update(cap_budget=1_000_000 + 100_050)
        buy(floor, 50_000)
        with pytest.raises(BotProblem) as refusal:
            buy(floor, 60_000)
        assert refusal.value.code == "CAP_ACCOUNT"

        floor.run_often(4)
        assert Order.objects.get(stage=101).state == "filled"
        buy(floor, 50_000 - 1)  # what was sent is counted once, not twice

    def test_the_fee_counts(self, floor: Floor) -> None:
        floor.run_often(4)
        ExchangeAccount.objects.update(cap_coin=1_000_000 + 100_049)
        with pytest.raises(BotProblem) as refusal:
            buy(floor, 100_000)
        assert refusal.value.code == "CAP_COIN"
        ExchangeAccount.objects.update(cap_coin=1_000_000 + 100_050)
        buy(floor, 100_000)

    def test_a_wish_that_was_dropped_takes_no_room(self, floor: Floor) -> None:
        floor.run_often(4)
        ExchangeAccount.objects.update(cap_budget=1_000_000 + 100_050)
        buy(floor, 100_000)
        floor.clock.pass_seconds(121)
        buy(floor, 99_000)


class TestSecondClicks:
    def test_a_buy_clicked_twice_is_one_buy(self, floor: Floor) -> None:
        floor.run_often(4)
        buy(floor, 50_000)
        floor.run_often(2)  # carried out between the clicks
        buy(floor, 50_000)
        floor.run_often(4)
        assert Order.objects.filter(stage__gte=101).count() == 1

        buy(floor, 50_000)  # more than five seconds later it is another wish
        floor.run_often(4)
        assert Order.objects.filter(stage__gte=101, state="filled").count() == 2

    def test_another_amount_is_another_wish(self, floor: Floor) -> None:
        floor.run_often(4)
        buy(floor, 50_000)
        buy(floor, 60_000)
        floor.run_often(4)
        assert Order.objects.filter(stage__gte=101, state="filled").count() == 2

    def test_the_rest_is_told_once(self, floor: Floor) -> None:
        floor.run_often(4)
        for _ in range(2):
            owner_actions.skip_stage(bot=floor.bot, stage=3, now=floor.clock())
            owner_actions.change_take_profit(
                bot=floor.bot, take_profit=Decimal("0.02"), now=floor.clock()
            )
        told = BotEvent.objects.filter(kind__startswith="owner.")
        assert sorted(told.values_list("kind", flat=True)) == [
            "owner.skip",
            "owner.take_profit",
        ]


class TestAfterAStop:
    def stop(self, floor: Floor) -> Cycle:
        Bot.objects.update(stop_below_last=Decimal("0.02"), stage_cooldown_seconds=3600)
        floor.run_often(4)
        floor.exchange.trade_at("90000000")
        floor.run_often(5)
        cycle: Cycle = floor.bot.cycles.get()
        assert (cycle.state, cycle.exit_reason) == ("closed", "stop_loss")
        return cycle

    def test_a_fixed_coin_is_left_alone_for_a_day(self, floor: Floor) -> None:
        self.stop(floor)
        floor.exchange.trade_at("100000000")
        floor.run(seconds=120)
        assert (floor.bot.reason, floor.bot.cycles.count()) == ("COOLDOWN", 1)
        Cycle.objects.update(closed_at=floor.clock() - STOPPED_COIN_RESTS)
        floor.run()
        assert floor.bot.cycles.count() == 2

    def test_a_longer_cool_down_stays(self, floor: Floor) -> None:
        self.stop(floor)
        Bot.objects.update(cycle_cooldown_seconds=100_000)
        Cycle.objects.update(closed_at=floor.clock() - STOPPED_COIN_RESTS)
        floor.run()
        assert (floor.bot.reason, floor.bot.cycles.count()) == ("COOLDOWN", 1)
