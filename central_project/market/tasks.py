"""Celery tasks: they wake the services, nothing more. Their queues are in settings."""

from __future__ import annotations

import logging
from typing import Any

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from central_project.market.services import prune as pruning
from central_project.market.services import report_card as reports
from central_project.market.services import runs
from central_project.market.services.pipeline import run_pipeline as work
from central_project.market.services.source import exchange_source

log = logging.getLogger(__name__)


@shared_task(name="market.ensure_run")
def ensure_run(**_: Any) -> None:
    """Start or take over the window that is due; two beats do no harm."""
    lease = runs.claim_due(now=timezone.now())
    if lease is not None:
        run_pipeline.apply_async(
            kwargs={"run_id": lease.run_id, "attempt": lease.attempt},
            expires=max(settings.WINDOW_SECONDS, 60),
        )


@shared_task(name="market.run_pipeline", soft_time_limit=270, time_limit=300)
def run_pipeline(*, run_id: int, attempt: int, **_: Any) -> None:
    """Work on one claimed run; a message that came too late finds its attempt replaced."""
    lease = runs.RunLease(run_id, attempt)
    try:
        work(lease=lease, source=exchange_source(), clock=timezone.now)
    except runs.RunLost as lost:
        log.info("%s", lost)


@shared_task(name="market.report_card", soft_time_limit=1500, time_limit=1560)
def report_card(**_: Any) -> None:
    """Judge the last 90 days; about four milliseconds per coin and day."""
    period = reports.Period.last(now=timezone.now())
    cards, missing = reports.both_sections(period=period, days=settings.HISTORY_DAYS)
    for card in cards:
        log.info("market.report_card.stored: %s, %s", card.section, card.finding)
    for section, why in missing.items():
        log.info("market.report_card.nothing: %s: %s", section, why)


@shared_task(name="market.prune")
def prune(**_: Any) -> None:
    """Tidy up even while no run gets as far as its own pruning."""
    pruning.prune(now=timezone.now())
