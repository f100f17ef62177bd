"""Sweep up after a supervisor that was killed: no process of it may stay behind.

Run as a script, standard library only. It reads process group ids from its standard
input, which ends when the supervisor ends in whatever way. Children get a short time
to obey the signal the kernel sent them at that moment; then the rest is killed.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

GRACE_SECONDS = 3.0
TOKEN_NAME = "DANTARO_SUPERVISED_BY"
"""Environment variable that marks everything one supervisor started."""


def main(token: str) -> None:
    """Wait for the supervisor's end, then for its children's, then kill."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    groups = _watch_groups()
    deadline = time.monotonic() + GRACE_SECONDS
    while time.monotonic() < deadline:
        if not any(map(group_lives, groups)) and not marked_processes(token):
            return
        time.sleep(0.1)
    for group in filter(group_lives, groups):
        _kill(-group)
    for process in marked_processes(token):
        _kill(process)


def _watch_groups() -> set[int]:
    groups: set[int] = set()
    for line in sys.stdin:  # "+123" started, "-123" ended
        sign, group = line[:1], int(line[1:])
        groups.add(group) if sign == "+" else groups.discard(group)
    return groups


def group_lives(group: int) -> bool:
    """Tell whether any process of the group is left (zombies count as living)."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def marked_processes(token: str) -> list[int]:
    """Return the ids of processes that carry the supervisor's mark."""
    mark = f"{TOKEN_NAME}={token}".encode()
    found = []
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            variables = (directory / "environ").read_bytes().split(b"\0")
        except OSError:  # gone meanwhile, or somebody else's
            continue
        if mark in variables and int(directory.name) != os.getpid():
            found.append(int(directory.name))
    return found


def _kill(target: int) -> None:
    try:
        os.kill(target, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass


if __name__ == "__main__":
    main(sys.argv[1])
