"""One run from claim to end: collect, analyse, publish, prune.

Coins are analysed while the next ones are being collected. The step "analyse" is what
remains when the last candle has come: to compare the coins with each other.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings

from central_project.market.models import AnalysisRun, RunState
from central_project.market.services import runs
from central_project.market.services.analyse import Analysed, Analyst
from central_project.market.services.collect import (
    MAX_FAILED_SHARE,
    Collection,
    TooManyFailed,
    collecting,
)
from central_project.market.services.facts import History
from central_project.market.services.prune import prune
from central_project.market.services.publish import publish
from central_project.market.sources import MarketSource, SourceError

log = logging.getLogger(__name__)

_TOO_SLOW: Final = (
    "the run took longer than a worker may work on it; the exchange answers too slowly, or"
    " too many markets lack their history: manage_central.py backfill loads it"
)


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
        runs.fail(lease=lease, code=error.code, error=str(error))
    except SoftTimeLimitExceeded:
        runs.fail(lease=lease, code="TOO_SLOW", error=_TOO_SLOW)
    except Exception as error:
        runs.fail(lease=lease, code="CRASHED", error=repr(error))
        raise
    run = AnalysisRun.objects.get(pk=lease.run_id)
    _tell(run)
    return run


def _tell(run: AnalysisRun, /) -> None:
    """Write the one line that a search of the logs finds for every run."""
    if run.state == RunState.FAILED:
        log.warning("market.run.failed: %s %s", run.error_code, run.error)
        return
    figures = {
        "coins_ok": run.coins_ok,
        "coins_failed": run.coins_failed,
        "suspect": run.suspect,
        "seconds": {name: step.get("seconds") for name, step in run.ordered_steps()},
    }
    log.info("market.run.published", extra=figures)


def _work(
    lease: runs.RunLease, source: MarketSource, clock: Callable[[], datetime], /
) -> None:
    now = clock()
    with lease.step("collect") as counts:
        with (
            _counted(source, counts),
            collecting(
                source=source, now=now, history_days=settings.HISTORY_DAYS
            ) as collection,
        ):
            analyst = _analyse_arrivals(lease, collection)
        counts |= {"coins": len(collection.coins), "failed": len(collection.failed)}
        _refuse_remnant(collection, collection.failed)
    with lease.step("analyse") as counts:
        analysed = analyst.finish(coins=collection.coins, unreadable=collection.failed)
        counts |= _counts(analysed)
        _refuse_remnant(collection, analysed.failed)
        _refuse_nothing(collection, analysed)
    with lease.step("publish"):
        publish(lease=lease, analysed=analysed, as_of=now, published_at=clock())
    _prune(lease, clock())


def _analyse_arrivals(lease: runs.RunLease, collection: Collection, /) -> Analyst:
    """Analyse each coin while the next ones are on their way."""
    history = History(as_of=collection.as_of, days=settings.HISTORY_DAYS)
    analyst = Analyst(history=history, seed=f"{lease.run_id}-{lease.attempt}")
    for coin in collection.arrivals(beat=lease.beat):
        analyst.add(
            coin=coin,
            ticker=collection.prices.of(coin.market),
            book=collection.books().get(coin.market),
        )
    return analyst


@contextmanager
def _counted(source: MarketSource, counts: dict[str, Any], /) -> Iterator[None]:
    """Note the calls of a step and how many were refused, also of one that fails."""
    before = source.usage()
    try:
        yield
    finally:
        usage = source.usage()
        counts |= {
            "calls": usage.calls - before.calls,
            "refused": usage.refused - before.refused,
            "clock_ahead_seconds": usage.clock_ahead,
        }


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
        "audited": len(analysed.audit["coins"]),
    }


def _refuse_nothing(collection: Collection, analysed: Analysed, /) -> None:
    """Keep the previous run when no coin has a history, as after a loss of candles."""
    if not analysed.facts:
        raise TooManyFailed(
            f"not one of {len(collection.coins)} markets has enough history."
            + _load_first()
        )


def _refuse_remnant(collection: Collection, failed: dict[str, str], /) -> None:
    if len(failed) <= MAX_FAILED_SHARE * len(collection.coins):
        return
    reasons = sorted(set(failed.values()))
    remedy = _load_first() if "HISTORY_LOADING" in reasons else ""
    raise TooManyFailed(
        f"{len(failed)} of {len(collection.coins)} markets failed"
        f" ({', '.join(reasons)}).{remedy}"
    )


def _load_first() -> str:
    return (
        " Load the history first: manage_central.py backfill --days"
        f" {settings.HISTORY_DAYS}."
    )
