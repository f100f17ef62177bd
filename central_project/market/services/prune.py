"""Last step: forget what nobody reads any more."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db.models import F, Q
from django.db.models.functions import Greatest

from central_project.market.models import AnalysisRun, Candle, Coin, Publication, Unit
from central_project.market.services.backfill import MAX_DAYS

MINUTES_KEPT: Final = timedelta(days=3)
"""5-minute candles older than that live on in their hours."""


def prune(*, now: datetime) -> dict[str, int]:
    """Delete old runs (never the one readers get) and old candles; return the counts."""
    oldest_run = now - timedelta(days=settings.RETENTION_DAYS)
    current = Publication.objects.exclude(current=None).values("current")
    runs, _ = (
        AnalysisRun.objects.filter(window_start__lt=oldest_run)
        .exclude(pk__in=current)
        .delete()
    )
    oldest_hour = now - timedelta(days=MAX_DAYS)
    too_old = Q(unit=Unit.FIVE, started_at__lt=now - MINUTES_KEPT) | Q(
        unit=Unit.HOUR, started_at__lt=oldest_hour
    )
    candles, _ = Candle.objects.filter(too_old).delete()
    Coin.objects.filter(hours_from__lt=oldest_hour).update(
        hours_from=Greatest(F("hours_from"), oldest_hour)
    )
    return {"rows_of_runs": runs, "candles": candles}
