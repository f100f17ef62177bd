"""One run from claim to end: collect, analyse, publish, prune."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Final

from django.conf import settings

from central_project.market.models import AnalysisRun, RunState
from central_project.market.services import runs
from central_project.market.services.analyse import Analysed, analyse
from central_project.market.services.collect import Collected, collect
from central_project.market.services.prune import prune
from central_project.market.services.publish import publish
from central_project.market.sources import MarketSource, SourceError

log = logging.getLogger(__name__)

MAX_FAILED_SHARE: Final = 0.30
"""Above it the ranking would compare a remnant: the previous run stays."""


class TooManyFailed(Exception):
    """So many markets failed that the previous results are the better answer."""


def run_pipeline(
    *, lease: runs.RunLease, source: MarketSource, clock: Callable[[], datetime]
) -> AnalysisRun:
    """Work through the run that *lease* holds and return it, published or failed.

    Raises RunLost if another worker has it; unexpected errors mark the run and rise.
    """
    lease.begin()
    try:
        _work(lease, source, clock)
    except runs.RunLost:
        raise
    except TooManyFailed as error:
        runs.fail(lease=lease, code="TOO_MANY_FAILED", error=str(error))
    except SourceError as error:
        runs.fail(lease=lease, code="EXCHANGE_UNAVAILABLE", error=str(error))
    except Exception as error:
        runs.fail(lease=lease, code="CRASHED", error=repr(error))
        raise
    run = AnalysisRun.objects.get(pk=lease.run_id)
    if run.state == RunState.FAILED:
        log.warning("run %s failed: %s %s", run.run_id, run.error_code, run.error)
    return run


def _work(
    lease: runs.RunLease, source: MarketSource, clock: Callable[[], datetime], /
) -> None:
    days = settings.HISTORY_DAYS
    with lease.step("collect") as counts:
        collected = collect(
            source=source, now=clock(), history_days=days, beat=lease.beat
        )
        counts |= {"coins": len(collected.coins), "failed": len(collected.failed)}
        _refuse_remnant(collected, collected.failed)
    with lease.step("analyse") as counts:
        analysed = analyse(collected=collected, history_days=days, beat=lease.beat)
        counts |= _counts(analysed)
        _refuse_remnant(collected, analysed.failed)
    with lease.step("publish"):
        publish(
            lease=lease,
            analysed=analysed,
            as_of=collected.as_of,
            published_at=clock(),
        )
    _prune(lease, clock())


def _prune(lease: runs.RunLease, now: datetime, /) -> None:
    """Tidy up; a failure here takes nothing back from what was published."""
    try:
        with lease.step("prune") as counts:
            counts |= prune(now=now)
    except Exception:
        log.exception("pruning failed; the run stays published")


def _counts(analysed: Analysed, /) -> dict[str, int]:
    return {
        "analysed": len(analysed.facts),
        "ranked": len(analysed.ranking.scored),
        "excluded": len(analysed.excluded),
        "failed": len(analysed.failed),
    }


def _refuse_remnant(collected: Collected, failed: dict[str, str], /) -> None:
    if len(failed) <= MAX_FAILED_SHARE * len(collected.coins):
        return
    reasons = sorted(set(failed.values()))
    remedy = (
        " Load the history first: manage_central.py backfill --days"
        f" {settings.HISTORY_DAYS}."
        if "HISTORY_LOADING" in reasons
        else ""
    )
    raise TooManyFailed(
        f"{len(failed)} of {len(collected.coins)} markets failed"
        f" ({', '.join(reasons)}).{remedy}"
    )
