"""`/metrics` for Prometheus: HTTP figures, and what the database knows at this moment.

The figures of the pipeline are read when somebody asks, so every web process tells the
same whoever made them. HTTP figures are the process's own; with several web processes
PROMETHEUS_MULTIPROC_DIR (a directory, emptied at the start) adds them up.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily as Gauge
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from central_project.api.models import KEY_MARK, ApiKey
from central_project.api.shared_state import usage_by_key
from central_project.market.models import AnalysisRun, RunState
from central_project.market.services import vitals


def metrics(request: HttpRequest) -> HttpResponse:
    """Answer whoever knows METRICS_TOKEN; without one the door is closed to all."""
    token = settings.METRICS_TOKEN
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    is_known = hmac.compare_digest(given.strip().encode(), token.encode())
    if not token or scheme.lower() != "bearer" or not is_known:
        return HttpResponse(
            "Send `Authorization: Bearer <METRICS_TOKEN>`; the operator sets"
            " METRICS_TOKEN in .env.central.\n",
            status=401,
            content_type="text/plain",
            headers={"WWW-Authenticate": 'Bearer realm="metrics"'},
        )
    text = generate_latest(_processes()) + generate_latest(_OWN)
    return HttpResponse(text, content_type=CONTENT_TYPE_LATEST)


def _processes() -> CollectorRegistry:
    """Return the counters of this process, or of all of them together."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return registry


class Figures(Collector):
    """The server's own gauges; a store that is away leaves its figures out."""

    def collect(self) -> Iterator[Gauge]:
        """Yield every gauge as it is now."""
        now = timezone.now()
        up = Gauge("dantaro_up", "Whether a store answers", labels=["store"])
        try:
            figures = [*_runs(), *_served(now), *_beat(now)]
            names = dict(ApiKey.objects.values_list("pk", "prefix"))
        except DatabaseError:
            connection.close()
            figures, names = [], {}
            up.add_metric(["database"], 0)
        else:
            up.add_metric(["database"], 1)
        usage = usage_by_key(now=now)
        up.add_metric(["redis"], usage is not None)
        yield up
        yield from figures
        yield from _calls(usage or {}, names)


def _runs() -> Iterator[Gauge]:
    by_state = Gauge("dantaro_runs", "Kept analysis runs by state", labels=["state"])
    counted = dict(
        AnalysisRun.objects.order_by().values_list("state").annotate(Count("pk"))
    )
    for state in RunState.values:
        by_state.add_metric([state], counted.get(state, 0))
    yield by_state
    suspects = AnalysisRun.objects.filter(suspect=True).count()
    yield Gauge("dantaro_runs_suspect", "Kept runs whose audit did not agree", suspects)


def _served(now: datetime, /) -> Iterator[Gauge]:
    served = vitals.served(now=now)
    good = Gauge("dantaro_run_is", "How good the served run is", labels=["state"])
    for state in ("ok", "suspect", "stale", "none"):
        good.add_metric([state], served.state == state)
    yield good
    run = served.run
    if run is None or served.age is None:
        return
    yield Gauge(
        "dantaro_run_age_seconds",
        "Age of the data that readers get",
        served.age.total_seconds(),
    )
    coins = Gauge("dantaro_coins", "Coins of the served run", labels=["result"])
    coins.add_metric(["ok"], run.coins_ok)
    coins.add_metric(["failed"], run.coins_failed)
    coins.add_metric(["excluded"], run.excluded_count)
    yield coins
    yield from _steps(dict(run.ordered_steps()))


def _steps(steps: dict[str, dict[str, Any]], /) -> Iterator[Gauge]:
    seconds = Gauge("dantaro_step_seconds", "Time a step took", labels=["step"])
    counts = Gauge(
        "dantaro_step_count",
        "What a step counted: calls to the exchange, refused ones (429), coins, ...",
        labels=["step", "count"],
    )
    for name, step in steps.items():
        if "seconds" in step:
            seconds.add_metric([name], step["seconds"])
        for count, value in step.get("counts", {}).items():
            if isinstance(value, int | float):
                counts.add_metric([name, count], value)
    yield seconds
    yield counts


def _beat(now: datetime, /) -> Iterator[Gauge]:
    beat = vitals.beat(now=now)
    yield Gauge(
        "dantaro_beat_ok", "Whether the scheduler is on time", beat.state == "ok"
    )
    if beat.age is not None:
        yield Gauge(
            "dantaro_beat_age_seconds",
            "Since the scheduler's last sign of life",
            beat.age.total_seconds(),
        )


def _calls(usage: dict[int, Any], names: dict[int, str], /) -> Iterator[Gauge]:
    calls = Gauge(
        "dantaro_api_calls_today", "API requests since midnight", labels=["key"]
    )
    refused = Gauge(
        "dantaro_api_refused_today", "Those answered with 429", labels=["key"]
    )
    for number, counted in usage.items():
        if number in names:
            calls.add_metric([f"{KEY_MARK}{names[number]}"], counted.today)
            refused.add_metric([f"{KEY_MARK}{names[number]}"], counted.refused_today)
    yield calls
    yield refused


_OWN = CollectorRegistry(auto_describe=False)
_OWN.register(Figures())
