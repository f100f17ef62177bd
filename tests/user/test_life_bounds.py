"""What holds bots back: brakes, kill switches, emergencies, missing coins, live off."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection

from tests.user.factories import make_user
from tests.user.floor import Floor
from tests.user.life import bought, fall, now_of, resting
from user_project.accounts.models import ExchangeAccount
from user_project.bots import (
    deficits,
    emergency,
    live,
    owner_actions,
    services,
    switches,
)
from user_project.bots.models import (
    Adjustment,
    Brake,
    Cycle,
    ServerSwitch,
)
from user_project.bots.problems import BotProblem
from user_project.central_api.models import CentralSnapshot
from user_project.trading.orders import OrderKind, OrderRequest, Side

pytestmark = pytest.mark.usefixtures("shared_price")


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
        floor.clock.pass_seconds(31 * 60)
        CentralSnapshot.objects.update(data_as_of=floor.clock())
        floor.run_often(4)
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
