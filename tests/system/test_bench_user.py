"""The user server's benchmarks run: each part in small."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deploy import bench_user, bench_user_post, bench_user_start, bench_user_tick
from deploy.bench import Figure


def nothing(doing: str) -> None:
    """Show no progress."""


def test_a_tick_is_measured_beside_one_task_per_bot() -> None:
    sizes = {100: 1, 200: 0}

    found = bench_user_tick.figures(nothing, sizes=sizes, ticks=1)
    figures = {one.name: one for one in found}

    assert set(figures) == {
        "tick_cpu_vs_task_per_bot", "tick_cpu_ms_100", "tick_cpu_ms_200",
    }  # fmt: skip
    assert figures["tick_cpu_vs_task_per_bot"].value > 1
    assert "2 × 100 bots" in figures["tick_cpu_ms_200"].baseline
    assert "5 bots woken" in figures["tick_cpu_ms_200"].about


def test_the_way_to_a_task_is_measured_beside_a_look_once_a_second() -> None:
    figures = bench_user_start.figures(nothing, count=300, seconds=1)

    assert [one.name for one in figures] == [
        "price_to_task_p50_ms", "price_to_task_p99_ms",
    ]  # fmt: skip
    assert all(one.value > 0 and one.baseline_value > 0 for one in figures)


def test_the_way_to_the_exchange_is_measured() -> None:
    figures = bench_user_post.figures(nothing, rates={5: 1}, accounts=2)

    assert [one.name for one in figures] == [
        "price_to_post_p99_ms", "price_to_post_p50_ms_5", "price_to_post_p99_ms_5",
    ]  # fmt: skip
    assert all(one.value > 0 for one in figures)


def test_all_parts_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    figure = Figure(name="one", value=3.0, unit="x", baseline="b", baseline_value=1.0)
    monkeypatch.setattr(bench_user, "PARTS", {"one": lambda step: [figure]})

    assert bench_user.main(["--json", "--directory", str(tmp_path)]) == 0

    told = json.loads(capsys.readouterr().out)
    assert json.loads((tmp_path / "user.json").read_text()) == told
    assert [row["name"] for row in told] == ["one"]
