"""Half a million candles from PostgreSQL to arrays, and on to a published run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from statistics import median
from typing import Any, Final

from deploy.bench import Figure
from deploy.bench_central_world import central_environment
from deploy.stack_options import ROOT

COINS: Final = 250
ROUNDS: Final = 3
Step = Callable[[str], None]


def figures(step: Step, *, coins: int = COINS, rounds: int = ROUNDS) -> list[Figure]:
    """Measure reading *coins* x 2,160 rows and a whole run on them."""
    step(f"store: {coins} coins in PostgreSQL, read and analysed")
    with central_environment() as env:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "deploy.bench_central_rows",
                str(coins),
                str(rounds),
            ],
            cwd=ROOT,
            env=env,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    return _figures(json.loads(done.stdout.splitlines()[-1]), coins)


def _figures(found: dict[str, Any], coins: int) -> list[Figure]:
    def cpu(name: str) -> float:
        return median(float(one["cpu_ms"]) for one in found[name])

    def wall(name: str) -> float:
        return median(float(one["wall_ms"]) for one in found[name])

    rows = f"{found['rows']:,} hourly rows of {coins} coins"
    return [
        Figure(
            name="load_cpu_vs_orm",
            value=cpu("orm") / cpu("copy"),
            unit="x",
            baseline="Django ORM objects",
            baseline_value=1.0,
            about=f"{rows} to one frame per coin: CPU time of the client"
            f" {cpu('copy'):,.0f} ms, ORM objects alone {cpu('orm'):,.0f} ms; wall with"
            f" the server's part {wall('copy'):,.0f} and {wall('orm'):,.0f} ms",
        ),
        Figure(
            name="rows_to_published_cpu_ms",
            value=cpu("run"),
            unit="CPU ms",
            baseline="reading ORM objects alone",
            baseline_value=cpu("orm"),
            about=f"{rows} in PostgreSQL to a published run: read, series, figures,"
            " levels, audit, ranking, one transaction; wall"
            f" {wall('run'):,.0f} ms with the server's part",
        ),
        Figure(
            name="rows_to_published_peak_mb",
            value=found["peak_mb"],
            unit="MB",
            baseline="with the ORM's objects",
            baseline_value=found["orm_peak_mb"],
            about="peak memory of the process that reads, analyses and publishes",
        ),
    ]
