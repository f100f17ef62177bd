"""Forgetting: what the operator's retention says, counted before and after."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import call_command
from django.utils import timezone

from central_project.market.models import Candle, Coin, Retention, Unit
from central_project.market.services.candles import store_candles
from central_project.market.services.prune import prune
from tests.central.market_world import (
    HOUR,
    MARKETS,
    NOW,
    five_minutes,
    hour_of,
    publish_run,
)

pytestmark = pytest.mark.django_db
BTC = MARKETS[0]
DAY = timedelta(days=1)
MIDNIGHT = NOW.replace(hour=0, minute=0, second=0)


def keep(*, runs: int, minutes: int, hours: int) -> None:
    Retention.objects.update(runs_days=runs, minutes_days=minutes, hours_days=hours)


def test_each_kind_is_kept_as_long_as_the_operator_says() -> None:
    keep(runs=3, minutes=2, hours=100)
    for age in range(6):
        publish_run(now=MIDNIGHT - age * DAY, symbols=())
        publish_run(now=MIDNIGHT - age * DAY + HOUR, symbols=())
    publish_run(now=MIDNIGHT - 101 * DAY, symbols=())  # nothing left to judge it by
    publish_run(now=MIDNIGHT - 109 * DAY, symbols=())  # what readers get: stays
    for unit, make, ages in (
        (Unit.FIVE, five_minutes, (1, 2, 3)),
        (Unit.HOUR, hour_of, (1, 99, 100, 101)),
    ):
        rows = [make(BTC, MIDNIGHT - age * DAY) for age in ages]
        store_candles(market=BTC, unit=unit, rows=rows)

    counted = prune(now=MIDNIGHT, dry_run=True)
    left = Candle.objects.count()
    deleted = prune(now=MIDNIGHT)

    # Two second runs of old days and one too old; each day's first one is judged.
    assert counted == deleted == {"runs": 3, "minutes": 1, "hours": 1}
    assert left == 7
    assert prune(now=MIDNIGHT) == {"runs": 0, "minutes": 0, "hours": 0}


def test_a_coin_no_longer_claims_hours_that_were_deleted() -> None:
    keep(runs=3, minutes=2, hours=100)
    Coin.objects.create(market=BTC, hours_from=MIDNIGHT - 200 * DAY)

    prune(now=MIDNIGHT, dry_run=True)
    claimed = Coin.objects.get().hours_from
    prune(now=MIDNIGHT)

    assert claimed == MIDNIGHT - 200 * DAY
    assert Coin.objects.get().hours_from == MIDNIGHT - 100 * DAY


def test_the_command_says_what_would_go_and_deletes_only_when_told() -> None:
    old = timezone.now().replace(minute=0, second=0, microsecond=0) - 500 * DAY
    store_candles(market=BTC, unit=Unit.HOUR, rows=[hour_of(BTC, old - HOUR)])

    said = called("prune", "--dry-run")
    counted = json.loads(called("prune", "--dry-run", "--json"))
    done = called("prune")

    assert said.strip() == "would delete 0 runs, 0 5-minute candles, 1 hours"
    assert counted == {"runs": 0, "minutes": 0, "hours": 1}
    assert done.startswith("deleted 0 runs")
    assert not Candle.objects.exists()


def called(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()
