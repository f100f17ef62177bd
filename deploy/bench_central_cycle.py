"""A whole cycle of the central server at the exchange's real limits."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from statistics import median
from typing import Any, Final
from urllib.request import urlopen

from deploy.bench import Figure
from deploy.bench_central_world import central_environment
from deploy.bench_http import Server, simulator_with, two_cores
from deploy.stack_options import ROOT

COINS: Final = 250
ROUNDS: Final = 3
LIMIT: Final = 10
"""Candle calls a second that the exchange allows one address."""
HURRY: Final = 100
"""How much faster history is loaded, from an exchange that allows it."""
Step = Callable[[str], None]


def figures(step: Step, *, coins: int = COINS, rounds: int = ROUNDS) -> list[Figure]:
    """Measure *rounds* cycles of *coins* markets over HTTP; about two minutes."""
    with central_environment() as env:
        _manage(["migrate", "--verbosity", "0"], env)
        step(f"cycle: 90 days of {coins} coins, {HURRY} times as fast as allowed")
        with _exchange(coins, factor=HURRY) as server:
            fast = {"UPBIT_BASE_URL": server.url, "DANTARO_RATE_FACTOR": str(HURRY)}
            _manage(["backfill", "--days", "90", "--json"], {**env, **fast})
        step(f"cycle: {rounds} cycles at the exchange's own limits")
        with _exchange(coins, factor=1) as server:
            # Its first look through a year of every market is no exchange's work.
            urlopen(f"{server.url}/v1/ticker/all?quote_currencies=KRW").close()
            found = _cycles(rounds, {**env, "UPBIT_BASE_URL": server.url})
            refused = _refused(server)
    return _figures(found, refused, coins)


@contextmanager
def _exchange(coins: int, *, factor: int) -> Iterator[Server]:
    options = ("--seed", "1", "--markets", str(coins), "--rate-factor", str(factor))
    with simulator_with(*options, "--faults", core=two_cores().server) as server:
        yield server


def _manage(command: Sequence[str], env: Mapping[str, str]) -> None:
    subprocess.run(
        [sys.executable, "manage_central.py", *command],
        cwd=ROOT,
        env=env,
        stdout=subprocess.DEVNULL,
        check=True,
    )


def _cycles(rounds: int, env: Mapping[str, str]) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "deploy.bench_central_cycle_run", str(rounds)],
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _refused(server: Server) -> int:
    """Count the exchange's own record of calls that it refused for their speed."""
    with urlopen(f"{server.url}/simulator/requests") as answer:
        calls = json.load(answer)
    return sum(call["status"] in (418, 429) for call in calls)


def _figures(found: dict[str, Any], refused: int, coins: int) -> list[Figure]:
    cycles = found["cycles"]
    walls = sorted(one["wall_s"] for one in cycles)
    limit = cycles[0]["candle_calls"] / LIMIT
    after = median(one["after_last_ms"] for one in cycles)
    return [
        Figure(
            name="cycle_wall_vs_exchange_limit",
            value=median(walls) / limit,
            unit="x",
            baseline=f"{cycles[0]['candle_calls']} calls at {LIMIT}/s",
            baseline_value=1.0,
            about=f"claim to rendered answers of {coins} coins over HTTP, production"
            f" pipeline, simulator at real limits: {median(walls):.2f} s against"
            f" {limit:.1f} s, slowest of {len(walls)}: {walls[-1]:.2f} s; 90 days of"
            " history were loaded before by `backfill` from a simulator that allows"
            f" {HURRY} times as much, and each cycle forgets the last hour",
        ),
        Figure(
            name="cycle_refused_calls",
            value=refused,
            unit="answers 429 or 418",
            baseline="allowed",
            baseline_value=0.0,
            about="by the simulator's own record of all cycles",
        ),
        Figure(
            name="cycle_after_last_candle_ms",
            value=after,
            unit="ms",
            baseline="analysis after collection",
            baseline_value=found["together_ms"],
            about="last candle's arrival to rendered answers: the last coin, ranking,"
            " publishing, rendering. Baseline: all of it when nothing overlaps",
        ),
    ]
