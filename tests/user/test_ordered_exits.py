"""A person's sale overtakes whatever the bot was about to do by itself."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.user.factories import NOW
from tests.user.floor import Floor
from user_project.accounts.models import ExchangeAccount
from user_project.bots import emergency, services, switches, turns, wording
from user_project.bots.models import (
    Bot,
    BotEvent,
    Cycle,
    EmergencyStop,
    Order,
    ServerSwitch,
)
from user_project.trading.facts import Why
from user_project.trading.orders import Side


@pytest.fixture
def leaving(floor: Floor) -> Cycle:
    """A round that a stop is about to sell; a kill switch holds that sale."""
    Bot.objects.update(stop_below_last=Decimal("0.02"))
    floor.run_often(4)
    cycle: Cycle = floor.bot.cycles.get()
    switches.set_kill_switch(target=ServerSwitch(pk=1), on=True, now=floor.clock())
    Cycle.objects.update(exit_reason="stop_loss", state="closing")
    floor.run_often(4, seconds=6)
    cycle.refresh_from_db()
    assert (cycle.state, floor.bot.reason) == ("closing", "KILL_SWITCH")
    return cycle


def test_an_emergency_sells_what_a_stop_was_about_to_sell(
    floor: Floor, leaving: Cycle
) -> None:
    stop = emergency.stop_everything(
        owner=floor.bot.owner, sell_all=True, by=None, now=floor.clock()
    )
    floor.run_often(6)

    leaving.refresh_from_db()
    assert (leaving.state, leaving.exit_reason) == ("closed", "emergency")
    assert emergency.results(stop=stop)[0].done


def test_the_owner_sells_what_a_stop_was_about_to_sell(
    floor: Floor, leaving: Cycle
) -> None:
    services.stop_and_sell(bot=floor.bot, now=floor.clock())
    floor.run_often(6)

    leaving.refresh_from_db()
    assert (leaving.state, leaving.exit_reason) == ("closed", "owner")


def test_a_stop_decided_meanwhile_does_not_take_the_order_back(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The emergency comes between the bot's decision to stop and its writing it down."""
    Bot.objects.update(stop_below_last=Decimal("0.02"), stage_cooldown_seconds=3600)
    floor.run_often(4)
    original = turns.carry_out
    stops: list[EmergencyStop] = []

    def late(**arguments: Any) -> None:
        if not stops:
            stops.append(
                emergency.stop_everything(
                    owner=floor.bot.owner, sell_all=True, by=None, now=floor.clock()
                )
            )
        original(**arguments)

    monkeypatch.setattr(turns, "carry_out", late)
    floor.exchange.trade_at("90000000")
    floor.run_often(8)

    cycle = floor.bot.cycles.get()
    assert (cycle.state, cycle.exit_reason) == ("closed", "emergency")


def test_a_first_buy_committed_while_the_switch_is_turned_is_sold_too(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = switches.set_kill_switch
    assert not floor.bot.cycles.exists()

    def late(**arguments: Any) -> None:
        floor.run_often(4)
        original(**arguments)

    monkeypatch.setattr(switches, "set_kill_switch", late)
    stop = emergency.stop_everything(
        owner=floor.bot.owner, sell_all=True, by=None, now=floor.clock()
    )
    floor.run_often(8)

    cycle = floor.bot.cycles.get()
    assert (cycle.state, cycle.exit_reason) == ("closed", "emergency")
    assert stop.effects[0]["sells"]


def test_a_finishing_bot_tells_of_the_sale_once(floor: Floor) -> None:
    floor.run_often(4)
    services.finish_bot(bot=floor.bot, now=floor.clock())
    for _ in range(2):
        services.stop_and_sell(bot=floor.bot, now=floor.clock())

    told = BotEvent.objects.filter(message__contains="시장가로 팔고 정지")
    assert told.count() == 1


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"quarantined_at": NOW}, Why.QUARANTINED),
        ({"key_problem": "expired"}, Why.KEY_REFUSED),
        ({"mode": "live"}, Why.LIVE_OFF),
    ],
)
def test_a_sale_that_cannot_be_made_says_why(
    floor: Floor, change: dict[str, Any], why: Why
) -> None:
    floor.run_often(4)
    ExchangeAccount.objects.update(**change)
    stop = emergency.stop_everything(
        owner=floor.bot.owner, sell_all=True, by=None, now=floor.clock()
    )
    floor.run_often(6)

    (result,) = emergency.results(stop=stop)
    assert not result.done
    assert result.message.endswith(wording.REASONS[why])
    assert not Order.objects.live().filter(side=Side.BID).exists()
    assert Order.objects.live().filter(side=Side.ASK).exists()  # better than none


@pytest.mark.parametrize("sell_all", [True, False])
def test_the_buys_of_a_frozen_round_are_withdrawn(
    floor: Floor, *, sell_all: bool
) -> None:
    floor.run_often(4)
    Cycle.objects.update(deficit=Decimal("0.0001"))
    floor.run_often(2)
    assert Cycle.objects.get().state == "frozen"
    emergency.stop_everything(
        owner=floor.bot.owner, sell_all=sell_all, by=None, now=floor.clock()
    )
    floor.run_often(4)

    assert not Order.objects.live().filter(side=Side.BID).exists()
    assert Cycle.objects.get().volume > 0


@pytest.mark.parametrize(("sell_all", "state"), [(True, "closed"), (False, "open")])
def test_a_halted_bot_is_not_left_out(
    floor: Floor, *, sell_all: bool, state: str
) -> None:
    floor.run_often(4)
    Bot.objects.update(state="halted")
    stop = emergency.stop_everything(
        owner=floor.bot.owner, sell_all=sell_all, by=None, now=floor.clock()
    )
    floor.run_often(6)

    assert not Order.objects.live().filter(side=Side.BID).exists()
    assert Cycle.objects.get().state == state
    assert emergency.results(stop=stop)[0].done


def test_every_reason_has_its_sentence() -> None:
    missing = [why for why in Why if why and not wording.REASONS.get(why, "")]
    assert missing == []
