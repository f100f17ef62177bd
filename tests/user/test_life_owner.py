"""What owners do: by hand, with options, previews and two bots on one coin."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tests.user.floor import Floor
from tests.user.life import bought, fall, now_of
from user_project.accounts.models import ExchangeAccount
from user_project.bots import (
    option_changes,
    owner_actions,
    services,
)
from user_project.bots.models import (
    Bot,
    Fill,
    Order,
)
from user_project.bots.options import options_of
from user_project.bots.problems import BotProblem
from user_project.trading.orders import Side

pytestmark = pytest.mark.usefixtures("shared_price")


class TestByHand:
    def test_a_manual_buy_is_sent_once_beside_the_plan(self, floor: Floor) -> None:
        cycle = bought(floor)
        before = cycle.budget
        owner_actions.buy_now(bot=floor.bot, amount=Decimal(100_000), now=floor.clock())
        floor.run_often(4)

        order = Order.objects.get(cycle=cycle, stage=101)
        assert (order.state, order.funds) == ("filled", 100_000)
        assert now_of(cycle).budget == before + 100_050
        floor.run_often(3)
        assert Order.objects.filter(stage=101).count() == 1

    @pytest.mark.parametrize("amount", ["4999", "5000.5", "-1"])
    def test_a_senseless_amount_is_refused(self, floor: Floor, amount: str) -> None:
        bought(floor)
        with pytest.raises(BotProblem) as refusal:
            owner_actions.buy_now(
                bot=floor.bot, amount=Decimal(amount), now=floor.clock()
            )
        assert refusal.value.code == "MIN_ORDER"

    def test_a_cap_holds_for_a_manual_buy_too(self, floor: Floor) -> None:
        bought(floor)
        ExchangeAccount.objects.update(cap_budget=1_000_000)
        with pytest.raises(BotProblem) as refusal:
            owner_actions.buy_now(
                bot=floor.bot, amount=Decimal(5_000), now=floor.clock()
            )
        assert refusal.value.code == "CAP_ACCOUNT"

    def test_a_wish_that_came_too_late_is_dropped(self, floor: Floor) -> None:
        bought(floor)
        owner_actions.buy_now(bot=floor.bot, amount=Decimal(9_000), now=floor.clock())
        floor.run_often(2, seconds=121)
        assert not Order.objects.filter(stage=101).exists()

    def test_the_take_profit_moves(self, floor: Floor) -> None:
        cycle = bought(floor)
        owner_actions.change_take_profit(
            bot=floor.bot, take_profit=Decimal("0.03"), now=floor.clock()
        )
        floor.run_often(4)
        fall(floor, 102_500_000)
        assert now_of(cycle).state == "open"
        fall(floor, 103_500_000)
        assert now_of(cycle).profit / cycle.spent >= Decimal("0.03")

    def test_a_skipped_stage_is_withdrawn_and_never_bought(self, floor: Floor) -> None:
        cycle = bought(floor, stage_cooldown_seconds=0)
        owner_actions.skip_stage(bot=floor.bot, stage=2, now=floor.clock())
        floor.run_often(4)
        fall(floor, 96_000_000, runs=10)
        stages = Order.objects.filter(cycle=cycle, side=Side.BID, state="filled")
        assert sorted(stages.values_list("stage", flat=True)) == [1, 3, 4]

    @pytest.mark.parametrize("stage", [0, 1, 5, 101])
    def test_only_later_stages_can_be_skipped(self, floor: Floor, stage: int) -> None:
        bought(floor)
        with pytest.raises(BotProblem):
            owner_actions.skip_stage(bot=floor.bot, stage=stage, now=floor.clock())

    def test_without_a_round_there_is_nothing_to_change(self, floor: Floor) -> None:
        with pytest.raises(BotProblem) as refusal:
            owner_actions.skip_stage(bot=floor.bot, stage=2, now=floor.clock())
        assert refusal.value.code == "NO_ROUND"


class TestOptions:
    def test_a_copy_has_the_same_options_and_none_of_the_past(
        self, floor: Floor
    ) -> None:
        bought(floor, trailing=Decimal("0.02"), reinvest=Decimal("0.3"))
        floor.bot.refresh_from_db()
        copy = services.clone_bot(bot=floor.bot, name="", now=floor.clock())

        for name in services.OPTION_COLUMNS:
            assert getattr(copy, name) == getattr(floor.bot, name)
        assert (copy.state, copy.cycles.count(), copy.live_enabled_at) == (
            "draft",
            0,
            None,
        )

    def test_a_bot_at_work_takes_what_only_its_next_round_looks_at(
        self, floor: Floor
    ) -> None:
        cycle = bought(floor)
        plan, posts = cycle.plan, len(floor.exchange.posts)
        options = replace(
            options_of(floor.bot),
            budget=Decimal(500_000),
            stages=3,
            take_profit=Decimal("0.05"),
        )
        option_changes.update_options(bot=floor.bot, options=options, now=floor.clock())
        floor.run_often(3)
        assert now_of(cycle).plan == plan
        assert (cycle.budget, len(floor.exchange.posts)) == (1_000_000, posts)

        fall(floor, 103_000_000)
        assert now_of(cycle).state == "closed"
        floor.exchange.trade_at("100000000")
        floor.run_often(3, seconds=61)
        second = floor.bot.cycles.first()
        assert (second.seq, second.budget, len(second.plan["stages"])) == (
            *(2, 500_000, 3),
        )

    @pytest.mark.parametrize(
        ("change", "named"),
        [
            ({"trailing": Decimal("0.01")}, "추적"),
            ({"resting_stages": 0}, "차수"),
            ({"crash_brake": False}, "급락"),
            ({"stop_below_last": Decimal("0.1"), "budget": Decimal(9_000)}, "손절"),
            ({"market": "KRW-ETH"}, "마켓"),
            ({"market": ""}, "마켓"),
        ],
    )
    def test_what_its_running_round_looks_at_waits_for_a_stop(
        self, floor: Floor, change: dict[str, Any], named: str
    ) -> None:
        before = options_of(floor.bot)
        with pytest.raises(BotProblem, match=named) as refusal:
            option_changes.update_options(
                bot=floor.bot, options=replace(before, **change), now=floor.clock()
            )
        assert (refusal.value.code, refusal.value.field) == (
            "BOT_BUSY",
            next(iter(change)),
        )
        assert options_of(Bot.objects.get()) == before
        services.stop_bot(bot=floor.bot, now=floor.clock())
        option_changes.update_options(
            bot=floor.bot, options=replace(before, **change), now=floor.clock()
        )
        assert options_of(Bot.objects.get()) == replace(before, **change)

    def test_no_option_is_forgotten(self) -> None:
        """Who adds an option says whether a running round looks at it."""
        at_once = {
            *("stage_cooldown_seconds", "resting_stages", "trailing"),
            *("stop_below_last", "break_even_after", "max_hold_hours", "crash_brake"),
        }
        assert option_changes.NEXT_ROUND_OPTIONS | at_once == set(
            services.OPTION_COLUMNS
        )
        assert not option_changes.NEXT_ROUND_OPTIONS & at_once


class TestPreview:
    @pytest.mark.parametrize(
        ("budget", "noted"), [(10_000_001, True), (10_000_000, False)]
    )
    def test_a_budget_above_the_balance_is_said(
        self, floor: Floor, monkeypatch: pytest.MonkeyPatch, budget: int, *, noted: bool
    ) -> None:
        from user_project.bots.options import BotOptions

        monkeypatch.setattr(services, "adapter_for", lambda *, account: floor.exchange)
        preview = services.preview_bot(
            owner=floor.bot.owner,
            options=BotOptions(budget=Decimal(budget), market="KRW-BTC"),
            now=floor.clock(),
        )
        short = [note for note in preview.notes if "모자랍니다" in note]
        assert [("1원 모자랍니다" in note) for note in short] == (
            [True] if noted else []
        )


class TestTwoBotsOnOneMarket:
    """One account, one coin, two ledgers; the exchange prevents that they trade together."""

    def second(self, floor: Floor) -> Floor:
        other = services.clone_bot(bot=floor.bot, name="둘째", now=floor.clock())
        services.start_bot(bot=other, now=floor.clock())
        return replace(floor, bot=other)

    def test_each_keeps_its_own_books_and_sells_its_own_coins(
        self, floor: Floor
    ) -> None:
        first = bought(floor)
        other = self.second(floor)
        other.run_often(4)
        second = other.bot.cycles.get()
        assert (first.volume, second.volume) == (first.volume, first.volume)
        services.stop_and_sell(bot=floor.bot, now=floor.clock())
        floor.run_often(5)

        assert now_of(first).state == "closed"
        assert now_of(second).volume == first.orders.get(stage=1).executed_volume
        assert other.audit() == []

    def test_a_buy_that_would_meet_the_others_sale_is_tried_again(
        self, floor: Floor
    ) -> None:
        bought(floor)
        exit_price = Order.objects.get(side=Side.ASK).price
        assert exit_price is not None
        other = self.second(floor)
        # The first one's take profit is now the best offer on the exchange.
        floor.exchange.price = exit_price + 1_000_000
        other.run_often(6)
        assert not other.bot.cycles.filter(volume__gt=0).exists()
        assert len(floor.exchange.posts) < 8  # refused for now, not asked every second

        floor.exchange.trade_at(f"{floor.exchange.price:f}")  # somebody else buys it
        floor.run_often(3)
        other.run_often(8, seconds=61)
        assert other.bot.cycles.filter(volume__gt=0).exists()
        assert other.audit() == []
        fills = Fill.objects.values_list("trade_uuid", flat=True)
        assert len(fills) == len(set(fills))
