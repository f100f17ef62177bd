"""A stored run that somebody asks for by its name or by a time (``?as_of=``)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Final

from central_project.api.answers import Current, current_run
from central_project.api.errors import ApiProblem
from central_project.api.requests import parse_as_of
from central_project.market.models import AnalysisRun, AnalysisRunQuerySet

DAY: Final = 24 * 3600


@dataclass(frozen=True)
class Past(Current):
    """A run as it was published, for looking back.

    Its answers never change, so they cannot say when they became old: they are always
    ``stale``, and nobody starts a trade on a question about the past.
    """

    is_kept: ClassVar[bool] = False

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
    asked = parse_as_of(text)
    run = _named(asked) if isinstance(asked, str) else _current_at(asked, now)
    if run is None:
        raise _not_kept(now)
    return Past(
        run=run,
        pipeline="suspect" if run.suspect else "ok",
        exchange="ok",
        is_named=isinstance(asked, str),
    )


def _kept() -> AnalysisRunQuerySet:
    """Return runs with results; not by state: one being repeated is still read."""
    runs: AnalysisRunQuerySet = AnalysisRun.objects.select_related("settings")
    return runs.exclude(published_at=None)


def _named(run_id: str, /) -> AnalysisRun | None:
    """Return the run; None also when a repetition of its window has replaced it."""
    try:
        window = datetime.strptime(run_id.partition("-")[0], "%Y%m%dT%H%M%S%z")
    except ValueError:
        return None  # no such day: nobody was ever given this name
    run = _kept().filter(window_start=window).first()
    return run if run and run.run_id == run_id else None


def _current_at(moment: datetime, now: datetime, /) -> AnalysisRun | None:
    """Return the newest window published by then; None before the first, or not yet."""
    if moment > now:
        return None
    return _kept().filter(published_at__lte=moment).first()


def _not_kept(now: datetime, /) -> ApiProblem:
    current_run(now=now)  # before the first run that is what there is to say
    oldest = _kept().order_by("published_at").values_list("published_at", flat=True)[0]
    return ApiProblem(
        404,
        "RUN_NOT_KEPT",
        "That run is not kept, or is still to come. Ask for a time from"
        f" {oldest:%Y-%m-%dT%H:%M:%SZ}, when the oldest kept run was published, to now.",
    )
