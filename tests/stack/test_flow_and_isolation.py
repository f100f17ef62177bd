"""The whole flow on real processes, then an outage of each side in turn.

One stack serves all tests of this module; they run in the order of a day: the demo's
story, central gone and back, the user side gone and back.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from deploy.stack import Stack
from deploy.story import play
from deploy.story_clients import ApiError, CentralApi, UserApi
from tests.stack.outages import outage

T = TypeVar("T")
SOON = 60.0
ROUND = 300.0
BOT = {
    "budget": "300000",
    "stages": 5,
    "level": "aggressive",
    "take_profit": "0.004",
    "stage_cooldown_seconds": 2,
    "cycle_cooldown_seconds": 5,
}
"""Takes small profits, so that a round closes within an outage."""


def until(
    ask: Callable[[], T],
    *,
    seconds: float,
    what: str,
    instead: Callable[[], object] | None = None,
) -> T:
    """Ask again and again until the answer is true; fail after the deadline."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = ask()
        if answer:
            return answer
        time.sleep(0.5)
    seen = f"; instead: {instead()}" if instead else ""
    pytest.fail(f"{what} did not happen within {seconds:.0f} s{seen}")


@pytest.fixture(scope="module")
def user(stack: Stack) -> UserApi:
    return UserApi(url=stack.user_url, login=stack.admin)


@pytest.fixture(scope="module")
def central(stack: Stack) -> CentralApi:
    return CentralApi(url=stack.central_url, api_key=stack.api_key)


def cycles(user: UserApi) -> list[dict[str, Any]]:
    """Return all rounds of all bots."""
    return [
        cycle
        for bot in user.all("bots")
        for cycle in user.all(f"bots/{bot['id']}/cycles")
    ]


def open_cycles(user: UserApi) -> set[str]:
    return {cycle["id"] for cycle in cycles(user) if cycle["state"] == "open"}


def reasons(user: UserApi) -> set[str]:
    """Return what the bots name as the reason of their last decision."""
    return {bot["reason"] for bot in user.all("bots")}


def closed_of(user: UserApi, wanted: set[str]) -> set[str]:
    return {
        cycle["id"]
        for cycle in cycles(user)
        if cycle["id"] in wanted and cycle["state"] == "closed"
    }


def test_the_whole_story_comes_to_its_good_end(stack: Stack) -> None:
    assert play(stack)


def test_central_gone_rounds_close_no_new_one_starts_and_its_return_is_noticed(
    stack: Stack, user: UserApi
) -> None:
    for _ in range(3):
        bot = user.post("bots", BOT)
        user.post(f"bots/{bot['id']}/start", {})
    running = until(lambda: open_cycles(user), seconds=SOON, what="an open round")

    with outage(stack, side="central"):
        stale = "the user side calling central's analysis too old"
        until(lambda: user.get("central")["level"] == "stale", seconds=180, what=stale)
        before = {cycle["id"] for cycle in cycles(user)}
        running |= open_cycles(user)
        already = closed_of(user, running)
        until(
            lambda: closed_of(user, running) - already,
            seconds=ROUND,
            what="a take profit while central is away",
        )
        # The first round to close may be the last one its bot was asked for.
        until(
            lambda: "STALE_DATA" in reasons(user),
            seconds=ROUND,
            what="a bot that says why it does not start a new round",
            instead=lambda: sorted(reasons(user)),
        )
        assert {cycle["id"] for cycle in cycles(user)} == before

    until(
        lambda: user.get("central")["level"] == "fresh",
        seconds=SOON,
        what="the user side noticing that central is back",
    )
    until(
        lambda: {cycle["id"] for cycle in cycles(user)} - before,
        seconds=SOON,
        what="a new round after central's return",
    )


def test_the_user_side_gone_central_does_not_notice(
    stack: Stack, user: UserApi, central: CentralApi
) -> None:
    with outage(stack, side="user"):
        first = central.recommendations()["run_id"]
        answer = until(
            lambda: next_run(central, after=first),
            seconds=120,
            what="a further analysis run while the user side is away",
        )
        assert answer is not None
        assert answer["stale"] is False

    until(lambda: reachable(user), seconds=SOON, what="the user side's return")
    until(
        lambda: user.get("central")["run_id"] not in ("", first),
        seconds=SOON,
        what="the user side pulling again",
    )


def next_run(central: CentralApi, *, after: str) -> dict[str, Any] | None:
    answer = central.recommendations()
    return answer if answer["run_id"] != after else None


def reachable(user: UserApi) -> bool:
    try:
        return bool(user.get("central"))
    except (ApiError, OSError):
        return False
