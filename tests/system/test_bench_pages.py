"""`make bench-web` in small: it seeds, logs in and asks every page."""

from __future__ import annotations

import pytest

from deploy import bench_pages
from deploy.bench_pages_world import pages


def test_every_page_of_a_long_life_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_pages, "TIMES", 2)
    said: list[str] = []

    with pages(said.append, bots=3, orders=600, events=5100) as world:
        figures = bench_pages.page_figures(said.append, world, about="small")
        weight = bench_pages.weight_figure(world)

    names = {figure.name for figure in figures}
    assert {f"page_{page}_p95_ms" for page in bench_pages.PATHS} <= names
    assert all(figure.value > 0 for figure in figures)
    # Compressed, home with its files is a fraction of what the files are.
    assert 0 < weight.value < weight.baseline_value
    assert said[0] == "pages: 3 bots, 600 orders are written"
