"""The operator's first page: is the analysis fresh, and if not, what is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from central_project.api.models import ApiKey
from central_project.api.shared_state import KeyCalls, usage_by_key
from central_project.console.day import last_day
from central_project.console.lights import Colour, lights
from central_project.market.admin.wording import STEPS, words_for
from central_project.market.models import AnalysisRun, Publication

RUNS_SHOWN: Final = 8
KEYS_SHOWN: Final = 10
AGEING_SHARE: Final = 0.5
"""Of its validity; older data is still valid but no longer as fresh as it should be."""


@dataclass(frozen=True, kw_only=True)
class Freshness:
    """How old the data is that readers get."""

    colour: Colour
    words: str


@dataclass(frozen=True, kw_only=True)
class KeyLine:
    """One API key's calls."""

    key: ApiKey
    calls: KeyCalls


def fill(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add what the home page shows; django-unfold calls this."""
    return {**context, **_state(request)}


def live(request: HttpRequest) -> HttpResponse:
    """Answer the part of the home page that refreshes itself."""
    return render(request, "console/live.html", _state(request))


def _state(request: HttpRequest, /) -> dict[str, Any]:
    now = timezone.now()
    pointer = Publication.objects.select_related("current").first()
    current = pointer.current if pointer else None
    runs = list(AnalysisRun.objects.all()[:RUNS_SHOWN])
    return {
        "now": now,
        "current": current,
        "freshness": freshness(current, now=now),
        "runs": [_run_line(run) for run in runs],
        "steps": list(STEPS.values()),
        "running": next((run for run in runs if run.state == "running"), None),
        "newest_failure": words_for(runs[0].error_code) if runs else "",
        "newest": runs[0] if runs else None,
        "day": last_day(now=now),
        "lights": lights(now=now),
        "may_see_keys": request.user.has_perm("central_api.view_apikey"),
        "keys": _keys(now),
        "window_seconds": settings.WINDOW_SECONDS,
        "may_run": request.user.has_perm("market.add_analysisrun"),
        "flower_url": settings.FLOWER_URL,
    }


def freshness(run: AnalysisRun | None, /, *, now: datetime) -> Freshness:
    """Judge the age of *run* by how long it is valid."""
    if run is None or run.valid_until is None or run.data_as_of is None:
        return Freshness(colour=Colour.GREY, words="아직 없음")
    if run.suspect:
        return Freshness(colour=Colour.RED, words="검산 불일치")
    if now > run.valid_until:
        return Freshness(colour=Colour.RED, words="유효 기한 지남")
    validity = run.valid_until - run.data_as_of
    if now - run.data_as_of > AGEING_SHARE * validity:
        return Freshness(colour=Colour.YELLOW, words="오래되어 감")
    return Freshness(colour=Colour.GREEN, words="유효")


def _run_line(run: AnalysisRun, /) -> dict[str, Any]:
    """Return a run with one cell for each step, in their order."""
    return {
        "run": run,
        "cells": [run.steps.get(name) for name in STEPS],
        "counts": _exchange_counts(run),
        "failure": words_for(run.error_code) if run.error_code else "",
    }


def _exchange_counts(run: AnalysisRun, /) -> dict[str, Any]:
    counts = run.steps.get("collect", {}).get("counts", {})
    return {"calls": counts.get("calls"), "refused": counts.get("refused")}


def _keys(now: datetime, /) -> list[KeyLine] | None:
    """Return the busiest keys of today; None while Redis cannot tell."""
    usage = usage_by_key(now=now)
    if usage is None:
        return None
    keys = ApiKey.objects.in_bulk(usage)
    lines = [
        KeyLine(key=keys[pk], calls=calls) for pk, calls in usage.items() if pk in keys
    ]
    return sorted(lines, key=lambda line: -line.calls.today)[:KEYS_SHOWN]
