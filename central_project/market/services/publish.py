"""Third step: one transaction writes a run's results and lets readers see them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from statistics import median
from typing import TYPE_CHECKING, Final

from django.conf import settings
from django.db import transaction

from central_project.market.models import (
    AnalysisRun,
    ExcludedCoin,
    Publication,
    Recommendation,
    RunState,
    SupportLevel,
)
from central_project.market.services.runs import RunLease, RunLost
from common.wire import Level

if TYPE_CHECKING:  # the web process knows this module, and has no use for pandas
    from central_project.analysis.analyzers import CoinFacts
    from central_project.market.services.analyse import Analysed

log = logging.getLogger(__name__)

TYPICAL_RUNS: Final = 5
AFTER_PUBLISH: Final[list[Callable[[AnalysisRun], None]]] = []
"""Called with each run that readers begin to get, once it is committed.

Layers above register here (their ``AppConfig.ready``). A failure is logged; it takes
nothing back, so whatever a hook prepares must have a way without it.
"""


def publish(
    *, lease: RunLease, analysed: Analysed, as_of: datetime, published_at: datetime
) -> None:
    """Store all rows, mark the run published and flip the pointer, or do nothing at all.

    Raises RunLost if another worker took the run over.
    """
    with transaction.atomic():
        owned = AnalysisRun.objects.owned(run_id=lease.run_id, attempt=lease.attempt)
        run = owned.select_for_update().first()
        if run is None:
            raise RunLost(f"run {lease.run_id}: attempt {lease.attempt} was replaced")
        _write_rows(run, analysed)
        _finish(run, analysed, as_of, published_at)
        is_current = _flip(run)
    if is_current:
        _tell(run)


def typical_duration() -> timedelta:
    """Return the median time from start to publishing of the last runs."""
    times = (
        AnalysisRun.objects.published()
        .filter(published_at__isnull=False)
        .values_list("started_at", "published_at")[:TYPICAL_RUNS]
    )
    seconds = [(end - start).total_seconds() for start, end in times if end]
    return timedelta(seconds=median(seconds) if seconds else 0)


def _write_rows(run: AnalysisRun, analysed: Analysed, /) -> None:
    for model in (SupportLevel, Recommendation, ExcludedCoin):
        model.objects.filter(run=run).delete()  # an earlier attempt's rows
    SupportLevel.objects.bulk_create([_support(run, fact) for fact in analysed.facts])
    Recommendation.objects.bulk_create(_recommendations(run, analysed))
    ExcludedCoin.objects.bulk_create(
        [
            ExcludedCoin(run=run, market=market, reason=reason)
            for market, reason in sorted(analysed.excluded.items())
        ]
    )


def _support(run: AnalysisRun, fact: CoinFacts, /) -> SupportLevel:
    answer = fact.support
    return SupportLevel(
        run=run,
        market=fact.market,
        price=answer.price,
        levels=answer.model_dump(mode="json")["levels"],
        **{level.value: answer.levels[level].price for level in Level},
    )


def _recommendations(run: AnalysisRun, analysed: Analysed, /) -> list[Recommendation]:
    rows = []
    for coin in analysed.ranking.scored:
        if coin.recommendation is None:
            continue
        wire = coin.recommendation.model_dump(mode="json")
        rows.append(
            Recommendation(
                run=run,
                market=wire.pop("symbol"),
                breakdown={name: dict(part) for name, part in coin.components.items()},
                **wire,
            )
        )
    return rows


def _finish(
    run: AnalysisRun, analysed: Analysed, as_of: datetime, published_at: datetime, /
) -> None:
    window = timedelta(seconds=settings.WINDOW_SECONDS)
    run.state = RunState.PUBLISHED
    run.published_attempt = run.attempt
    run.data_as_of = as_of
    run.published_at = published_at
    run.valid_until = as_of + timedelta(seconds=settings.VALIDITY_SECONDS)
    run.next_run_at = run.window_start + window + typical_duration()
    run.coins_ok = len(analysed.facts)
    run.coins_failed = len(analysed.failed)
    run.excluded_count = len(analysed.excluded)
    run.universe_size = len(analysed.excluded) + len(analysed.ranking.scored)
    run.market_status = analysed.status.model_dump(mode="json")
    run.settings = analysed.settings
    run.audit, run.suspect = analysed.audit, analysed.suspect
    run.save()


def _flip(run: AnalysisRun, /) -> bool:
    """Point readers at *run*; False if they already have a newer window."""
    pointer = Publication.objects.select_for_update().get(pk=Publication.SINGLE)
    if pointer.current is not None and pointer.current.window_start > run.window_start:
        return False
    pointer.current = run
    pointer.save(update_fields=["current"])
    return True


def _tell(run: AnalysisRun, /) -> None:
    for hook in AFTER_PUBLISH:
        try:
            hook(run)
        except Exception:
            log.exception("market.run.hook_failed: %s of %s", hook, run.run_id)
