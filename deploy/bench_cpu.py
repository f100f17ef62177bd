"""What processes have worked, to the nanosecond."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

_CPU_OF_PROCESS: Final = 2
"""CPUCLOCK_SCHED in Linux' numbering of the clocks of processes."""


def cpu_seconds(pid: int) -> float:
    """Return a process's own CPU time; 0 when it is gone.

    What glibc's clock_getcpuclockid makes of a pid: /proc/PID/stat counts in
    hundredths, and a short run may cost less than one.
    """
    try:
        return time.clock_gettime((~pid << 3) | _CPU_OF_PROCESS)
    except OSError:
        return 0.0


def family(pid: int) -> Iterator[int]:
    """Return a process and all its descendants."""
    yield pid
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = task.read_text().split()
        except OSError:
            continue
        for child in children:
            yield from family(int(child))


class Work:
    """How long some families of processes work from now on."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._pids = tuple(pids)
        self._before = self._now()

    def ms(self) -> float:
        """Return the CPU milliseconds since the beginning."""
        now = self._now()
        return 1000 * sum(now[pid] - self._before.get(pid, 0.0) for pid in now)

    def _now(self) -> dict[int, float]:
        members = [one for pid in self._pids for one in family(pid)]
        return {pid: cpu_seconds(pid) for pid in members}
