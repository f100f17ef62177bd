"""Indicators of many coins: ours beside a `ta` loop, freqtrade and TA-Lib."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from deploy import bench_central_panel
from deploy.bench import Figure
from deploy.bench_central_panel import HOURS
from deploy.bench_env import PeersUnavailable, bench_bin
from deploy.stack_options import ROOT

ROUNDS: Final = 5
MANY: Final = 2_500
SOME: Final = 250
PEERS: Final = {"ta": 12, "freqtrade": 25, "talib": SOME}
"""How many coins each peer is given; its time per coin does not depend on it."""
WHAT: Final = (
    f"24 indicators and the tail losses of {HOURS:,} hourly rows per coin, one coin at a"
    f" time; CPU time per coin, medians of alternating rounds"
)
Step = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One engine's medians."""

    cpu_ms: float
    """Per coin."""
    peak_mb: float


def figures(step: Step, *, rounds: int = ROUNDS) -> list[Figure]:
    """Measure our engine and, if they can be installed, the peers."""
    programs: dict[str, list[str]] = {
        "ours": ours("figures", SOME),
        "ours_many": ours("figures", MANY),
        "run": ours("run", SOME),
    }
    try:
        python = str(bench_bin() / "python")
    except PeersUnavailable as missing:
        print(f"bench: the engines' peers are left out: {missing}", file=sys.stderr)
    else:
        programs |= {name: _peer(python, name, count) for name, count in PEERS.items()}
    with tempfile.TemporaryDirectory(prefix="dantaro-bench-") as directory:
        panel = Path(directory) / "panel.f64"
        bench_central_panel.write(panel, coins=MANY)
        taken: dict[str, list[Measured]] = {name: [] for name in programs}
        for number in range(rounds):
            for name, program in programs.items():
                step(f"engine: {name}, round {number + 1} of {rounds}")
                taken[name].append(ask(program, panel))
    return _figures({name: _median(all_) for name, all_ in taken.items()})


def ours(part: str, coins: int) -> list[str]:
    """Return the command that measures *part* of our engine on *coins*."""
    return [sys.executable, "-m", "deploy.bench_central_ours", "", part, str(coins)]


def _peer(python: str, engine: str, coins: int) -> list[str]:
    return [python, "-m", "deploy.bench_central_peers", "", engine, str(coins)]


def ask(program: list[str], panel: Path) -> Measured:
    """Let one engine work through the panel's coins, in its own process."""
    command = [str(panel) if part == "" else part for part in program]
    done = subprocess.run(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def _median(rounds: list[Measured]) -> Measured:
    return Measured(
        cpu_ms=median(one.cpu_ms for one in rounds),
        peak_mb=median(one.peak_mb for one in rounds),
    )


def _figures(found: Mapping[str, Measured]) -> list[Figure]:
    ours = found["ours"]
    rows = [
        _versus(name, said, found[peer], ours)
        for name, said, peer in (
            ("analysis_cpu_vs_ta", "one `ta` object per indicator", "ta"),
            (
                "analysis_cpu_vs_freqtrade",
                "a freqtrade strategy's populate_indicators",
                "freqtrade",
            ),
            ("analysis_cpu_vs_talib", "TA-Lib on arrays", "talib"),
        )
        if peer in found
    ]
    return rows + _own(found)


def _versus(name: str, said: str, peer: Measured, ours: Measured) -> Figure:
    return Figure(
        name=name,
        value=peer.cpu_ms / ours.cpu_ms,
        unit="x",
        baseline=said,
        baseline_value=1.0,
        about=f"{WHAT}: {said} {peer.cpu_ms:.3g} ms, ours {ours.cpu_ms:.3g} ms; peak"
        f" memory {peer.peak_mb:.0f} and {ours.peak_mb:.0f} MB",
    )


def _own(found: Mapping[str, Measured]) -> list[Figure]:
    ours, many, run = found["ours"], found["ours_many"], found["run"]
    loop = found.get("ta")
    said = "`ta` loop" if loop else "none"
    per_coin, peak = (loop.cpu_ms, loop.peak_mb) if loop else (0.0, 0.0)
    return [
        Figure(
            name="analysis_ms_per_coin",
            value=ours.cpu_ms,
            unit="CPU ms",
            baseline=said,
            baseline_value=per_coin,
            about=f"{WHAT}; {SOME} coins; `ta` on {PEERS['ta']}",
        ),
        Figure(
            name="analysis_ms_per_coin_2500",
            value=many.cpu_ms,
            unit="CPU ms",
            baseline=f"{SOME} coins",
            baseline_value=ours.cpu_ms,
            about=f"the same on {MANY:,} coins, whose rows no processor cache holds",
        ),
        Figure(
            name="run_cpu_ms_250",
            value=run.cpu_ms * SOME,
            unit="CPU ms",
            baseline=said,
            baseline_value=per_coin * SOME,
            about=f"{SOME} coins from stored candles over checked series to figures;"
            " the loop is given its series",
        ),
        Figure(
            name="analysis_peak_mb_2500",
            value=many.peak_mb,
            unit="MB",
            baseline=f"{said}, {PEERS['ta']} coins",
            baseline_value=peak,
            about=f"peak memory of the process that holds {MANY:,} coins, twice while"
            " it loads them",
        ),
    ]
