"""The numbers that owners see are those the next decision will act on."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from tests.user.floor import Floor
from user_project.bots import exits, owner_actions
from user_project.bots.models import Bot, Order
from user_project.bots.overview import BotView, bot_view
from user_project.trading.orders import Side


def view(floor: Floor, **options: Any) -> BotView:
    """Let the bot work, then look at its page."""
    Bot.objects.update(**options)
    floor.run_often(4)
    return look(floor)


def look(floor: Floor) -> BotView:
    return bot_view(bot=Bot.objects.get(pk=floor.bot.pk), now=floor.clock())


def sell_at(floor: Floor, price: int) -> None:
    floor.exchange.trade_at(f"{price}")
    floor.run_often(4, seconds=3)


class TestExits:
    def test_the_take_profit_shown_is_the_one_that_rests(self, floor: Floor) -> None:
        view(floor)
        owner_actions.change_take_profit(
            bot=floor.bot, take_profit=Decimal("0.03"), now=floor.clock()
        )
        floor.run_often(4)
        resting = Order.objects.live().get(side=Side.ASK).price
        assert look(floor).take_profit_price == resting
        assert resting is not None
        assert resting > 103_000_000

    def test_a_followed_peak_shows_where_it_is_sold(self, floor: Floor) -> None:
        assert view(floor, trailing=Decimal("0.01")).trailing_price is None
        sell_at(floor, 106_000_000)
        shown = look(floor)
        assert (shown.peak_price, shown.trailing_price) == (106_000_000, 104_940_000)

        sell_at(floor, 104_941_000)
        assert look(floor).cycle is not None
        sell_at(floor, 104_940_000)
        assert look(floor).cycle is None

    def test_a_stop_lies_below_the_last_stage_that_is_wanted(
        self, floor: Floor
    ) -> None:
        shown = view(floor, stop_below_last=Decimal("0.02"))
        last = [stage.price for stage in shown.stages]
        assert shown.stop_price == last[-1] * Decimal("0.98")
        owner_actions.skip_stage(bot=floor.bot, stage=4, now=floor.clock())
        assert look(floor).stop_price == last[-2] * Decimal("0.98")

    def test_protection_and_the_end_of_patience(self, floor: Floor) -> None:
        shown = view(floor, break_even_after=Decimal("0.005"), max_hold_hours=48)
        assert shown.cycle is not None
        assert shown.sold_at is not None
        assert (shown.sold_at - shown.cycle.opened_at).total_seconds() == 48 * 3600
        assert shown.protected_price is None
        sell_at(floor, 101_000_000)
        assert look(floor).protected_price == look(floor).break_even

    def test_a_bot_without_options_has_none_of_them(self, floor: Floor) -> None:
        shown = view(floor)
        found = exits.exits_of(bot=floor.bot, cycle=shown.cycle, now=floor.clock())  # type: ignore[arg-type]  # it holds
        assert found == exits.Exits(take_profit=shown.take_profit_price)
        assert (shown.peak_price, shown.exit_reason) == (None, "")


class TestStages:
    def test_a_skipped_stage_is_no_next_buy(self, floor: Floor) -> None:
        shown = view(floor, resting_stages=0)
        owner_actions.skip_stage(bot=floor.bot, stage=2, now=floor.clock())
        after = look(floor)
        assert [stage.state for stage in after.stages] == [
            *("filled", "skipped", "waiting", "waiting"),
        ]
        assert shown.next_buy_price == shown.stages[1].price
        assert after.next_buy_price == shown.stages[2].price


class TestReentry:
    def test_the_price_that_the_next_round_waits_for(self, floor: Floor) -> None:
        assert view(floor, reentry="last_sell").reentry_price is None  # it holds
        sold = Order.objects.live().get(side=Side.ASK).price
        assert sold is not None
        sell_at(floor, 103_000_000)
        shown = look(floor)
        assert shown.cycle is None
        assert shown.reentry_price == sold

    def test_near_a_support_from_the_last_analysis(self, floor: Floor) -> None:
        Bot.objects.update(reentry="support")
        shown = look(floor)
        floor.exchange.trade_at(f"{shown.reentry_price}")
        floor.run_often(4)
        assert look(floor).cycle is not None

    def test_nothing_is_waited_for_by_one_that_is_stopped(self, floor: Floor) -> None:
        Bot.objects.update(reentry="support", state="stopped")
        assert look(floor).reentry_price is None
