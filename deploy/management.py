"""Run management commands of either server as the stack's own processes."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.stack_options import ROOT

SECONDS = 900.0


class CommandFailed(Exception):
    """A management command failed; the message holds its last lines."""

    def __init__(self, message: str, *, finished: int = 0) -> None:
        super().__init__(message)
        self.finished = finished  # how many commands before it did their work


class Management:
    """Runs manage_central.py and manage_user.py; output is kept in the stack's logs."""

    def __init__(self, *, logs: Path) -> None:
        self._logs = logs
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()
        self._closed = False

    def run(self, side: str, *commands: Sequence[str], env: Mapping[str, str]) -> str:
        """Run the commands and return what they printed; CommandFailed if one fails."""
        names = ", ".join(command[0] for command in commands)
        with self._lock:
            if self._closed:
                raise CommandFailed(f"{names} is not run: everything stops")
            process = subprocess.Popen(
                [sys.executable, "-m", "deploy.run_commands", json.dumps(commands)],
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
        self._keep(side, names, output)
        if process.returncode != 0:
            last = "\n".join("  " + line for line in output.splitlines()[-15:])
            begun = sum(line.startswith("-- ") for line in output.splitlines())
            raise CommandFailed(
                f"manage_{side}.py {names} ended with {process.returncode}:\n{last}",
                finished=max(0, begun - 1),
            )
        return output

    def close(self) -> None:
        """End the commands that still run and refuse further ones."""
        with self._lock:
            self._closed = True
            for process in self._running:
                process.terminate()

    def _keep(self, side: str, names: str, output: str) -> None:
        self._logs.mkdir(parents=True, exist_ok=True)
        with (self._logs / f"{side}-manage.log").open("a", encoding="utf-8") as file:
            file.writelines(f"{names} | {line}\n" for line in output.splitlines())
