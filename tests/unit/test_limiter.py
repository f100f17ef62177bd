"""The pace towards the exchange: waits, gives up in time, brakes for everybody."""

from __future__ import annotations

import heapq
import logging
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.upbit import LIMITS_PER_SECOND
from user_project.exchanges.adapter import RateLimited
from user_project.exchanges.limiter import (
    PATIENCE_SECONDS,
    QUOTATION_CAP,
    SOFT_CAPS,
    RateLimiter,
)
from user_project.exchanges.slots import LOST_AFTER_SECONDS, OwnSlots, Pace

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


def call(paced: RateLimiter, *, group: str, left: int | None = None) -> None:
    """Send one call that takes no time."""
    with paced.turn(group=group) as turn:
        turn.left = left


class TestWaiting:
    def test_a_free_slot_costs_no_wait(self) -> None:
        clock = Clock()

        call(limiter(clock), group="order")

        assert clock.slept == []

    def test_the_next_second_s_slots_are_waited_for(self) -> None:
        clock = Clock()
        paced = limiter(clock)  # 8 orders a second, a quarter of it for one process

        for _ in range(5):
            call(paced, group="order")

        assert clock.slept == [1, 1]

    def test_who_would_wait_too_long_is_told_for_how_long(self) -> None:
        clock = Clock()
        slow = limiter(clock, rate_factor=0.01)
        call(slow, group="order")

        with pytest.raises(RateLimited) as caught:
            call(slow, group="order")

        # 8 a second x 0.01 / 4 for one of several processes: one call in 50 seconds.
        assert caught.value.retry_after == pytest.approx(50)
        assert caught.value.name == "own_limit"
        assert clock.slept == []

    def test_waiting_is_bounded_however_often_it_repeats(self) -> None:
        clock = Clock()
        crowded = limiter(clock, rate_factor=0.5)  # one order a second

        with crowded.turn(group="order"), pytest.raises(RateLimited):
            call(crowded, group="order")

        assert 0 < sum(clock.slept) <= PATIENCE_SECONDS

    def test_a_failed_call_frees_its_slot_like_any_other(self) -> None:
        clock = Clock()
        paced = limiter(clock, rate_factor=0.5)

        with suppress(TimeoutError), paced.turn(group="order"):
            clock.seconds += 3
            raise TimeoutError
        call(paced, group="order")

        assert clock.slept == [1]

    def test_a_slot_whose_call_never_ended_comes_back(self) -> None:
        clock = Clock()
        paced = limiter(clock, rate_factor=0.5)

        with paced.turn(group="order"):
            clock.seconds += 1 + LOST_AFTER_SECONDS
            call(paced, group="order")

        assert clock.slept == []

    def test_groups_do_not_share_their_slots(self) -> None:
        clock = Clock()
        slow = limiter(clock, rate_factor=0.01)

        for group in ("order", "order-test", "default", "ticker", "market"):
            call(slow, group=group)

        assert clock.slept == []

    def test_what_somebody_else_spent_is_not_spent_again(self) -> None:
        clock = Clock()
        paced = limiter(clock, rate_factor=4)  # 8 orders a second for this process

        call(paced, group="order", left=1)
        call(paced, group="order")
        call(paced, group="order")

        assert clock.slept == [1]

    def test_plenty_left_changes_nothing(self) -> None:
        clock = Clock()
        paced = limiter(clock, rate_factor=4)

        for left in (11, 10, 9, 8, 7, 6, 5, 4):
            call(paced, group="order", left=left)

        assert clock.slept == []

    @pytest.mark.parametrize("group", LIMITS_PER_SECOND)
    def test_our_share_leaves_something_of_every_limit(self, group: str) -> None:
        assert SOFT_CAPS.get(group, QUOTATION_CAP) < LIMITS_PER_SECOND[group]


