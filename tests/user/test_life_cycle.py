"""Whole rounds with every option, on the real matching engine and the real books."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from tests.user.factories import make_user
from tests.user.floor import Floor
from user_project.accounts.models import ExchangeAccount
from user_project.bots import (
    deficits,
    emergency,
    live,
    owner_actions,
    prices,
    services,
    switches,
)
from user_project.bots.models import (
    Adjustment,
    Bot,
    BotEvent,
    Brake,
    Cycle,
    Fill,
    Order,
    ServerSwitch,
)
from user_project.bots.options import options_of
from user_project.bots.problems import BotProblem
from user_project.trading.orders import OrderKind, OrderRequest, Side


@pytest.fixture(autouse=True)
def shared_price(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the owner sees is what the exchange last said."""

    def shared(*, host: str, market: str) -> Any:
        return floor.exchange.get_prices(markets=[market]).get(market)

    monkeypatch.setattr(prices, "shared", shared)


def bought(floor: Floor, **options: Any) -> Cycle:
    """Let the bot buy its first stage; *options* are the bot's."""
    Bot.objects.update(**options)
    floor.run_often(4)
    cycle: Cycle = floor.bot.cycles.get()
    assert cycle.volume > 0
    return cycle


def fall(floor: Floor, price: int, *, runs: int = 5, seconds: float = 3) -> None:
    floor.exchange.trade_at(str(price))
    floor.run_often(runs, seconds=seconds)


def now_of(cycle: Cycle) -> Cycle:
    cycle.refresh_from_db()
    return cycle


def kinds() -> list[str]:
    return list(BotEvent.objects.order_by("id").values_list("kind", flat=True))


def resting(side: Side) -> int:
    return Order.objects.live().filter(side=side).count()


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


class TestBrakes:
    def brake(self, floor: Floor) -> None:
        Brake.objects.create(
            host=floor.bot.account.base_url,
            until=floor.clock() + timedelta(minutes=30),
            reason="KRW-BTC",
            updated_at=floor.clock(),
        )

    def test_no_round_begins(self, floor: Floor) -> None:
        self.brake(floor)
        floor.run()
        assert (floor.bot.reason, floor.bot.cycles.count()) == ("BRAKE", 0)
        floor.run_often(4, seconds=31 * 20)
        assert floor.bot.cycles.count() == 1

    def test_no_new_stage_is_sent_but_the_exit_is_kept(self, floor: Floor) -> None:
        bought(floor, resting_stages=1)
        self.brake(floor)
        fall(floor, 98_600_000)
        assert (floor.bot.reason, resting(Side.BID)) == ("BRAKE", 0)
        assert resting(Side.ASK) == 1

    def test_a_bot_may_do_without(self, floor: Floor) -> None:
        self.brake(floor)
        bought(floor, crash_brake=False)


