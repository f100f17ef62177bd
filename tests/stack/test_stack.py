"""The whole stack: everything answers, sides stop and start, what dies comes back."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import closing
from urllib.parse import quote

import psycopg2  # type: ignore[import-untyped]
import pytest
import requests

from deploy.environments import SIDES
from deploy.runs import AlreadyRunning
from deploy.stack import Stack
from tests.stack import tides
from tests.stack.outages import outage

CELERYS_LAST_WORDS = ("", "worker: Warm shutdown (MainProcess)")
"""Printed past all logging when a worker is stopped."""


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


def test_the_doctor_finds_nothing_wrong_with_a_running_server(stack: Stack) -> None:
    def examined() -> dict[str, str]:
        # CommandFailed, if anything were red.
        answer = stack.manage("central", "doctor", "--json").splitlines()[-1]
        rows = json.loads(answer)["findings"]
        return {row["part"]: row["colour"] for row in rows}

    colours = examined()

    assert colours.keys() >= {"database", "redis", "beat", "workers", "exchange", "run"}
    assert {part for part, colour in colours.items() if colour != "green"} <= {"disk"}


def test_central_tells_its_figures_to_who_knows_the_token(stack: Stack) -> None:
    url = f"{stack.central_url}/metrics"
    token = stack.environment("central")["METRICS_TOKEN"]

    answer = requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=10)

    assert answer.status_code == 200
    for line in (
        'dantaro_up{store="database"} 1.0',
        'dantaro_run_is{state="ok"} 1.0',
        "dantaro_beat_ok 1.0",
    ):
        assert line in answer.text
    assert requests.get(url, timeout=10).status_code == 401
    assert (
        requests.get(f"{stack.central_url}/readyz", timeout=10).json()["status"] == "ok"
    )


@pytest.mark.parametrize("process", ["web", "pipeline", "housekeeping", "beat"])
def test_every_line_of_central_is_json_without_a_secret(
    stack: Stack, process: str
) -> None:
    log = stack.logs / f"central-{process}.log"
    lines = [line.partition(" | ")[2] for line in log.read_text().splitlines()]

    told = [json.loads(line) for line in lines if line not in CELERYS_LAST_WORDS]

    assert told
    assert all(one["event"] and one["level"] and one["timestamp"] for one in told)
    for secret in (stack.api_key, stack.credentials.central_store_password):
        assert not [line for line in lines if secret in line]
    if process == "pipeline":
        (first, *_) = (one for one in told if one["event"] == "market.run.published")
        assert first["task"] == "market.run_pipeline"
        assert first["run_id"].endswith("-1")
        assert first["coins_ok"] == tides.COINS


def test_two_beats_start_each_run_once(stack: Stack) -> None:
    def calls(process: str, what: str) -> int:
        log = (stack.logs / f"central-{process}.log").read_text()
        return sum(what in line for line in log.splitlines())

    sent = "Sending due task 분석 실행 확인"
    assert eventually(lambda: calls("beat-2", sent) > 2 and calls("beat", sent) > 2)

    with closing(psycopg2.connect(stack.environment("central")["DATABASE_URL"])) as db:
        cursor = db.cursor()
        cursor.execute("SELECT count(*), sum(attempt) FROM market_analysisrun")
        runs, attempts = cursor.fetchone()
    assert runs == attempts > 0
    assert calls("pipeline", "Task market.run_pipeline") // 2 <= attempts


@pytest.mark.parametrize("side", SIDES)
def test_flower_shows_and_changes_nothing(stack: Stack, side: str) -> None:
    rows = f"{stack.flower_url(side)}/workers?json=1"
    login = stack.flower_login

    def nodes() -> list[str]:
        answer = requests.get(rows, auth=login, timeout=10).json()["data"]
        return [row["hostname"] for row in answer]

    assert eventually(nodes)
    shutdown = f"{stack.flower_url(side)}/api/worker/shutdown/{quote(nodes()[0])}"
    answer = requests.post(shutdown, auth=login, timeout=10)

    assert answer.status_code == 403


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
    with outage(stack, side="user"):
        stopped = not answers(f"{stack.user_url}/healthz")
        other_lives = answers(f"{stack.central_url}/healthz")

    assert stopped
    assert other_lives
    assert answers(f"{stack.user_url}/healthz")


def test_the_directory_has_one_owner(stack: Stack) -> None:
    with pytest.raises(AlreadyRunning, match="make stop"):
        Stack(stack.options)
