"""A worker process that ends by kill -9 at a chosen place.

``python -m tests.central.killed_worker`` reads one order a line, works on it in a child of
its own and answers how that ended: 0, or -9 for killed.

``run PLACE TIME``: the pipeline at TIME; PLACE is a key of PLACES, or ``nowhere``.
``backfill CALL TIME``: ten days of all markets; killed at its CALL-th call.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from importlib import import_module
from itertools import count
from typing import Any

import django

DAYS = 10
Source = Any


def main() -> None:
    """Work until the input ends."""
    django.setup()
    for name in ("services.pipeline", "management.commands.backfill"):
        import_module(f"central_project.market.{name}")  # once, for all children
    for line in sys.stdin:
        child = os.fork()
        if not child:
            kind, place, moment = line.split()
            work = {"run": _run, "backfill": _backfill}[kind]
            work(place, datetime.fromisoformat(moment))
            os._exit(0)
        ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        sys.stdout.write(f"{ended}\n")
        sys.stdout.flush()


def _die(*_: Any, **__: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _die_at(call: int) -> Callable[[], None]:
    calls = count(1)

    def look() -> None:
        if next(calls) == call:
            _die()

    return look


def _while_collecting(source: Source) -> None:
    source.before_candles = _die_at(6)


def _while_analysing(source: Source) -> None:
    from central_project.market.services.analyse import Analyst

    Analyst.finish = _die  # type: ignore[assignment]


def _while_publishing(source: Source) -> None:
    from central_project.market.services import publish

    publish._flip = _die  # type: ignore[assignment]


def _while_rendering(source: Source) -> None:
    from central_project.market.services import publish

    publish.AFTER_PUBLISH.insert(0, _die)


def _while_pruning(source: Source) -> None:
    from central_project.market.services import pipeline

    pipeline.prune = _die  # type: ignore[assignment]


PLACES: dict[str, Callable[[Source], None]] = {
    "collect": _while_collecting,
    "analyse": _while_analysing,
    "publish": _while_publishing,
    "render": _while_rendering,
    "prune": _while_pruning,
}


def _run(place: str, now: datetime) -> None:
    from django.conf import settings

    from central_project.market.services import pipeline, runs
    from tests.central.market_world import MemorySource

    settings.HISTORY_DAYS = DAYS
    source = MemorySource(now=now)
    lease = runs.claim_due(now=now)
    assert lease is not None
    PLACES.get(place, lambda _: None)(source)
    pipeline.run_pipeline(lease=lease, source=source, clock=lambda: now)


def _backfill(call: str, now: datetime) -> None:
    from django.core.management import call_command

    from central_project.market.management.commands import backfill
    from tests.central.market_world import MemorySource

    source = MemorySource(now=now)
    source.before_candles = _die_at(int(call))
    backfill.exchange_source = lambda: source
    call_command("backfill", "--days", str(DAYS))


if __name__ == "__main__":
    main()
