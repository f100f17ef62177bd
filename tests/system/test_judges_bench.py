"""The benchmark runs and writes its figures in the form that all benchmarks share."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

FORM = {"name", "value", "unit", "baseline", "baseline_value", "ratio"}
ASKED = {"engine_orders_per_s", "http_orders_per_s", "ticker_all_ms"}


def test_every_figure_has_a_baseline_of_the_same_run(tmp_path: Path) -> None:
    answer = subprocess.run(
        [
            *(sys.executable, "-m", "deploy.bench_simulator", "--json"),
            *("--scale", "0.01", "--directory", str(tmp_path)),
        ],
        capture_output=True,
        text=True,
        timeout=170,
    )

    assert answer.returncode == 0, answer.stderr
    figures = json.loads((tmp_path / "simulator.json").read_text(encoding="utf-8"))
    assert json.loads(answer.stdout) == figures
    assert {frozenset(one) for one in figures} == {frozenset(FORM)}
    assert {one["name"] for one in figures} >= ASKED
    for one in figures:
        assert one["value"] > 0, one
        assert one["baseline_value"] > 0, one
