"""A person's sale overtakes whatever the bot was about to do by itself."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.user.floor import Floor
from user_project.bots import emergency, services, switches, turns
from user_project.bots.models import Bot, BotEvent, Cycle, EmergencyStop, ServerSwitch


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


def test_a_finishing_bot_tells_of_the_sale_once(floor: Floor) -> None:
    floor.run_often(4)
    services.finish_bot(bot=floor.bot, now=floor.clock())
    for _ in range(2):
        services.stop_and_sell(bot=floor.bot, now=floor.clock())

    told = BotEvent.objects.filter(message__contains="시장가로 팔고 정지")
    assert told.count() == 1
