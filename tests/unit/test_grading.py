"""What central's last word allows, to the second, and in words that say why."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from common.wire import Phase
from user_project.central_api.grading import Told, grade, in_words
from user_project.central_api.ladder import BOUNDS, Kind

NOW = datetime(2026, 11, 23, 6, 0, tzinfo=UTC)
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
HOUR = 60 * MINUTE
GOES_ON = "새 회차를 시작하지 않습니다. 진행 중인 회차는 계속합니다."


def told(age: timedelta) -> Told:
    """What central said *age* ago, valid for ever, in an ordinary market."""
    return Told(
        data_as_of=NOW - age,
        valid_until=NOW + 99 * HOUR,
        stale=False,
        phase=Phase.NORMAL,
    )


@pytest.mark.parametrize(
    ("age", "level", "words"),
    [
        (timedelta(0), "fresh", "본사 분석 0분 전"),
        (10 * MINUTE, "fresh", "본사 분석 10분 전"),
        (
            10 * MINUTE + SECOND,
            "warn",
            "본사의 추천, 시장 상태 자료가 10분 전 것입니다."
            " 15분이 지나면 새 회차를 시작하지 않습니다.",
        ),
        (
            15 * MINUTE,
            "warn",
            "본사의 추천, 시장 상태 자료가 15분 전 것입니다."
            " 15분이 지나면 새 회차를 시작하지 않습니다.",
        ),
        (
            15 * MINUTE + SECOND,
            "stale",
            f"본사의 추천, 시장 상태 자료가 15분 전 것이라 {GOES_ON}",
        ),
        (HOUR, "stale", f"본사의 추천, 시장 상태 자료가 1시간 전 것이라 {GOES_ON}"),
        (
            HOUR + SECOND,
            "stale",
            f"본사의 추천, 지지선 7일, 시장 상태 자료가 1시간 전 것이라 {GOES_ON}",
        ),
        (
            6 * HOUR + MINUTE,
            "stale",
            "본사의 추천, 지지선 7일, 지지선 30일, 시장 상태 자료가 6시간 1분 전"
            f" 것이라 {GOES_ON}",
        ),
        (
            24 * HOUR + SECOND,
            "stale",
            "본사의 추천, 지지선 7일, 지지선 30일, 지지선 90일, 시장 상태 자료가"
            f" 24시간 전 것이라 {GOES_ON}",
        ),
    ],
)
def test_the_sentence_names_kinds_age_and_consequence(
    age: timedelta, level: str, words: str
) -> None:
    found = grade(told=told(age), now=NOW)

    assert (found.level, found.reason) == (level, words)
    assert found.new_cycles_allowed is (level != "stale")
    assert found.age_seconds == age.total_seconds()


def test_centrals_own_word_counts_at_any_age() -> None:
    said = replace(told(MINUTE), stale=True)

    found = grade(told=said, now=NOW)

    assert (found.level, found.new_cycles_allowed) == ("stale", False)
    assert found.reason == f"본사가 분석이 밀렸다고 알려 (1분 전 자료) {GOES_ON}"


@pytest.mark.parametrize(("late", "allowed"), [(timedelta(0), True), (SECOND, False)])
def test_a_validity_ends_right_after_its_last_instant(
    late: timedelta, allowed: bool
) -> None:
    said = replace(told(2 * MINUTE), valid_until=NOW - late)

    found = grade(told=said, now=NOW)

    assert found.new_cycles_allowed is allowed
    assert ("유효 기한이 지나 (2분 전 자료)" in found.reason) is not allowed


@pytest.mark.parametrize(
    ("phase", "words"),
    [
        (Phase.CRASH, "시장이 급락 중이라"),
        (Phase.HALTED, "거래소가 멈춰 있어"),
        (None, "본사가 시장 상태를 알리지 않아"),
        (Phase.NORMAL, ""),
        (Phase.CAUTION, ""),
        (Phase.UNKNOWN, ""),
    ],
)
def test_a_market_that_forbids_rounds_is_named(phase: Phase | None, words: str) -> None:
    found = grade(told=replace(told(MINUTE), phase=phase), now=NOW)

    expected = (
        ("warn", f"{words} {GOES_ON}") if words else ("fresh", "본사 분석 1분 전")
    )
    assert (found.level, found.reason) == expected
    assert found.new_cycles_allowed is (not words)


def test_old_data_is_named_before_the_market_it_told_of() -> None:
    found = grade(told=replace(told(HOUR), phase=Phase.CRASH), now=NOW)

    assert found.level == "stale"
    assert "시장 상태 자료가 1시간 전" in found.reason


def test_data_of_a_clock_ahead_of_ours_has_no_age() -> None:
    found = grade(told=told(-30 * SECOND), now=NOW)

    assert (found.level, found.age_seconds) == ("fresh", 0)


def test_the_markets_state_decides_because_nothing_may_be_younger() -> None:
    decides = BOUNDS[Kind.MARKET_STATUS]

    assert all(decides <= bounds for bounds in BOUNDS.values())
    levels = (Kind.SUPPORT_7, Kind.SUPPORT_30, Kind.SUPPORT_90)
    assert all(BOUNDS[near][1] < BOUNDS[deep][1] for near, deep in pairwise(levels))


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (59 * SECOND, "0분"),
        (MINUTE, "1분"),
        (HOUR - SECOND, "59분"),
        (HOUR, "1시간"),
        (HOUR + MINUTE, "1시간 1분"),
        (25 * HOUR, "25시간"),
    ],
)
def test_ages_are_told_in_hours_from_an_hour_on(age: timedelta, words: str) -> None:
    assert in_words(age) == words