class TestBraking:
    def test_a_hold_stops_one_group_only(self) -> None:
        clock = Clock()
        paced = limiter(clock)

        paced.hold(group="ticker", seconds=2)
        call(paced, group="market")
        call(paced, group="ticker")

        assert clock.slept == [2]

    def test_a_penalty_stops_every_signed_call_of_the_pocket(self) -> None:
        clock = Clock()
        paced = limiter(clock)

        seconds = paced.penalise(group="order", seconds=30)

        assert seconds == 30
        for group in ("order", "order-test", "default", "websocket-private"):
            with pytest.raises(RateLimited) as caught:
                call(paced, group=group)
            assert caught.value.retry_after == 30
        call(paced, group="ticker")
        clock.seconds += 30
        call(paced, group="order")

    def test_a_penalty_of_unknown_length_doubles_up_to_an_hour(self) -> None:
        clock = Clock()
        paced = limiter(clock)
        lengths = []

        for _ in range(8):
            lengths.append(paced.penalise(group="order"))
            clock.seconds += lengths[-1]

        assert lengths == [60, 120, 240, 480, 960, 1920, 3600, 3600]

    def test_answers_to_calls_under_way_are_one_penalty(self) -> None:
        clock = Clock()
        paced = limiter(clock)

        first = paced.penalise(group="order")
        clock.seconds += 1
        same = paced.penalise(group="default")
        clock.seconds += same

        assert (first, same, paced.penalise(group="order")) == (60, 59, 120)

    def test_a_stated_length_is_obeyed_beyond_an_hour(self) -> None:
        clock = Clock()
        paced = limiter(clock)

        paced.penalise(group="order", seconds=7200)
        clock.seconds += 7000

        with pytest.raises(RateLimited):
            call(paced, group="order")

    def test_a_shorter_hold_never_shortens_a_longer_one(self) -> None:
        clock = Clock()
        paced = limiter(clock)

        paced.hold(group="order", seconds=4)
        paced.hold(group="order", seconds=1)
        call(paced, group="order")

        assert clock.slept == [4]


def test_a_lost_redis_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    clock = Clock()
    paced = limiter(clock)

    for group in ("default", "order", "ticker"):
        call(paced, group=group)
        clock.seconds += 60

    assert caplog.text.count("redis is away") == 1


@dataclass
class Traffic:
    """Callers that never rest, each call under way for as long as it is told."""

    slots: OwnSlots
    pace: Pace
    journeys: list[tuple[float, float]]
    """Seconds to the exchange and back again, in the order calls leave."""
    now: float = 0
    arrivals: list[float] = field(default_factory=list)

    def run(self, *, callers: int) -> None:
        """Let every journey happen."""
        left = list(reversed(self.journeys))
        numbers = count()
        events: list[tuple[float, int, str]] = []
        for _ in range(callers):
            heapq.heappush(events, (0.0, next(numbers), ""))
        while events:
            self.now, number, caller = heapq.heappop(events)
            if caller:
                self.slots.give_back(key="k", pace=self.pace, caller=caller, left=None)
                heapq.heappush(events, (self.now, number, ""))
            elif left:
                name = f"call-{len(left)}"
                pause = self.slots.take(key="k", pace=self.pace, caller=name)
                if pause > 0:
                    heapq.heappush(events, (self.now + pause, number, ""))
                    continue
                there, back = left.pop()
                self.arrivals.append(self.now + there)
                heapq.heappush(events, (self.now + there + back, number, name))


JOURNEYS = st.lists(st.tuples(st.floats(0, 3), st.floats(0.001, 3)), max_size=80)


class TestPromise:
    @settings(max_examples=300, deadline=None)
    @given(
        rate=st.floats(0.1, 30),
        callers=st.integers(1, 12),
        journeys=JOURNEYS,
    )
    def test_no_window_of_the_exchange_sees_more_than_its_calls(
        self, rate: float, callers: int, journeys: list[tuple[float, float]]
    ) -> None:
        pace = Pace.of(rate)
        traffic = Traffic(OwnSlots(clock=lambda: traffic.now), pace, journeys)

        traffic.run(callers=callers)

        arrived = sorted(traffic.arrivals)
        allowed, second = max(1, int(rate)), max(1, 1 / rate)
        assert len(arrived) == len(journeys)
        apart = zip(arrived, arrived[allowed:], strict=False)
        assert all(later - first >= second - 1e-9 for first, later in apart)

    def test_quick_calls_use_the_whole_pace(self) -> None:
        traffic = Traffic(
            OwnSlots(clock=lambda: traffic.now), Pace.of(8), [(0.01, 0.01)] * 80
        )

        traffic.run(callers=4)

        assert max(traffic.arrivals) < 10 * 1.05
