"""What docs/simulator.md tells strangers to type does what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.judge_world import Exchange, Key, exchange

ROOT = Path(__file__).resolve().parents[2]
PAPER = Key(access="paper-access", secret="paper-secret-paper-secret-paper-secret")
"""The document's own account."""
TEXT = (ROOT / "docs/simulator.md").read_text(encoding="utf-8")
COMMANDS = [
    command.strip()
    for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    for command in re.split(r"(?<!\\)\n", block)
    if command.strip()
]
CURLS = [one for one in COMMANDS if one.startswith("curl")]


@pytest.fixture(scope="module")
def upbit() -> Iterator[Exchange]:
    with exchange(PAPER.option) as running:
        yield running


def _run(upbit: Exchange, *command: str) -> str:
    answer = subprocess.run(
        [*command, "--base-url", upbit.url],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=ROOT,
    )
    assert answer.returncode == 0, answer.stderr
    return answer.stdout


SAYS = {
    "upbit_sdk_bot": r"bought 0\.\d+ KRW-BTC \(cancel\)\nsold 0\.\d+, paid .*\nKRW: ",
    "upbit_sdk_async_bot": r"wait: .*\ncancel: ",
    "ccxt_bot": r"bought .* \(canceled\)\n1 order rests at .*\nsold ",
    "pyupbit_bot": r"48 hours, .*\nnow .*\nbought .* \(cancel\)\nsold .* \(done\)",
    "websocket_prices": r"SNAPSHOT KRW-BTC last \d",
}


@pytest.mark.parametrize("name", SAYS)
def test_an_example_runs_against_a_running_simulator(
    upbit: Exchange, name: str
) -> None:
    said = _run(upbit, sys.executable, f"docs/examples/{name}.py")

    assert re.search(SAYS[name], said), said


def test_the_examples_orders_are_on_the_document_s_account(upbit: Exchange) -> None:
    orders = upbit.orders(PAPER).values()

    assert {one["ord_type"] for one in orders} == {"price", "market", "limit"}
    assert {one["state"] for one in orders} == {"done", "cancel"}


def test_every_curl_of_the_document_is_answered_as_it_says(upbit: Exchange) -> None:
    answers = {}
    for command in CURLS:
        here = command.replace("http://127.0.0.1:9000", upbit.url)
        answer = subprocess.run(
            ["bash", "-c", f"{here} -sS -o /dev/null -w '%{{http_code}}'"],
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert answer.returncode == 0, answer.stderr
        answers[command] = answer.stdout

    unsigned = [command for command in CURLS if "/v1/accounts" in command]
    assert len(CURLS) > 10
    assert [answers.pop(command) for command in unsigned] == ["401"]
    assert set(answers.values()) <= {"200", "201"}, answers
