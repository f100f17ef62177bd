"""What a migration does to rows that are there already."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command

from tests.user.factories import (
    NOW,
    make_bot,
    make_cycle,
    make_fill,
    make_order,
    make_user,
)
from user_project.bots.models import Adjustment, LedgerEntry


@pytest.mark.django_db(transaction=True)
def test_old_bookings_take_the_time_of_their_cause() -> None:
    cycle = make_cycle(make_bot(make_user("alice")))
    traded_at = NOW - timedelta(days=3)
    make_fill(make_order(cycle), traded_at=traded_at)
    gone = Adjustment.objects.create(
        cycle=cycle, kind=Adjustment.Kind.LOST, volume=Decimal(1), cost=Decimal(9)
    )
    LedgerEntry.objects.create(
        adjustment=gone,
        cycle=cycle,
        owner=cycle.bot.owner,
        account="profit",
        currency="KRW",
        amount=Decimal(9),
        at=NOW,
    )

    call_command("migrate", "bots", "0005", verbosity=0)
    call_command("migrate", "bots", verbosity=0)

    times = LedgerEntry.objects.order_by("id").values_list("at", flat=True)
    assert list(times) == [traded_at, gone.at]


@pytest.mark.django_db(transaction=True)
def test_old_bookings_take_the_owner_of_their_bot() -> None:
    owners = [make_user("alice"), make_user("bert")]
    for owner in owners:
        make_fill(make_order(make_cycle(make_bot(owner))))

    call_command("migrate", "bots", "0006", verbosity=0)
    call_command("migrate", "bots", verbosity=0)

    entries = LedgerEntry.objects.order_by("id").values_list("owner", flat=True)
    assert list(entries) == [owner.pk for owner in owners]