class TestKillSwitches:
    def target(self, floor: Floor, scope: str) -> Any:
        return {
            "bot": floor.bot,
            "account": floor.bot.account,
            "server": ServerSwitch(pk=1),
        }[scope]

    @pytest.mark.parametrize("scope", ["bot", "account", "server"])
    def test_nothing_new_is_sent_until_it_is_off(
        self, floor: Floor, scope: str
    ) -> None:
        target = self.target(floor, scope)
        switches.set_kill_switch(target=target, on=True, now=floor.clock())
        floor.run_often(3, seconds=6)
        assert floor.exchange.posts == []
        assert floor.bot.reason == "KILL_SWITCH"

        switches.set_kill_switch(target=target, on=False, now=floor.clock())
        floor.run_often(4)
        assert floor.bot.cycles.get().volume > 0

    def test_what_rests_stays_and_is_still_booked(self, floor: Floor) -> None:
        cycle = bought(floor)
        switches.set_kill_switch(target=floor.bot, on=True, now=floor.clock())
        fall(floor, 103_000_000)
        assert now_of(cycle).state == "closed"

    def test_one_turned_between_decision_and_order_stops_the_order(
        self, floor: Floor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from user_project.bots import runner

        original = runner.intend

        def late(**arguments: Any) -> Any:
            switches.set_kill_switch(
                target=ServerSwitch(pk=1), on=True, now=floor.clock()
            )
            return original(**arguments)

        monkeypatch.setattr(runner, "intend", late)
        floor.run_often(3)
        assert floor.exchange.posts == []

    def test_turning_it_waits_for_no_bot_that_is_locked(
        self, floor: Floor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Who holds a bot and wants its account meets nobody who does the reverse."""
        held: list[bool] = []
        original = switches._tell

        def tell(row: Any, **rest: Any) -> None:
            held.append(connection.in_atomic_block and bool(connection.savepoint_ids))
            original(row, **rest)

        monkeypatch.setattr(switches, "_tell", tell)
        switches.set_kill_switch(target=floor.bot.account, on=True, now=floor.clock())
        assert held == [False]

    def test_another_owners_account_is_not_concerned(self, floor: Floor) -> None:
        from tests.user.factories import make_account

        stranger = make_account(make_user("bob"))
        switches.set_kill_switch(target=stranger, on=True, now=floor.clock())
        bought(floor)


class TestEmergency:
    def test_the_dry_run_says_all_and_changes_nothing(self, floor: Floor) -> None:
        cycle = bought(floor)
        (effect,) = emergency.preview_stop(owner=floor.bot.owner, sell_all=True)

        assert (effect.buys_withdrawn, effect.take_profit_withdrawn) == (2, True)
        assert effect.volume == cycle.volume
        assert effect.estimated_won == cycle.volume * 100_000_000
        floor.run_often(2)
        assert (now_of(cycle).state, resting(Side.BID)) == ("open", 2)

    @pytest.mark.parametrize(("sell_all", "state"), [(True, "closed"), (False, "open")])
    def test_buys_go_and_coins_are_sold_if_asked(
        self, floor: Floor, *, sell_all: bool, state: str
    ) -> None:
        cycle = bought(floor)
        stop = emergency.stop_everything(
            owner=floor.bot.owner, sell_all=sell_all, by=None, now=floor.clock()
        )
        assert not emergency.results(stop=stop)[0].done
        floor.run_often(6)

        assert now_of(cycle).state == state
        assert resting(Side.BID) == 0
        assert emergency.results(stop=stop)[0].done
        assert (cycle.exit_reason == "emergency") is sell_all

    def test_another_owners_bots_go_on(self, floor: Floor) -> None:
        emergency.stop_everything(
            owner=make_user("bob"), sell_all=True, by=None, now=floor.clock()
        )
        bought(floor)

    def test_the_operator_stops_everybody(self, floor: Floor) -> None:
        cycle = bought(floor)
        emergency.stop_everything(owner=None, sell_all=True, by=None, now=floor.clock())
        floor.run_often(6)
        assert now_of(cycle).state == "closed"
        assert switches.server_switch().kill_switch_at is not None


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


class TestMissingCoins:
    def by_hand(self, floor: Floor, side: Side, volume: Decimal) -> None:
        """The owner trades in the exchange's own app."""
        is_sale = side is Side.ASK
        floor.exchange.accept(
            OrderRequest(
                identifier=f"by-hand-{side}",
                market="KRW-BTC",
                side=side,
                kind=OrderKind.MARKET if is_sale else OrderKind.LIMIT,
                price=None if is_sale else floor.exchange.price,
                volume=volume,
            )
        )

    def freeze(self, floor: Floor) -> Cycle:
        cycle = bought(floor, trailing=Decimal("0.01"))  # no exit rests
        self.by_hand(floor, Side.ASK, Decimal("0.001"))
        self.look(floor)
        floor.run()
        assert now_of(cycle).state == "open"  # seen once: maybe a fill of a moment ago
        floor.clock.pass_seconds(30)
        self.look(floor)
        floor.run_often(2)
        assert now_of(cycle).state == "frozen"
        return cycle

    def look(self, floor: Floor) -> None:
        deficits.note(
            account=floor.bot.account,
            balances=floor.exchange.get_balances(),
            now=floor.clock(),
        )

    def test_a_short_account_freezes_the_round_until_the_coins_are_back(
        self, floor: Floor
    ) -> None:
        cycle = self.freeze(floor)
        posts = len(floor.exchange.posts)
        fall(floor, 110_000_000)
        assert len(floor.exchange.posts) == posts
        assert floor.bot.reason == "FROZEN"

        self.by_hand(floor, Side.BID, Decimal("0.001"))
        self.look(floor)
        floor.run_often(6)
        assert now_of(cycle).state in ("open", "closing", "closed")

    def test_what_is_gone_is_lost_and_the_rest_is_the_owners(
        self, floor: Floor
    ) -> None:
        cycle = self.freeze(floor)
        services.stop_bot(bot=floor.bot, now=floor.clock())
        floor.run_often(3)
        cost, volume = now_of(cycle).cost, cycle.volume
        owner_actions.release_coins(bot=floor.bot, by=None, now=floor.clock())

        assert (now_of(cycle).state, cycle.exit_reason) == ("closed", "released")
        assert cycle.volume == cycle.cost == 0
        booked = {row.kind: row for row in Adjustment.objects.all()}
        assert booked["lost"].volume == Decimal("0.001")
        assert booked["released"].volume == volume - Decimal("0.001")
        assert booked["lost"].cost + booked["released"].cost == cost
        assert cycle.profit == -booked["lost"].cost < 0

    def test_coins_handed_over_at_cost_earn_nothing(self, floor: Floor) -> None:
        cycle = bought(floor)
        with pytest.raises(BotProblem) as refusal:
            owner_actions.release_coins(bot=floor.bot, by=None, now=floor.clock())
        assert refusal.value.code == "ORDERS_LIVE"
        services.stop_bot(bot=floor.bot, now=floor.clock())
        floor.run_often(3)
        owner_actions.release_coins(bot=floor.bot, by=None, now=floor.clock())

        assert (now_of(cycle).volume, cycle.profit) == (0, 0)
        assert Adjustment.objects.get().kind == "released"


class TestLive:
    def test_both_switches_are_needed(self, floor: Floor, settings: Any) -> None:
        ExchangeAccount.objects.update(mode="live")
        floor.run()
        assert floor.bot.reason == "LIVE_OFF"
        with pytest.raises(BotProblem, match="DANTARO_LIVE_TRADING"):
            live.enable_live(bot=floor.bot, consent=live.CONSENT, now=floor.clock())
        settings.LIVE_TRADING = True
        floor.bot.refresh_from_db()
        with pytest.raises(BotProblem, match="그대로 입력"):
            live.enable_live(bot=floor.bot, consent="네", now=floor.clock())
        live.enable_live(bot=floor.bot, consent=live.CONSENT, now=floor.clock())
        bought(floor)

        settings.LIVE_TRADING = False
        posts = len(floor.exchange.posts)
        fall(floor, 97_000_000)
        assert (floor.bot.reason, len(floor.exchange.posts)) == ("LIVE_OFF", posts)
        ExchangeAccount.objects.update(mode="paper")


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
        services.update_options(bot=floor.bot, options=options, now=floor.clock())
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
            services.update_options(
                bot=floor.bot, options=replace(before, **change), now=floor.clock()
            )
        assert (refusal.value.code, refusal.value.field) == (
            "BOT_BUSY",
            next(iter(change)),
        )
        assert options_of(Bot.objects.get()) == before
        services.stop_bot(bot=floor.bot, now=floor.clock())
        services.update_options(
            bot=floor.bot, options=replace(before, **change), now=floor.clock()
        )
        assert options_of(Bot.objects.get()) == replace(before, **change)

    def test_no_option_is_forgotten(self) -> None:
        """Who adds an option says whether a running round looks at it."""
        at_once = {
            *("stage_cooldown_seconds", "resting_stages", "trailing"),
            *("stop_below_last", "break_even_after", "max_hold_hours", "crash_brake"),
        }
        assert services.NEXT_ROUND_OPTIONS | at_once == set(services.OPTION_COLUMNS)
        assert not services.NEXT_ROUND_OPTIONS & at_once


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
