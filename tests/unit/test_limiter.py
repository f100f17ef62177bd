"""The pace towards the exchange: waits, gives up in time, brakes for everybody."""

from __future__ import annotations

import logging

import pytest

from user_project.exchanges.adapter import RateLimited
from user_project.exchanges.limiter import PATIENCE_SECONDS, RateLimiter

NO_REDIS = "redis://127.0.0.1:1/0"


class Clock:
    """Seconds that pass only when somebody sleeps."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.slept: list[float] = []

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.seconds += seconds


def limiter(clock: Clock, *, rate_factor: float = 1) -> RateLimiter:
    """Return a limiter whose Redis is away."""
    return RateLimiter(
        redis_url=NO_REDIS,
        pocket="unit",
        rate_factor=rate_factor,
        sleep=clock.sleep,
        clock=clock.now,
    )


def test_a_free_slot_costs_no_wait() -> None:
    clock = Clock()

    limiter(clock).acquire(group="order")

    assert clock.slept == []


def test_who_would_wait_too_long_is_told_for_how_long() -> None:
    clock = Clock()
    slow = limiter(clock, rate_factor=0.01)
    slow.acquire(group="order")

    with pytest.raises(RateLimited) as caught:
        slow.acquire(group="order")

    # 8 a second x 0.01 / 4 for one of several processes: one call in 50 seconds.
    assert 40 < caught.value.retry_after <= 50
    assert caught.value.name == "own_limit"
    assert clock.slept == []


def test_waiting_is_bounded_however_often_it_repeats() -> None:
    clock = Clock()
    crowded = limiter(clock, rate_factor=0.5)  # one order a second for this process
    crowded.acquire(group="order")

    # This clock moves while the library's stands still: like always losing the race.
    with pytest.raises(RateLimited):
        crowded.acquire(group="order")

    assert 0 < sum(clock.slept) <= PATIENCE_SECONDS


def test_groups_do_not_share_their_slots() -> None:
    clock = Clock()
    slow = limiter(clock, rate_factor=0.01)

    for group in ("order", "default", "ticker", "market"):
        slow.acquire(group=group)

    assert clock.slept == []


def test_a_hold_stops_one_group_only() -> None:
    clock = Clock()
    paced = limiter(clock)

    paced.hold(group="ticker", seconds=2)
    paced.acquire(group="market")
    paced.acquire(group="ticker")

    assert clock.slept == [2]


def test_a_penalty_stops_every_signed_call_of_the_pocket() -> None:
    clock = Clock()
    paced = limiter(clock)

    seconds = paced.penalise(group="order", seconds=30)

    assert seconds == 30
    for group in ("order", "default"):
        with pytest.raises(RateLimited) as caught:
            paced.acquire(group=group)
        assert caught.value.retry_after == 30
    paced.acquire(group="ticker")
    clock.seconds += 30
    paced.acquire(group="order")


def test_a_penalty_of_unknown_length_doubles_up_to_an_hour() -> None:
    paced = limiter(Clock())

    seconds = [paced.penalise(group="order") for _ in range(8)]

    assert seconds == [60, 120, 240, 480, 960, 1920, 3600, 3600]


def test_a_shorter_hold_never_shortens_a_longer_one() -> None:
    clock = Clock()
    paced = limiter(clock)

    paced.hold(group="order", seconds=4)
    paced.hold(group="order", seconds=1)
    paced.acquire(group="order")

    assert clock.slept == [4]


def test_a_lost_redis_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock = Clock()
    paced = limiter(clock)

    for group in ("default", "order", "ticker"):
        paced.acquire(group=group)
        clock.seconds += 60

    assert caplog.text.count("redis is away") == 1
