"""How old each kind of central's data may be, to the second."""

from __future__ import annotations

from datetime import timedelta

import pytest

from user_project.central_api.ladder import Kind, Step, climb, is_too_old, opens_rounds

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
HOUR = 60 * MINUTE


@pytest.mark.parametrize(
    ("kind", "warns", "forbids"),
    [
        (Kind.RECOMMENDATIONS, 10 * MINUTE, 15 * MINUTE),
        (Kind.SUPPORT_7, 15 * MINUTE, HOUR),
        (Kind.SUPPORT_30, 15 * MINUTE, 6 * HOUR),
        (Kind.SUPPORT_90, 15 * MINUTE, 24 * HOUR),
        (Kind.MARKET_STATUS, 10 * MINUTE, 15 * MINUTE),
    ],
)
def test_every_kind_changes_right_after_its_bounds(
    kind: Kind, warns: timedelta, forbids: timedelta
) -> None:
    def step(age: timedelta) -> Step:
        return next(rung.step for rung in climb(age=age) if rung.kind is kind)

    assert step(timedelta(0)) is step(6 * MINUTE) is Step.NORMAL
    assert step(6 * MINUTE + SECOND) is step(warns) is Step.LATE
    assert step(warns + SECOND) is step(forbids) is Step.WARN
    assert step(forbids + SECOND) is Step.FORBIDS
    assert not is_too_old(kind=kind, age=forbids)
    assert is_too_old(kind=kind, age=forbids + SECOND)


def test_the_markets_state_decides_whether_a_round_may_begin() -> None:
    assert opens_rounds(climb(age=15 * MINUTE))
    assert not opens_rounds(climb(age=15 * MINUTE + SECOND))
