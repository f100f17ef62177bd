"""This machine's clock is not the exchange's: orders are known, no new round begins."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.user.floor import Floor
from tests.user.life import fall
from user_project.bots import doctor
from user_project.bots.booking import Mismatch, check_is_ours
from user_project.bots.models import Bot, Cycle, Order

pytestmark = pytest.mark.django_db
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)


def _apart(monkeypatch: pytest.MonkeyPatch, floor: Floor, by: timedelta) -> None:
    monkeypatch.setattr(type(floor.exchange), "clock_offset", by)


@pytest.mark.parametrize(
    ("by", "begins"), [(30 * SECOND, True), (31 * SECOND, False), (-2 * HOUR, False)]
)
def test_no_round_begins_while_the_clocks_are_apart(
    floor: Floor, monkeypatch: pytest.MonkeyPatch, by: timedelta, begins: bool
) -> None:
    _apart(monkeypatch, floor, by)

    floor.run_often(3)

    assert Cycle.objects.exists() is begins
    assert (Bot.objects.get().reason == "CLOCK_OFF") is not begins


def test_a_running_round_goes_on_and_a_new_one_waits_for_the_clock(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    floor.run_often(3)
    _apart(monkeypatch, floor, 2 * HOUR)

    price = Order.objects.get(stage=2).price
    assert price is not None
    fall(floor, int(price))

    assert Order.objects.get(stage=2).state == "filled"
    assert Order.objects.filter(stage=4, state="open").exists()


@pytest.mark.parametrize(
    ("offset", "known"),
    [
        (timedelta(0), False),
        (-2 * HOUR, True),
        (-2 * HOUR + 61 * SECOND, False),
        (2 * HOUR, False),
    ],
)
def test_an_unknown_order_is_as_old_as_the_exchanges_clock_says(
    floor: Floor, offset: timedelta, known: bool
) -> None:
    floor.run_often(3)
    order = Order.objects.get(stage=2)
    view = floor.exchange.get_order(identifier=order.identifier)
    earlier = replace(view, created_at=order.created_at - 2 * HOUR)
    order.exchange_uuid = None

    if known:
        check_is_ours(order=order, view=earlier, clock_offset=offset)
    else:
        with pytest.raises(Mismatch, match="older"):
            check_is_ours(order=order, view=earlier, clock_offset=offset)


def test_an_adopted_order_is_known_by_its_number_whatever_the_clock(
    floor: Floor,
) -> None:
    floor.run_often(3)
    order = Order.objects.get(stage=2)
    view = floor.exchange.get_order(identifier=order.identifier)

    check_is_ours(order=order, view=replace(view, created_at=view.created_at - HOUR))

    assert order.exchange_uuid == view.uuid
    with pytest.raises(Mismatch, match="another"):
        check_is_ours(order=order, view=replace(view, uuid="another"))


def test_the_doctor_tells_of_the_clock(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    _apart(monkeypatch, floor, HOUR)
    monkeypatch.setattr(doctor, "adapter_for", lambda *, account: floor.exchange)
    monkeypatch.setattr(doctor, "open_keys", lambda *, account: None)
    account = floor.bot.account

    checks = doctor.examine(now=floor.clock())

    (found,) = [check for check in checks if check.name == f"account {account.name}"]
    assert found.level == doctor.FAIL
    assert "NTP" in found.text
