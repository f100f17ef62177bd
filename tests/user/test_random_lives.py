"""Bots with random options on random markets, with faults and restless owners.

Whatever happens, the books hold and equal the exchange, no bot halts, nothing is doubled.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.user.factories import make_snapshot
from tests.user.floor import Floor
from user_project.accounts.models import ExchangeAccount
from user_project.bots import owner_actions, services, switches
from user_project.bots.models import Bot, Cycle, Order, ServerSwitch
from user_project.bots.problems import BotProblem
from user_project.central_api.models import CentralSnapshot
from user_project.exchanges.adapter import Ambiguous, Refused
from user_project.trading.lifecycle import UNSETTLED_ORDERS
from user_project.trading.orders import Side

STEPS = 120
LIVES = int(os.environ.get("LIVES", "12"))
"""More by hand: a life differs each time, for bots' names are drawn anew."""


def options(chance: random.Random) -> dict[str, Any]:
    """Return a random mixture of everything an owner can choose."""

    def maybe(value: str) -> Decimal | None:
        return Decimal(value) if chance.random() < 0.4 else None

    table = [
        {"drop": "0", "weight": "1"},
        {"drop": "0.02", "weight": "2"},
        {"drop": "0.05", "weight": "1.5"},
    ]
    return {
        "stages": chance.randint(1, 8),
        "shape": chance.choice(["geometric", "equal", "linear"]),
        "take_profit": Decimal(chance.choice(["0.004", "0.015", "0.03"])),
        "jitter": Decimal(chance.choice(["0", "0.25"])),
        "stage_table": table if chance.random() < 0.3 else None,
        "resting_stages": chance.randint(0, 4),
        "stage_cooldown_seconds": chance.choice([0, 5, 60]),
        "cycle_cooldown_seconds": chance.choice([0, 30]),
        "trailing": maybe("0.005"),
        "stop_below_last": maybe("0.02"),
        "break_even_after": maybe("0.006"),
        "max_hold_hours": chance.choice([None, 1]),
        "reinvest": Decimal(chance.choice(["0", "0.5"])),
    }


def wishes(floor: Floor, chance: random.Random) -> list[Callable[[], Any]]:
    bot, now = floor.bot, floor.clock()
    server, on = ServerSwitch(pk=1), chance.random() < 0.3
    return [
        lambda: services.pause_bot(bot=bot, now=now),
        lambda: services.resume_bot(bot=bot, now=now),
        lambda: services.start_bot(bot=bot, now=now),
        lambda: services.stop_bot(bot=bot, now=now),
        lambda: services.stop_and_sell(bot=bot, now=now),
        lambda: owner_actions.buy_now(bot=bot, amount=Decimal(20_000), now=now),
        lambda: owner_actions.skip_stage(bot=bot, stage=2, now=now),
        lambda: owner_actions.change_take_profit(
            bot=bot, take_profit=Decimal("0.002"), now=now
        ),
        lambda: switches.set_kill_switch(target=server, on=on, now=now),
        lambda: owner_actions.release_coins(bot=bot, by=None, now=now),
    ]


def deliver(floor: Floor) -> None:
    """Let requests arrive late; one that was sent again meanwhile is turned away."""
    with suppress(Ambiguous, Refused):
        floor.exchange.deliver()


def step(floor: Floor, chance: random.Random) -> None:
    """Let the market move, the network fail, the owner change his mind, the bot run."""
    move = Decimal(str(round(chance.gauss(0, 0.008), 5)))
    price = max(floor.exchange.price * (1 + move), Decimal(40_000_000))
    floor.exchange.trade_at(f"{floor.exchange.rules.floor_tick(price):f}")
    if chance.random() < 0.15:
        floor.exchange.faults.append(chance.choice(["lost", "unheard", "held"]))
    if chance.random() < 0.3:
        deliver(floor)
    floor.exchange.look_ups_fail = chance.random() < 0.1
    if chance.random() < 0.12:
        with suppress(BotProblem):  # not now; the owner reads why
            chance.choice(wishes(floor, chance))()
    elif floor.bot.state in ("paused", "stopped") and chance.random() < 0.3:
        start = (
            services.start_bot if floor.bot.state == "stopped" else services.resume_bot
        )
        start(bot=floor.bot, now=floor.clock())
    worker = chance.choice(["worker-a", "worker-a", "worker-b"])
    floor.run(seconds=chance.choice([1, 1, 3, 20]), worker=worker)


def check(floor: Floor) -> None:
    """What must hold at every instant."""
    assert floor.bot.state != "halted", list(
        floor.bot.events.values("kind", "data")[:3]
    )
    for cycle in Cycle.objects.all():
        assert cycle.volume >= 0
        assert cycle.spent + cycle.reserved <= cycle.budget
    accepted = [
        order.request.identifier
        for order in floor.exchange.engine.orders(account="owner")
    ]
    assert len(accepted) == len(set(accepted))
    known = set(Order.objects.values_list("identifier", flat=True))
    assert set(accepted) <= known


def settle(floor: Floor) -> None:
    """Let everything in doubt be found out, on a network that works."""
    floor.exchange.faults.clear()
    deliver(floor)
    floor.exchange.look_ups_fail = False
    switches.set_kill_switch(target=ServerSwitch(pk=1), on=False, now=floor.clock())
    for _ in range(40):
        floor.run(seconds=31)
        doubtful = Order.objects.filter(state__in=UNSETTLED_ORDERS)
        # The last look may have come before the exchange's last word.
        if not doubtful.exists() and not floor.audit():
            break


@pytest.mark.parametrize("seed", range(LIVES))
def test_a_life_of_surprises_ends_with_sound_books(
    floor: Floor, shared_price: None, seed: int
) -> None:
    chance = random.Random(seed)
    Bot.objects.update(**options(chance))
    ExchangeAccount.objects.update(reconciled_at=floor.clock() + timedelta(days=2))
    CentralSnapshot.objects.all().delete()
    later = floor.clock() + timedelta(days=2)
    make_snapshot(floor.clock(), valid_until=later.isoformat())

    floor.run_often(4, seconds=31)  # the first buy, whatever its delay
    assert Order.objects.filter(side=Side.BID).exists()
    for _ in range(STEPS):
        step(floor, chance)
        check(floor)
    settle(floor)
    check(floor)
