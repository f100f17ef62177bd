"""The central benchmarks run: their own parts in small, without the peers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deploy import bench_central, bench_central_engine, bench_central_panel
from deploy.bench import Figure
from deploy.bench_central_store import figures as store_figures


def nothing(doing: str) -> None:
    """Show no progress."""


def test_stored_rows_are_read_and_published_and_measured() -> None:
    figures = {one.name: one for one in store_figures(nothing, coins=4, rounds=1)}

    assert set(figures) == {
        "load_cpu_vs_orm", "rows_to_published_cpu_ms", "rows_to_published_peak_mb",
    }  # fmt: skip
    assert all(one.value > 0 for one in figures.values())
    assert "8,640 hourly rows of 4 coins" in figures["load_cpu_vs_orm"].about


@pytest.mark.parametrize("part", ["figures", "run"])
def test_our_engine_is_measured_alone(part: str, tmp_path: Path) -> None:
    panel = tmp_path / "panel"
    bench_central_panel.write(panel, coins=2)

    measured = bench_central_engine.ask(bench_central_engine.ours(part, 2), panel)

    assert measured.cpu_ms > 0
    assert measured.peak_mb > 50


def test_all_parts_are_kept_and_one_part_is_only_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def part(name: str) -> list[Figure]:
        return [
            Figure(name=name, value=3.0, unit="x", baseline="b", baseline_value=1.0)
        ]

    parts = {name: (lambda step, name=name: part(name)) for name in ("one", "two")}
    monkeypatch.setattr(bench_central, "PARTS", parts)
    where = ["--json", "--directory", str(tmp_path)]

    assert bench_central.main([*where, "--only", "two"]) == 0
    assert [row["name"] for row in json.loads(capsys.readouterr().out)] == ["two"]
    assert list(tmp_path.iterdir()) == []

    assert bench_central.main(where) == 0
    kept = json.loads((tmp_path / "central.json").read_text())
    assert [(row["name"], row["ratio"]) for row in kept] == [("one", 3.0), ("two", 3.0)]
