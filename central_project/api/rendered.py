"""After a run is published: its hot answers are ready before anybody asks for them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from django.utils import timezone

from central_project.api import answers, shared_state
from central_project.api.forms import keep
from central_project.market.models import AnalysisRun


def render_published(run: AnalysisRun) -> None:
    """Keep what readers get of *run* now and when it is late, then announce it.

    Raises redis.RedisError; readers then get the same bytes from the database.
    """
    now = timezone.now()
    current = answers.current_run(now=now)
    late = current.standing.at(now=current.standing.valid_until + timedelta(seconds=1))
    for pipeline in dict.fromkeys((current.pipeline, late.pipeline)):
        variant = replace(current, pipeline=pipeline)
        keep(variant.standing, answers.hot(variant))
    shared_state.announce(current.standing.pack(), replace=True)
