"""A day without central: running rounds do exactly what they would have done with it."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from tests.user.factories import make_snapshot
from tests.user.floor import Floor, HandClock, make_floor
from user_project.bots import audit, prices
from user_project.bots.models import Bot, Fill, Order
from user_project.central_api.models import CentralSnapshot

pytestmark = pytest.mark.django_db
DAY = (
    *("99000000", "97500000", "98200000", "96900000", "96100000", "97300000"),
    *("98000000", "97000000", "96200000", "101000000", "100500000", "100000000"),
)
"""Every two hours; the round buys on the way down and sells in the end."""


@pytest.fixture
def no_shared_price(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prices, "shared", lambda *, host, market: None)
    monkeypatch.setattr(prices, "all_shared", lambda *, host: {})


def told(floor: Floor) -> list[tuple[Any, ...]]:
    """What the first round ordered and executed, without identities."""
    orders = Order.objects.filter(bot=floor.bot, cycle__seq=1).order_by(
        "created_at", "stage"
    )
    fills = Fill.objects.filter(order__in=orders).order_by("id")
    return [
        *(
            (o.stage, o.side, o.kind, o.attempt, o.price, o.requested_volume, o.funds)
            for o in orders
        ),
        *((f.price, f.volume, f.funds, f.fee) for f in fills),
    ]


def a_day(floor: Floor, monkeypatch: pytest.MonkeyPatch, *, central: bool) -> None:
    """Play the day; with *central* a fresh analysis comes every quarter of an hour."""
    monkeypatch.setattr(
        "user_project.bots.runner.adapter_for", lambda *, account: floor.exchange
    )
    for number, price in enumerate(DAY):
        floor.exchange.trade_at(price)
        for step in range(8):
            if central:
                _analyse(floor, number * 8 + step)
            floor.run(seconds=900)


def _analyse(floor: Floor, number: int) -> None:
    CentralSnapshot.objects.all().delete()
    make_snapshot(floor.clock() + timedelta(seconds=890), run_id=f"run-{number}")


def test_a_running_round_is_the_same_without_central(
    monkeypatch: pytest.MonkeyPatch, no_shared_price: None
) -> None:
    from django.utils import timezone

    start, played = timezone.now(), []
    for central in (True, False):
        floor = _begin(start, monkeypatch)
        a_day(floor, monkeypatch, central=central)
        _audit(floor)
        played.append(told(floor))
        first = floor.bot.cycles.get(seq=1)
        assert (first.state, first.exit_reason) == ("closed", "take_profit")
        later = floor.bot.cycles.filter(seq__gt=1).count()
        # With central a next round begins; without it none does, ever.
        assert (later > 0) is central
        if not central:
            assert floor.bot.reason == "STALE_DATA"
            CentralSnapshot.objects.all().delete()
            make_snapshot(floor.clock(), run_id="back")
            floor.run(seconds=31)
            assert floor.bot.cycles.count() == 2
        _forget(floor)
    with_central, without = played
    assert with_central == without
    assert len(without) > 8


def _begin(start: Any, monkeypatch: pytest.MonkeyPatch) -> Floor:
    floor = make_floor(HandClock(start))
    Bot.objects.update(stage_cooldown_seconds=0, cycle_cooldown_seconds=3600)
    floor.bot.account.reconciled_at = start + timedelta(days=3)
    floor.bot.account.save()
    monkeypatch.setattr(
        "user_project.bots.runner.adapter_for", lambda *, account: floor.exchange
    )
    CentralSnapshot.objects.all().delete()
    make_snapshot(start)
    floor.run_often(4)
    assert floor.bot.cycles.get().volume > Decimal(0)
    return floor


def _audit(floor: Floor) -> None:
    account = floor.bot.account
    assert audit.audit(accounts=[account], now=floor.clock(), ask_exchange=False) == []
    assert audit.against_exchange(account=account, adapter=floor.exchange) == []


def _forget(floor: Floor) -> None:
    owner = floor.bot.owner
    owner.username = f"{owner.username}-{owner.pk}"
    owner.save()
