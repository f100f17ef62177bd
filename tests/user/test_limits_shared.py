"""The pace over Redis: several processes take from one budget and brake together."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import redis

from user_project.exchanges.adapter import RateLimited
from user_project.exchanges.limiter import RateLimiter
from user_project.exchanges.slots import LOST_AFTER_SECONDS


@pytest.fixture
def pocket(settings: Any) -> Iterator[str]:
    """Return a pocket nobody used before, and leave no block behind."""
    name = uuid.uuid4().hex
    yield name
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        for key in client.scan_iter("du:limit:*"):
            client.delete(key)


def worker(settings: Any, pocket: str, **options: Any) -> RateLimiter:
    """Return the limiter as one more process would build it."""
    return RateLimiter(redis_url=settings.REDIS_URL, pocket=pocket, **options)


def refuse_to_sleep(seconds: float) -> None:
    raise AssertionError(f"would have slept {seconds} s")


def call(paced: RateLimiter, *, group: str, left: int | None = None) -> None:
    """Send one call that takes no time."""
    with paced.turn(group=group) as turn:
        turn.left = left


def pause_of(paced: RateLimiter, *, group: str) -> float:
    """Return how long the next call would have to wait; fail if it would not."""
    with pytest.raises(RateLimited) as caught:
        call(paced, group=group)
    return caught.value.retry_after


def test_one_worker_uses_up_what_the_other_wanted(settings: Any, pocket: str) -> None:
    slow = {"rate_factor": 0.01, "sleep": refuse_to_sleep}
    one, other = (worker(settings, pocket, **slow) for _ in range(2))
    call(one, group="order")

    assert 5 < pause_of(other, group="order") <= 12.5  # 8 a second x 0.01


def test_calls_under_way_hold_their_slots(settings: Any, pocket: str) -> None:
    slow = {"rate_factor": 0.15, "sleep": refuse_to_sleep}
    one, other = (worker(settings, pocket, **slow) for _ in range(2))

    with ExitStack() as under_way:
        under_way.enter_context(one.turn(group="order"))
        with pytest.raises(AssertionError, match="would have slept"):
            call(other, group="order")

    with pytest.raises(AssertionError, match="would have slept"):
        call(other, group="order")


def test_a_call_under_way_holds_its_slot_as_long_as_a_call_may_take(
    settings: Any, pocket: str
) -> None:
    with (
        worker(settings, pocket).turn(group="order"),
        redis.Redis.from_url(settings.REDIS_URL) as client,
    ):
        ((_, free_at),) = client.zrange(
            f"du:limit:pocket:{pocket}:order", 0, -1, withscores=True
        )
        seconds, _ = client.time()

    assert free_at / 1000 - seconds > LOST_AFTER_SECONDS / 2


def test_a_slot_is_free_a_second_after_its_call(settings: Any, pocket: str) -> None:
    slept: list[float] = []
    lone = worker(settings, pocket, rate_factor=0.15, sleep=slept.append)
    call(lone, group="order")

    with pytest.raises(RateLimited):
        # Nothing really sleeps: each wait is repeated until patience ends.
        call(lone, group="order")

    assert 0 < slept[0] <= 1


def test_what_the_exchange_says_is_left_binds_all(settings: Any, pocket: str) -> None:
    fast = {"sleep": refuse_to_sleep}
    one, other = (worker(settings, pocket, **fast) for _ in range(2))

    call(one, group="order", left=1)
    call(other, group="order", left=11)

    with pytest.raises(AssertionError, match="would have slept"):
        call(other, group="order")


def test_another_pocket_has_its_own_budget(settings: Any, pocket: str) -> None:
    slow = {"rate_factor": 0.01, "sleep": refuse_to_sleep}

    call(worker(settings, pocket, **slow), group="order")
    call(worker(settings, pocket + "-other", **slow), group="order")


def test_a_penalty_of_one_stops_all(settings: Any, pocket: str) -> None:
    one, other = (worker(settings, pocket) for _ in range(2))

    one.penalise(group="default", seconds=30)

    for group in ("order", "default"):
        assert 20 < pause_of(other, group=group) <= 30


def test_a_penalty_on_public_calls_stops_every_pocket(
    settings: Any, pocket: str
) -> None:
    worker(settings, pocket).penalise(group="ticker", seconds=30)

    assert pause_of(worker(settings, pocket + "-other"), group="market") > 20


def test_strikes_are_counted_together_and_once_a_block(
    settings: Any, pocket: str
) -> None:
    first = worker(settings, pocket).penalise(group="order")
    same = worker(settings, pocket).penalise(group="order")
    with redis.Redis.from_url(settings.REDIS_URL) as client:
        client.delete(f"du:limit:block:pocket:{pocket}")

    second = worker(settings, pocket).penalise(group="order")

    assert first == 60
    assert 50 < same <= 60
    assert second == 120


def test_a_shorter_block_of_one_leaves_a_longer_one_of_another(
    settings: Any, pocket: str
) -> None:
    worker(settings, pocket).penalise(group="order", seconds=60)
    worker(settings, pocket).penalise(group="order", seconds=10)

    assert pause_of(worker(settings, pocket), group="order") > 50


def test_every_key_of_the_limiter_expires(settings: Any, pocket: str) -> None:
    paced = worker(settings, pocket)

    call(paced, group="order", left=0)
    call(paced, group="ticker")
    paced.hold(group="default", seconds=5)
    paced.penalise(group="order")

    with redis.Redis.from_url(settings.REDIS_URL) as client:
        keys = list(client.scan_iter("du:limit:*"))
        assert len(keys) >= 5
        assert [key for key in keys if client.ttl(key) < 0] == []
