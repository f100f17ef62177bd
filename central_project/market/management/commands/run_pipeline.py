"""Analyse this window now and show each step."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone
from rich.console import Console
from rich.table import Table

from central_project.market.models import AnalysisRun, RunState
from central_project.market.services import runs
from central_project.market.services.pipeline import run_pipeline
from central_project.market.services.source import exchange_source


class Command(BaseCommand):
    """``run_pipeline [--json]``; exit code 0 only if the run was published."""

    help = "Analyse the current window now: collect, analyse, publish, prune."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare the arguments."""
        parser.add_argument("--json", action="store_true", help="print one JSON object")
        parser.add_argument(
            "--last",
            action="store_true",
            help="show the last published run; analyse nothing",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Claim the window and work on it in this process, or show the last run."""
        run = _last_published() if options["last"] else _run_now()
        if options["json"]:
            self.stdout.write(json.dumps(_summary(run), ensure_ascii=False))
        else:
            Console(file=self.stdout, width=100).print(_table(run))  # type: ignore[arg-type]
        if run.state != RunState.PUBLISHED:
            raise CommandError(f"{run.error_code}: {run.error}")


def _run_now() -> AnalysisRun:
    try:
        lease = runs.claim_now(now=timezone.now())
        return run_pipeline(lease=lease, source=exchange_source(), clock=timezone.now)
    except (runs.RunBusy, runs.RunLost) as error:
        raise CommandError(str(error)) from error


def _last_published() -> AnalysisRun:
    run = AnalysisRun.objects.filter(state=RunState.PUBLISHED).first()
    if run is None:
        raise CommandError("nothing was published yet: run it without --last")
    return run


def _summary(run: AnalysisRun, /) -> dict[str, Any]:
    return {
        "run_id": run.run_id,
        "state": run.state,
        "coins_ok": run.coins_ok,
        "coins_failed": run.coins_failed,
        "excluded_count": run.excluded_count,
        "universe_size": run.universe_size,
        "steps": dict(run.ordered_steps()),
        "error_code": run.error_code,
        "error": run.error,
    }


def _table(run: AnalysisRun, /) -> Table:
    table = Table(title=f"{run.run_id}: {run.state}")
    for heading in ("step", "seconds", "counts", "error"):
        table.add_column(heading)
    for name, step in run.ordered_steps():
        counts = ", ".join(f"{k} {v}" for k, v in step.get("counts", {}).items())
        table.add_row(name, str(step.get("seconds", "")), counts, step.get("error", ""))
    return table
