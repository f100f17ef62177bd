"""The pace over Redis: several processes take from one budget and brake together."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from user_project.exchanges.adapter import RateLimited
from user_project.exchanges.limiter import RateLimiter


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


def test_one_worker_uses_up_what_the_other_wanted(settings: Any, pocket: str) -> None:
    slow = {"rate_factor": 0.01, "sleep": refuse_to_sleep}
    one, other = (worker(settings, pocket, **slow) for _ in range(2))
    one.acquire(group="order")

    with pytest.raises(RateLimited) as caught:
        other.acquire(group="order")

    assert 5 < caught.value.retry_after <= 12.5  # 8 a second x 0.01


def test_another_pocket_has_its_own_budget(settings: Any, pocket: str) -> None:
    slow = {"rate_factor": 0.01, "sleep": refuse_to_sleep}

    worker(settings, pocket, **slow).acquire(group="order")
    worker(settings, pocket + "-other", **slow).acquire(group="order")


def test_a_penalty_of_one_stops_all(settings: Any, pocket: str) -> None:
    one, other = (worker(settings, pocket) for _ in range(2))

    one.penalise(group="default", seconds=30)

    for group in ("order", "default"):
        with pytest.raises(RateLimited) as caught:
            other.acquire(group=group)
        assert 20 < caught.value.retry_after <= 30


def test_a_penalty_on_public_calls_stops_every_pocket(
    settings: Any, pocket: str
) -> None:
    worker(settings, pocket).penalise(group="ticker", seconds=30)

    with pytest.raises(RateLimited):
        worker(settings, pocket + "-other").acquire(group="market")


def test_strikes_are_counted_together(settings: Any, pocket: str) -> None:
    first = worker(settings, pocket).penalise(group="order")
    second = worker(settings, pocket).penalise(group="order")

    assert (first, second) == (60, 120)


def test_every_key_of_the_limiter_expires(settings: Any, pocket: str) -> None:
    paced = worker(settings, pocket)

    paced.acquire(group="order")
    paced.acquire(group="ticker")
    paced.hold(group="default", seconds=5)
    paced.penalise(group="order")

    with redis.Redis.from_url(settings.REDIS_URL) as client:
        keys = list(client.scan_iter("du:limit:*"))
        assert len(keys) >= 5
        assert [key for key in keys if client.ttl(key) < 0] == []
