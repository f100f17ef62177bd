"""A stored run that somebody asks for by its name or by a time (``?as_of=``)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from central_project.api.answers import Current, current_run
from central_project.api.errors import ApiProblem
from central_project.api.requests import parse_as_of
from central_project.market.models import AnalysisRun

DAY: Final = 24 * 3600


@dataclass(frozen=True)
class Past(Current):
    """A run as it was published, for looking back.

    Its answers never change, so they cannot say when they became old: they are always
    ``stale``, and nobody starts a trade on a question about the past.
    """

    is_named: bool
    """Asked for by run_id: these bytes are final. A time may get a repeated run."""

    @property
    def stale(self) -> bool:
        """Tell readers to decide nothing new on this."""
        return True

    @property
    def cache_control(self) -> str:
        """Return how long an HTTP cache may keep it."""
        return f"private, max-age={DAY}, immutable" if self.is_named else "no-cache"


def run_as_of(text: str, /, *, now: datetime) -> Past:
    """Return the run named *text*, or the one that readers got at the time *text*.

    Raises a 400 problem for text that is neither and 404 with the oldest kept time.
    """
    moment, run_id = parse_as_of(text, now=now)
    # Not by state: a run that is being repeated is still what readers get.
    kept = AnalysisRun.objects.select_related("settings").exclude(published_at=None)
    if run_id:
        run = kept.filter(window_start=moment).first()
        run = run if run and run.run_id == run_id else None
    else:
        run = kept.filter(published_at__lte=moment).first()
    if run is None:
        raise _not_kept(now)
    return Past(
        run=run,
        pipeline="suspect" if run.suspect else "ok",
        exchange="ok",
        is_named=run_id is not None,
    )


def _not_kept(now: datetime, /) -> ApiProblem:
    current_run(now=now)  # before the first run that is what there is to say
    oldest = (
        AnalysisRun.objects.exclude(published_at=None)
        .order_by("published_at")
        .values_list("published_at", flat=True)
        .first()
    )
    return ApiProblem(
        404,
        "RUN_NOT_KEPT",
        f"That run is not kept. The oldest kept run was published at"
        f" {oldest:%Y-%m-%dT%H:%M:%SZ}; ask for that time or a later one.",
    )
