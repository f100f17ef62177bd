"""Run management commands of either server as the stack's own processes."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from deploy.stack_options import ROOT

SECONDS = 900.0


class CommandFailed(Exception):
    """A management command failed; the message holds its last lines."""


class Management:
    """Runs manage_central.py and manage_user.py; output is kept in the stack's logs."""

    def __init__(self, *, logs: Path) -> None:
        self._logs = logs
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._closed = False

    def run(self, side: str, *arguments: str, env: Mapping[str, str]) -> str:
        """Run one command and return what it printed; CommandFailed if it fails."""
        with self._lock:
            if self._closed:
                raise CommandFailed(f"{arguments[0]} is not run: everything stops")
            process = subprocess.Popen(
                [sys.executable, f"manage_{side}.py", *arguments],
                cwd=ROOT,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,  # Ctrl-C is for the launcher alone
            )
            self._running.add(process)
        try:
            output, _ = process.communicate(timeout=SECONDS)
        finally:
            process.kill()
            self._running.discard(process)
        self._keep(side, arguments[0], output)
        if process.returncode != 0:
            last = "\n".join("  " + line for line in output.splitlines()[-15:])
            raise CommandFailed(
                f"manage_{side}.py {arguments[0]} ended with"
                f" {process.returncode}:\n{last}"
            )
        return output

    def close(self) -> None:
        """End the commands that still run and refuse further ones."""
        with self._lock:
            self._closed = True
            for process in self._running:
                process.terminate()

    def _keep(self, side: str, command: str, output: str) -> None:
        self._logs.mkdir(parents=True, exist_ok=True)
        with (self._logs / f"{side}-manage.log").open("a", encoding="utf-8") as file:
            file.writelines(f"{command} | {line}\n" for line in output.splitlines())
