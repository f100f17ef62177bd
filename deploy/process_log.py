"""What a supervised program prints: into its log file, each line with time and name."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import IO

MAX_BYTES = 20_000_000
"""A log larger than this is set aside once as `<name>.log.1` when its program starts."""


class ProcessLog:
    """One program's log file, continued over its restarts."""

    def __init__(
        self, *, path: Path, name: str, echo: Callable[[str], None] | None = None
    ) -> None:
        self.path = path
        self._name = name
        self._echo = echo
        self._lock = threading.Lock()
        self._last: deque[str] = deque(maxlen=40)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size > MAX_BYTES:
            path.replace(path.with_suffix(".log.1"))

    def follow(self, stream: IO[bytes]) -> threading.Thread:
        """Copy the stream until its end in a thread of its own."""
        thread = threading.Thread(target=self._copy, args=(stream,), daemon=True)
        thread.start()
        return thread

    def note(self, text: str) -> None:
        """Add a line of the supervisor's own."""
        self._write([text])

    def tail(self, lines: int) -> list[str]:
        """Return the newest lines written by this supervisor."""
        with self._lock:
            return list(self._last)[-lines:]

    def _copy(self, stream: IO[bytes]) -> None:
        with stream:
            for line in stream:
                self._write([line.decode(errors="replace").rstrip("\r\n")])

    def _write(self, lines: list[str]) -> None:
        stamp = datetime.now().astimezone().strftime("%H:%M:%S")
        named = [f"{stamp} {self._name} | {line}" for line in lines]
        with self._lock, self.path.open("a", encoding="utf-8") as file:
            self._last.extend(named)
            file.writelines(line + "\n" for line in named)
        if self._echo is not None:
            for line in named:
                self._echo(line)
