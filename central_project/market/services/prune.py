"""Last step: forget what nobody reads any more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import Min, QuerySet
from django.db.models.functions import Greatest, TruncDay

from central_project.market.models import (
    AnalysisRun,
    Candle,
    Coin,
    Publication,
    Retention,
    Unit,
)


def prune(*, now: datetime, dry_run: bool = False) -> dict[str, int]:
    """Delete old runs (never the one readers get) and candles as `Retention` says.

    The first published run of each day stays as long as the hours it is judged by: the
    report card's record of what was served.
    Returns how many runs, 5-minute candles and hours; with *dry_run* nothing is deleted.
    """
    kept = Retention.objects.get_or_create(pk=Retention.SINGLE)[0]
    oldest_hour = now - timedelta(days=kept.hours_days)
    old = {
        "runs": _runs(now - timedelta(days=kept.runs_days), judged_since=oldest_hour),
        "minutes": _candles(Unit.FIVE, now - timedelta(days=kept.minutes_days)),
        "hours": _candles(Unit.HOUR, oldest_hour),
    }
    if dry_run:
        return {name: rows.count() for name, rows in old.items()}
    with transaction.atomic():
        # What is known of a coin must not reach back further than what is stored.
        Coin.objects.filter(hours_from__lt=oldest_hour).update(
            hours_from=Greatest("hours_from", oldest_hour)
        )
        return {
            name: rows.delete()[1].get(rows.model._meta.label, 0)
            for name, rows in old.items()
        }


def _runs(before: datetime, /, *, judged_since: datetime) -> QuerySet[AnalysisRun]:
    current = Publication.objects.exclude(current=None).values("current")
    first_of_day = (
        AnalysisRun.objects.published()
        .filter(window_start__gte=judged_since)
        .annotate(day=TruncDay("window_start", tzinfo=UTC))
        .order_by()
        .values("day")
        .annotate(first=Min("window_start"))
        .values("first")
    )
    old = AnalysisRun.objects.filter(window_start__lt=before)
    return old.exclude(pk__in=current).exclude(window_start__in=first_of_day)


def _candles(unit: Unit, before: datetime, /) -> QuerySet[Candle]:
    return Candle.objects.filter(unit=unit, started_at__lt=before)
