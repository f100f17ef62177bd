"""`make up` on chosen prices, with a second simulator as the exchange they come from."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.ports import free_ports
from tests.system.simulator_process import Simulator, start

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import sys
from pathlib import Path
from deploy.launcher import up
from deploy.stack import Stack

# deploy: the paper exchange alone stands for the whole stack.
sys.exit(up(directory=Path(sys.argv[1]), start=Stack.start_exchange))
"""


class Up:
    """`make up` in a process of its own, with nothing but the paper exchange."""

    def __init__(self, directory: Path, **variables: str) -> None:
        plain = {
            name: value
            for name, value in os.environ.items()
            if name not in ("PAPER_PRICES", "SEED")
        }
        self.process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, str(directory)],
            cwd=ROOT,
            env={**plain, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def said_until(self, word: str) -> str:
        """Return what it printed up to the line with a word."""
        assert self.process.stdout is not None
        said = ""
        for line in self.process.stdout:
            said += line
            if word in line:
                return said
        raise AssertionError(f"it ended: {said} {self.finish()}")

    def finish(self) -> tuple[int, str]:
        """Stop it if it runs; return its exit code and its complaints."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        _, complaint = self.process.communicate(timeout=60)
        return self.process.returncode, complaint

    def refusal(self) -> str:
        """Return the complaint with which it refused to start."""
        _, complaint = self.process.communicate(timeout=60)
        assert self.process.returncode == 2
        return complaint


@pytest.fixture
def upstream() -> Iterator[Simulator]:
    port = free_ports(1)[0]
    simulator = start("--seed", "3", port=port)
    yield simulator
    if simulator.process.poll() is None:
        simulator.stop()


def test_an_installation_keeps_the_prices_of_its_first_start(
    tmp_path: Path, upstream: Simulator
) -> None:
    directory = tmp_path / "up"
    first = Up(directory, PAPER_PRICES=upstream.url)
    said = first.said_until("logs")
    exchange = next(line for line in said.splitlines() if "exchange" in line).split()[1]
    paper = Simulator(first.process, exchange)
    health = paper.public("/healthz").json()
    listed = [one.public("/v1/market/all").content for one in (paper, upstream)]
    ended = first.finish()

    assert f"Paper trading on the prices of {upstream.url}" in said
    assert f"paper money; prices of {upstream.url}" in said
    assert health["upstream"] == upstream.url
    assert listed[0] == listed[1]
    assert ended == (0, "")
    for other in ({"PAPER_PRICES": "synthetic"}, {"SEED": "5"}):
        refusal = Up(directory, **other).refusal()
        assert f"trades on the prices of {upstream.url}" in refusal
        assert "PAPER_PRICES" in refusal

    upstream.stop()
    again = Up(directory)
    said = again.said_until("logs")
    assert again.finish() == (0, "")
    assert "cannot be read at present" in said
    assert "prices are stale" in said


def test_prices_that_cannot_be_read_are_refused_and_nothing_is_decided(
    tmp_path: Path,
) -> None:
    nobody = f"http://127.0.0.1:{free_ports(1)[0]}"

    refusal = Up(tmp_path / "up", PAPER_PRICES=nobody).refusal()

    assert f"{nobody}, but it cannot be read: Connection refused" in refusal
    assert not (tmp_path / "up").exists()


def test_a_synthetic_market_goes_on_as_one(tmp_path: Path) -> None:
    directory = tmp_path / "up"
    for variables in ({"PAPER_PRICES": "synthetic"}, {}):
        up = Up(directory, **variables)
        said = up.said_until("logs")

        assert up.finish() == (0, "")
        assert "synthetic market" in said
        assert "paper money; no real prices" in said
