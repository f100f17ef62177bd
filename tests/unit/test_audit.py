"""The second opinion notices a wrong figure, and draws its coins fairly."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pytest

from central_project.analysis.audit import audit_coin, choose
from central_project.analysis.indicators import Figures, figures_of
from tests.unit.analysis_builders import series

NAMES = tuple(field.name for field in dataclasses.fields(Figures))
SERIES = series(count=2160)


@pytest.fixture(scope="module")
def figures() -> Figures:
    return figures_of(series=SERIES)


def planted(figures: Figures, **wrong: float | None) -> list[str]:
    found = audit_coin(series=SERIES, figures=dataclasses.replace(figures, **wrong))
    return [mismatch.figure for mismatch in found]


def test_true_figures_pass(figures: Figures) -> None:
    assert planted(figures) == []


def test_a_slightly_wrong_figure_is_caught_whichever_it_is(figures: Figures) -> None:
    wrong = {name: getattr(figures, name) * (1 + 1e-5) + 1e-6 for name in NAMES}

    assert sorted(planted(figures, **wrong)) == sorted(NAMES)


def test_a_figure_that_is_missing_or_made_up_is_caught(figures: Figures) -> None:
    young = series(count=100)
    made_up = dataclasses.replace(figures_of(series=young), ema_200=9_000.0)

    assert planted(figures, rsi=None) == ["rsi"]
    assert [m.figure for m in audit_coin(series=young, figures=made_up)] == ["ema_200"]


def test_figures_of_another_coin_are_caught(figures: Figures) -> None:
    other = series(market="KRW-BBB", count=2160, seed=2)

    found = audit_coin(series=other, figures=figures)

    assert len(found) > 30
    assert {mismatch.market for mismatch in found} == {"KRW-BBB"}


def test_a_mismatch_tells_both_values_and_what_was_allowed(figures: Figures) -> None:
    assert figures.rsi is not None
    (found,) = audit_coin(
        series=SERIES, figures=dataclasses.replace(figures, rsi=figures.rsi + 1)
    )

    assert (found.figure, found.ours) == ("rsi", figures.rsi + 1)
    assert found.reference == pytest.approx(figures.rsi)
    assert found.allowed == pytest.approx(1e-7)


def test_the_draw_depends_on_the_seed_alone_and_reaches_every_market() -> None:
    markets = [f"KRW-C{number}" for number in range(20)]

    drawn = Counter(
        market
        for run in range(200)
        for market in choose(markets=markets, seed=str(run), count=3)
    )

    assert choose(markets=markets, seed="7", count=3) == choose(
        markets=markets[::-1], seed="7", count=3
    )
    # 30 draws each on average; one of a thousand fair draws would leave these bounds.
    assert set(drawn) == set(markets)
    assert 12 <= min(drawn.values()) <= max(drawn.values()) <= 50


def test_all_are_drawn_where_there_are_few() -> None:
    assert sorted(choose(markets={"KRW-A", "KRW-B"}, seed="1", count=3)) == [
        "KRW-A",
        "KRW-B",
    ]
    assert choose(markets=(), seed="1", count=3) == ()
