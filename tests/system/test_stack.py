"""The whole stack: everything answers, sides stop and start, what dies comes back."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import requests

from deploy.environments import SIDES
from deploy.runs import AlreadyRunning
from deploy.stack import Stack


def eventually(check: Callable[[], object], *, seconds: float = 60.0) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if check():
            return True
        time.sleep(0.2)
    return False


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).ok
    except requests.ConnectionError:
        return False


def test_both_servers_show_their_pages(stack: Stack) -> None:
    for url in (stack.central_url, stack.user_url):
        assert answers(f"{url}/healthz")
        assert answers(f"{url}/admin/login/")
        assert answers(f"{url}/api/docs")
        assert answers(f"{url}/static/admin/css/base.css")


def test_central_accepts_the_key_it_gave_to_the_user_server(stack: Stack) -> None:
    url = f"{stack.central_url}/api/v1/market-status"
    headers = {"Authorization": f"Bearer {stack.api_key}"}

    def published() -> bool:
        return requests.get(url, headers=headers, timeout=10).status_code == 200

    assert eventually(published, seconds=120)
    assert requests.get(url, timeout=10).status_code == 401


@pytest.mark.parametrize("side", SIDES)
def test_flower_asks_for_its_login_and_knows_all_workers(
    stack: Stack, side: str
) -> None:
    url = f"{stack.flower_url(side)}/workers?json=1"
    expected = {
        "central": {"pipeline", "housekeeping"},
        "user": {"bots0", "bots1", "reconcile", "pull"},
    }

    def seen() -> set[str]:
        answer = requests.get(url, auth=stack.flower_login, timeout=10)
        return {row["hostname"].split("@")[0] for row in answer.json()["data"]}

    assert eventually(lambda: answers(f"{stack.flower_url(side)}/healthcheck"))
    assert requests.get(url, timeout=10).status_code == 401
    assert eventually(lambda: seen() >= expected[side])


def test_a_killed_worker_comes_back(stack: Stack) -> None:
    before = stack.supervisor.restarts("user-bots1")

    stack.supervisor.kill("user-bots1")

    assert eventually(lambda: stack.supervisor.restarts("user-bots1") == before + 1)
    assert eventually(lambda: stack.supervisor.pid("user-bots1") is not None)


def test_one_side_stops_and_starts_without_the_other(stack: Stack) -> None:
    stack.stop_side("user")
    stopped = not answers(f"{stack.user_url}/healthz")
    other_lives = answers(f"{stack.central_url}/healthz")

    stack.start_side("user")

    assert stopped
    assert other_lives
    assert answers(f"{stack.user_url}/healthz")


def test_the_directory_has_one_owner(stack: Stack) -> None:
    with pytest.raises(AlreadyRunning, match="make stop"):
        Stack(stack.options)
