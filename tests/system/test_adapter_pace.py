"""Several workers at the exchange's real limits: never refused for speed, hardly slower."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pytest

from tests.system.adapter_world import Exchange, exchange, redis_server
from user_project.exchanges.limiter import SOFT_CAPS

ROOT = Path(__file__).resolve().parents[2]
WORKERS, ROUNDS = 4, 12
CALLS = {"order": "POST /v1/orders", "default": "GET /v1/order"}


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    """Let four processes that share a Redis trade at once until they are done."""
    directory = tmp_path_factory.mktemp("pace")
    with (
        redis_server(directory) as redis_url,
        exchange(rate_factor=1) as running,
    ):
        command = [sys.executable, "-m", "tests.system.pace_worker"]
        arguments = [running.url, redis_url, str(ROUNDS)]
        workers = [
            subprocess.Popen(
                [*command, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
            )
            for _ in range(WORKERS)
        ]
        answers = [worker.communicate(timeout=120)[0] for worker in workers]
        assert [worker.returncode for worker in workers] == [0] * WORKERS
        # Waiting for one's turn is allowed; being refused by the exchange is not.
        assert {name for text in answers for name in json.loads(text)} <= {"own_limit"}
        yield running


def test_no_call_is_refused_for_its_speed(crowd: Exchange) -> None:
    refused = [call for call in crowd.received() if call["status"] in (418, 429)]

    assert refused == []
    assert len(crowd.orders()) == WORKERS * ROUNDS


@pytest.mark.parametrize("group", CALLS)
def test_no_second_sees_more_than_our_share(crowd: Exchange, group: str) -> None:
    times = sorted(call["at_ms"] for call in crowd.received(CALLS[group]))

    cap = SOFT_CAPS[group]
    apart = [later - first for first, later in zip(times, times[cap:], strict=False)]
    assert len(times) >= WORKERS * ROUNDS
    assert min(apart) >= 1000


def test_the_share_is_used(crowd: Exchange) -> None:
    times = sorted(call["at_ms"] for call in crowd.received(CALLS["order"]))

    # A slot is free a second after its call has ended; half of them soon after that.
    cap = SOFT_CAPS["order"]
    apart = [later - first for first, later in zip(times, times[cap:], strict=False)]
    assert median(apart) < 2000
