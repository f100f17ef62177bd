"""The directories under .run: fresh ones for demos, one kept, each with one owner."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import time
from datetime import datetime
from pathlib import Path
from typing import IO

KEPT_DEMOS = 3
SWEEP_SECONDS = 8.0


class AlreadyRunning(Exception):
    """Somebody else runs this stack; the message says who and what to do."""


class RunLock:
    """Ownership of a stack's directory; ends with the process, however it ends."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "lock"
        self._file: IO[str] | None = None

    def acquire(self) -> None:
        """Take the directory, or say who has it."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = self.path.open("a+")
        # A killed owner's processes are swept within seconds; wait for that.
        deadline = time.monotonic() + SWEEP_SECONDS
        while not _try_lock(file):
            owner = _owner(self.path)
            if owner is not None or time.monotonic() > deadline:
                file.close()
                raise AlreadyRunning(
                    f"{self.path.parent} is in use by process {owner or 'unknown'}."
                    " End it first: make stop (or Ctrl-C where it runs)."
                )
            time.sleep(0.2)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        self._file = file

    def fileno(self) -> int:
        """Return the descriptor that holds the lock."""
        if self._file is None:
            raise ValueError("the directory is not locked")
        return self._file.fileno()

    def release(self) -> None:
        """Give the directory back."""
        if self._file is not None:
            self._file.close()
            self._file = None


def stop_running(directory: Path, *, seconds: float = 60.0) -> bool:
    """Ask the owner of a stack to stop and wait for it; False if there is none."""
    path = directory / "lock"
    if not path.exists():
        return False
    with path.open("a+") as file:
        if _try_lock(file):
            return False
        owner = _owner(path)
        if owner is None:
            return _wait_for_lock(file, seconds=SWEEP_SECONDS)
        os.kill(owner, signal.SIGTERM)
        if not _wait_for_lock(file, seconds=seconds):
            raise AlreadyRunning(
                f"process {owner} did not stop within {seconds:.0f} s; look at"
                f" {directory / 'logs'}, then kill -9 {owner} (the rest follows it)."
            )
    return True


def fresh_demo_directory(run: Path, *, now: datetime) -> Path:
    """Make a new demo directory and remove all but the newest earlier ones."""
    run.mkdir(exist_ok=True, mode=0o700)
    old = sorted(path for path in run.glob("demo-*") if path.is_dir())
    for directory in old[: max(0, len(old) - KEPT_DEMOS + 1)]:
        if not _in_use(directory):
            shutil.rmtree(directory, ignore_errors=True)
    directory = run / now.strftime("demo-%Y%m%d-%H%M%S")
    directory.mkdir(exist_ok=True, mode=0o700)
    return directory


def _in_use(directory: Path) -> bool:
    path = directory / "lock"
    if not path.exists():
        return False
    with path.open("a+") as file:
        return not _try_lock(file)


def _try_lock(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _wait_for_lock(file: IO[str], *, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not _try_lock(file):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _owner(path: Path) -> int | None:
    """Return the process id in the lock file if that process is a stack of ours."""
    text = path.read_text().strip()
    if not text.isdigit():
        return None
    try:
        command = Path(f"/proc/{text}/cmdline").read_bytes().split(b"\0")
        state = Path(f"/proc/{text}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return None
    ours = any(b"deploy" in part or b"pytest" in part for part in command)
    return int(text) if ours and state != "Z" else None
