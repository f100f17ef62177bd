"""Keep programs running: start, log, restart, stop in order, leave nothing behind.

Stopping never signals a whole process group with SIGTERM: a Celery pool child that
gets it loses its task. Only the main process is asked; the group is killed later.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Self

from deploy import child, guard
from deploy.process_log import ProcessLog

FIRST_BACKOFF_SECONDS = 0.3
LAST_BACKOFF_SECONDS = 15.0
HEALTHY_SECONDS = 30.0
"""A program that ran this long is forgiven its earlier deaths."""
CRASH_LOOP_DEATHS = 4
REFUSED = 2
"""Exit code of a program that cannot work with its arguments; trying again is vain."""
LOOK_SECONDS = 0.05


class StartFailed(Exception):
    """A program did not become ready."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """What to run and how to end it."""

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str]
    directory: Path | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 12.0
    is_store: bool = False  # stopped after everything that uses it
    root_as: Literal["self", "namespace", "nobody"] = "self"


@dataclass(kw_only=True)
class _Child:
    program: Program
    log: ProcessLog
    wanted: bool = True
    process: subprocess.Popen[bytes] | None = None
    started_at: float = 0.0
    start_after: float = 0.0
    starts: int = 0
    quick_deaths: int = 0
    exit_code: int | None = None
    pumps: list[threading.Thread] = field(default_factory=list)


class Supervisor:
    """Owner of a set of programs; use as a context manager."""

    def __init__(
        self,
        *,
        log_directory: Path,
        announce: Callable[[str], None] = print,
        echo: Callable[[str], None] | None = None,
        held_until_swept: Sequence[int] = (),
    ) -> None:
        """Start with nothing to run.

        `held_until_swept` are file descriptors, say of a lock, that stay open until
        the last process is gone, even if this one is killed.
        """
        self.token = secrets.token_hex(8)
        self._log_directory = log_directory
        self._announce = announce
        self._echo = echo
        self._children: dict[str, _Child] = {}
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._refusing = False
        self._guard = _start_guard(self.token, held_until_swept)
        # One thread spawns everything and lives as long as this object: the kernel's
        # death signal follows the spawning thread, not the process.
        self._thread = threading.Thread(target=self._supervise, daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(
        self,
        program: Program,
        *,
        ready: Callable[[], bool] | None = None,
        seconds: float = 45.0,
    ) -> None:
        """Run the program from now on and wait until it is ready; StartFailed if not."""
        with self._lock:
            if self._refusing:
                raise StartFailed(f"{program.name} is not started: everything stops")
            entry = self._children.get(program.name)
            if entry is not None and entry.wanted:
                raise ValueError(f"{program.name} is already running")
            log = ProcessLog(
                path=self._log_directory / f"{program.name}.log",
                name=program.name,
                echo=self._echo,
            )
            self._children[program.name] = _Child(program=program, log=log)
        self._wait_ready(program.name, ready or (lambda: True), seconds)

    def stop(self, *names: str) -> None:
        """Stop the programs in parallel and wait until they have ended."""
        with self._lock:
            children = [self._children[name] for name in names]
            for entry in children:
                entry.wanted = False
                _signal(entry, entry.program.stop_signal)
        for entry in children:
            self._wait_ended(entry)

    def kill(self, name: str) -> None:
        """Kill the program's main process; it is started again (for failure tests)."""
        with self._lock:
            _signal(self._children[name], signal.SIGKILL)

    def kill_all(self) -> None:
        """End everything at once, without asking."""
        self._closing.set()
        with self._lock:
            for entry in self._children.values():
                entry.wanted = False
                if entry.process is not None:
                    _kill_group(entry.process.pid)

    def close(self) -> None:
        """Stop the programs, then the stores, then what they may have left."""
        self._refusing = True
        for is_store in (False, True):
            self.stop(*self._names(is_store=is_store))
        self._closing.set()
        self._thread.join()
        if self._guard.stdin is not None:
            self._guard.stdin.close()
        self._guard.wait()

    def pid(self, name: str) -> int | None:
        """Return the running process's id, or None."""
        process = self._children[name].process
        return process.pid if process is not None else None

    def restarts(self, name: str) -> int:
        """Return how often the program was started again after it died."""
        return max(0, self._children[name].starts - 1)

    def running(self) -> tuple[str, ...]:
        """Return the names of the programs that are wanted."""
        with self._lock:
            return tuple(name for name, c in self._children.items() if c.wanted)

    def tail(self, name: str, lines: int = 15) -> list[str]:
        """Return the last lines of a program's log."""
        return self._children[name].log.tail(lines)

    def _names(self, *, is_store: bool) -> Iterable[str]:
        with self._lock:
            return [
                name
                for name, entry in self._children.items()
                if entry.program.is_store == is_store
            ]

    def _wait_ready(self, name: str, ready: Callable[[], bool], seconds: float) -> None:
        entry = self._children[name]
        deadline = time.monotonic() + seconds
        while entry.starts == 0 or entry.process is None or not ready():
            problem = _start_problem(entry, late=time.monotonic() > deadline)
            if problem:
                entry.wanted = False
                lines = "\n".join("  " + line for line in entry.log.tail(12))
                raise StartFailed(
                    f"{name} {problem}. Its log: {entry.log.path}\n{lines}"
                )
            time.sleep(LOOK_SECONDS)

    def _wait_ended(self, entry: _Child) -> None:
        deadline = time.monotonic() + entry.program.stop_seconds
        while entry.process is not None:
            if time.monotonic() > deadline:
                entry.log.note("did not stop in time: killed")
                with self._lock:
                    if entry.process is not None:
                        _kill_group(entry.process.pid)
            time.sleep(LOOK_SECONDS)
        for pump in entry.pumps:
            pump.join(timeout=1)

    def _supervise(self) -> None:
        while True:
            with self._lock:
                for entry in self._children.values():
                    self._look_after(entry)
                done = not any(c.process for c in self._children.values())
            if self._closing.is_set() and done:
                return
            time.sleep(LOOK_SECONDS)

    def _look_after(self, entry: _Child) -> None:
        if entry.process is not None and entry.process.poll() is not None:
            self._bury(entry)
        due = entry.wanted and time.monotonic() >= entry.start_after
        if entry.process is None and due and not self._closing.is_set():
            self._spawn(entry)

    def _spawn(self, entry: _Child) -> None:
        program = entry.program
        process = subprocess.Popen(
            _prepared(program),
            cwd=program.directory,
            env={**program.env, guard.TOKEN_NAME: self.token, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a terminal's Ctrl-C reaches only the supervisor
        )
        self._tell_guard(f"+{process.pid}")
        entry.process, entry.started_at = process, time.monotonic()
        entry.starts += 1
        if process.stdout is not None:
            entry.pumps = [entry.log.follow(process.stdout)]

    def _bury(self, entry: _Child) -> None:
        process = entry.process
        if process is None:
            return
        _kill_group(process.pid)  # what the main process left behind
        self._tell_guard(f"-{process.pid}")
        entry.process, entry.exit_code = None, process.returncode
        if not entry.wanted:
            return
        lived = time.monotonic() - entry.started_at
        entry.quick_deaths = 1 if lived > HEALTHY_SECONDS else entry.quick_deaths + 1
        wait = min(
            FIRST_BACKOFF_SECONDS * 2 ** (entry.quick_deaths - 1), LAST_BACKOFF_SECONDS
        )
        entry.start_after = time.monotonic() + wait
        entry.log.note(f"ended with {process.returncode}, restart in {wait:.1f} s")
        self._report_death(entry, code=process.returncode)

    def _report_death(self, entry: _Child, *, code: int) -> None:
        name = entry.program.name
        if entry.quick_deaths < CRASH_LOOP_DEATHS:
            self._announce(f"{name} ended unexpectedly ({code}); starting it again.")
        elif entry.quick_deaths == CRASH_LOOP_DEATHS:
            lines = "\n".join("  " + line for line in entry.log.tail(10))
            self._announce(
                f"{name} keeps ending ({code}); still trying. {entry.log.path}:\n{lines}"
            )

    def _tell_guard(self, message: str) -> None:
        if self._guard.stdin is None:
            return
        try:
            self._guard.stdin.write(f"{message}\n".encode())
            self._guard.stdin.flush()
        except BrokenPipeError:  # somebody killed it; the death signals remain
            pass


def _start_guard(token: str, held: Sequence[int]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-I", "-S", guard.__file__, token],
        stdin=subprocess.PIPE,
        pass_fds=held,
        start_new_session=True,
    )


def _prepared(program: Program) -> list[str]:
    # Through a small script instead of preexec_fn, which is unsafe beside threads.
    return [
        *(sys.executable, "-I", "-S", str(child.__file__)),
        *("--parent", str(os.getpid())),
        *("--death-signal", str(int(program.stop_signal))),
        *("--root-as", program.root_as, "--", *program.command),
    ]


def _start_problem(entry: _Child, *, late: bool) -> str | None:
    if entry.exit_code == REFUSED:
        return "refused to start"
    if entry.quick_deaths >= CRASH_LOOP_DEATHS - 1:
        return f"ended {entry.quick_deaths} times (exit code {entry.exit_code})"
    if not entry.wanted:
        return "was stopped while it started"
    return "was not ready in time" if late else None


def _signal(entry: _Child, number: signal.Signals) -> None:
    if entry.process is not None and entry.process.poll() is None:
        entry.process.send_signal(number)


def _kill_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
