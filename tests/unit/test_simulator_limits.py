"""So many calls a second, and a growing block for who does not stop."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from deploy.simulator.rest.limits import (
    FIRST_BLOCK_MS,
    FORGIVEN_MS,
    GROUPS,
    LONGEST_BLOCK_MS,
    MINUTE_MS,
    PATIENCE,
    OverLimit,
    RateLimits,
)

START = 1_700_000_040_000
"""A whole minute, so that every window begins here."""


def _blocked(call: Callable[[], object]) -> int | None:
    with pytest.raises(OverLimit) as refused:
        call()
    return refused.value.blocked_seconds


def _exhaust(limits: RateLimits, *, at: int, who: str = "a") -> None:
    """Use a second's orders up and keep going until patience ends."""
    for _ in range(12):
        limits.take(group="order", who=who, now_ms=at)
    for _ in range(PATIENCE):
        assert _blocked(lambda: limits.take(group="order", who=who, now_ms=at)) is None


@pytest.mark.parametrize(
    ("group", "calls", "milliseconds"),
    [
        ("market", 10, 1_000),
        ("candle", 10, 1_000),
        ("trade", 10, 1_000),
        ("ticker", 10, 1_000),
        ("orderbook", 10, 1_000),
        ("default", 30, 1_000),
        ("order", 12, 1_000),
        ("order-test", 8, 1_000),
        ("order-cancel-all", 1, 2_000),
        ("websocket-connect", 5, 1_000),
        ("websocket-message", 5, 1_000),
        ("origin", 1, 10_000),
    ],
)
def test_a_group_allows_its_number_of_calls_and_no_more(
    group: str, calls: int, milliseconds: int
) -> None:
    limits = RateLimits()

    def take(at: int) -> int:
        return limits.take(group=group, who="a", now_ms=START + at)

    left = [take(number * 30) for number in range(calls)]

    assert left == list(range(calls - 1, -1, -1))
    assert _blocked(lambda: take(milliseconds - 1)) is None
    assert take(milliseconds) == calls - 1


def test_messages_are_limited_by_the_minute_too() -> None:
    limits = RateLimits()

    def send(second: int) -> int:
        now = START + second * 1_000
        return limits.take(group="websocket-message", who="connection", now_ms=now)

    left = [send(number // 5) for number in range(100)]

    assert left[-1] == 0
    assert _blocked(lambda: send(59)) is None
    assert send(60) == 4


def test_others_and_other_groups_have_their_own_calls() -> None:
    limits = RateLimits()
    for _ in range(12):
        limits.take(group="order", who="a", now_ms=START)

    assert limits.left(group="order", who="a", now_ms=START) == 0
    assert limits.take(group="order", who="b", now_ms=START) == 11
    assert limits.take(group="default", who="a", now_ms=START) == 29


def test_who_keeps_going_is_blocked_in_every_group() -> None:
    limits = RateLimits()
    _exhaust(limits, at=START)

    for group in ("order", "default", "ticker"):
        seconds = _blocked(
            lambda group=group: limits.take(group=group, who="a", now_ms=START + 1_500)
        )
        assert seconds == 9
    assert limits.take(group="order", who="b", now_ms=START + 1_500) == 11


def test_refusals_far_apart_do_not_add_up_to_a_block() -> None:
    limits = RateLimits()
    for number in range(3 * PATIENCE):
        now = START + number * 2_000
        limits.take(group="order-cancel-all", who="a", now_ms=now)
        refused = _blocked(
            lambda now=now: limits.take(
                group="order-cancel-all", who="a", now_ms=now + 1
            )
        )
        assert refused is None


def test_calls_during_a_block_do_not_prolong_it() -> None:
    limits = RateLimits()
    _exhaust(limits, at=START)

    rest = [
        _blocked(
            lambda now=now: limits.take(group="order", who="a", now_ms=START + now)
        )
        for now in range(0, FIRST_BLOCK_MS, 100)
    ]

    assert rest[0] == 10
    assert rest[-1] == 1
    now = START + FIRST_BLOCK_MS
    assert limits.take(group="order", who="a", now_ms=now) == 11


def test_each_further_block_is_twice_as_long_up_to_an_hour() -> None:
    limits, now, lengths = RateLimits(), START, []
    for _ in range(12):
        _exhaust(limits, at=now)
        seconds = _blocked(
            lambda now=now: limits.take(group="order", who="a", now_ms=now)
        )
        assert seconds is not None
        lengths.append(seconds)
        now += seconds * 1_000

    assert lengths[:4] == [10, 20, 40, 80]
    assert lengths[-1] == LONGEST_BLOCK_MS // 1_000


def test_a_quiet_minute_takes_one_doubling_back() -> None:
    limits, now = RateLimits(), START
    for length in (10, 20, 40):
        _exhaust(limits, at=now)
        now += length * 1_000

    _exhaust(limits, at=now + 2 * FORGIVEN_MS)

    now += 2 * FORGIVEN_MS
    assert _blocked(lambda: limits.take(group="order", who="a", now_ms=now)) == 20


def test_a_block_can_be_ordered_and_ended() -> None:
    limits = RateLimits()

    limits.block(who="a", seconds=2.5, now_ms=START)

    take = lambda: limits.take(group="default", who="a", now_ms=START)  # noqa: E731
    assert _blocked(take) == 3
    limits.block(who="a", seconds=0, now_ms=START)
    assert take() == 29


def test_whoever_stays_away_is_forgotten() -> None:
    limits = RateLimits()
    for number in range(100):
        limits.take(group="ticker", who=f"10.0.0.{number}", now_ms=START)
    _exhaust(limits, at=START)

    limits.take(group="ticker", who="a", now_ms=START + 5 * MINUTE_MS)

    assert len(limits._windows) == 1
    assert not limits._records


def test_the_rate_factor_scales_every_group_but_leaves_one_call() -> None:
    many, few = RateLimits(factor=10), RateLimits(factor=0.01)

    assert many.take(group="candle", who="a", now_ms=START) == 99
    assert many.take(group="order-cancel-all", who="a", now_ms=START) == 9
    for group in GROUPS:
        assert few.take(group=group, who="a", now_ms=START) == 0
    with pytest.raises(ValueError, match="above 0"):
        RateLimits(factor=0)


def test_the_header_names_the_group_plainly_or_with_its_side() -> None:
    limits = RateLimits()

    assert limits.header(group="order", left=3) == "group=order; min=720; sec=3"
    assert limits.header(group="order", left=3, dotted=True) == (
        "group=exchange.order; min=720; sec=3"
    )
    assert limits.header(group="candle", left=9, dotted=True) == (
        "group=candle; min=600; sec=9"
    )
