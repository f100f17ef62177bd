"""What one price tick costs, with few bots and with very many."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, Final

from deploy.bench import Figure
from deploy.bench_parts import Step
from deploy.bench_user_bots import DISARM
from deploy.bench_user_stamps import FILE
from deploy.supervisor import Program
from deploy.user_world import UserWorld, user_world

SHARDS: Final = 2
TICKS: Final = 9
SIZES: Final = {100: 3, 1_000: 3, 10_000: 1, 100_000: 0}
"""Bots, and how often the naive way is measured for so many of them."""
WHOLE: Final = 10_000
ABOUT: Final = (
    "250 coins, 2.4 % of the bots cross their trigger in a tick; CPU of watcher,"
    " PostgreSQL, Redis and two workers whose bots do nothing"
)


def figures(
    step: Step, *, sizes: Mapping[int, int] = SIZES, ticks: int = TICKS
) -> list[Figure]:
    """Measure ticks of so many bots; two minutes, most of them the naive way."""
    found: dict[int, dict[str, Any]] = {}
    with user_world(accounts=0, shards=SHARDS) as world, empty_workers(world) as file:
        for bots, naive_ticks in sizes.items():
            step(f"tick: {bots:,} bots")
            found[bots] = _run(world, file, bots, naive_ticks, ticks)
    return _figures(found)


@contextmanager
def empty_workers(world: UserWorld, *, disarming: bool = False) -> Iterator[Path]:
    """Run the shards' workers with bots that do nothing; yield the file of stamps.

    With *disarming* a bot at least waits for no price any more after it has started.
    """
    with TemporaryDirectory(prefix="dantaro-stamps-") as directory:
        file = Path(directory) / "stamps"
        file.touch()
        nodes = [node for node in world.processes.workers if node.startswith("bots")]
        for node in nodes:
            program = world.processes.workers[node]
            world.supervisor.start(_emptied(program, file, disarming=disarming))
        world.wait_for_workers(*nodes)
        yield file
        world.supervisor.stop(*(world.processes.workers[node].name for node in nodes))


def _emptied(program: Program, file: Path, *, disarming: bool) -> Program:
    command = tuple(
        "deploy.bench_user_worker" if word == "user_project.celery" else word
        for word in program.command
    )
    env = {**program.env, FILE: str(file), "LOG_LEVEL": "WARNING"}
    if disarming:
        env[DISARM] = "1"
    return replace(program, command=command, env=env)


def _run(
    world: UserWorld, file: Path, bots: int, naive_ticks: int, ticks: int
) -> dict[str, Any]:
    names = ["postgres", "valkey", *world.supervisor.running()]
    pids = {world.supervisor.pid(name) for name in names}
    asked = {
        "bots": bots,
        "ticks": ticks,
        "naive_ticks": naive_ticks,
        "stamps": str(file),
        "pids": [pid for pid in pids if pid is not None],
    }
    told = world.python("-m", "deploy.bench_user_tick_run", json.dumps(asked))
    result: dict[str, Any] = json.loads(told.splitlines()[-1])
    return result


def _figures(found: Mapping[int, dict[str, Any]]) -> list[Figure]:
    measured = {
        bots: median(tick["cpu_ms"] for tick in told["naive"])
        for bots, told in found.items()
        if told["naive"]
    }
    dearest = max(measured)
    figures = []
    for bots, told in found.items():
        cpu = median(tick["cpu_ms"] for tick in told["ours"])
        started = median(tick["started_ms"] for tick in told["ours"])
        watcher = median(tick["watcher_ms"] for tick in told["ours"])
        naive = measured.get(bots, measured[dearest] * bots / dearest)
        how = (
            "measured" if bots in measured else f"{bots // dearest} × {dearest:,} bots"
        )
        if bots == WHOLE or (bots == dearest != WHOLE and WHOLE not in found):
            figures.append(
                Figure(
                    name="tick_cpu_vs_task_per_bot",
                    value=naive / cpu,
                    unit="x",
                    baseline="one Celery task per bot and tick",
                    baseline_value=1.0,
                    about=f"{bots:,} bots: {naive:,.0f} ms against {cpu:.1f} ms; {ABOUT}",
                )
            )
        figures.append(
            Figure(
                name=f"tick_cpu_ms_{bots}",
                value=cpu,
                unit="CPU ms/tick",
                baseline=f"one task per bot ({how})",
                baseline_value=naive,
                about=f"{told['ours'][0]['woken']} bots woken, of this {watcher:.1f} ms in"
                f" the watcher; the last one had started after {started:.0f} ms",
            )
        )
    return figures
