"""How much memory this process has held at most."""

from __future__ import annotations

from pathlib import Path


def peak_mb() -> float:
    """Return the peak resident memory in MB.

    Not getrusage: its peak includes the process that started this one.
    """
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    line = next(line for line in lines if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024
