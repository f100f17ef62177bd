"""What survives a restart: one line per event, appended before anybody hears of it.

Lines reach the operating system with each write, so a killed process loses nothing; a
line cut short by the kill was never answered and is dropped when the file is read.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from deploy.simulator.event_log import decoded, encoded
from deploy.simulator.venue import Venue

CLOCK: Final = "clock"
"""The line that says which path this is and since when; all others are events."""
Line = dict[str, Any]


class StateUnusable(Exception):
    """The state directory cannot be used; the message says what would help."""


class Journal:
    """An append-only file of events in a directory that one process owns."""

    def __init__(self, *, directory: Path) -> None:
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._path = directory / "journal.jsonl"
            self._file = os.open(
                self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600
            )
        except OSError as error:
            raise StateUnusable(
                f"--state {directory} cannot be written ({error.strerror});"
                " name another directory"
            ) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StateUnusable(
                f"another simulator uses --state {directory}; stop it or name another"
            ) from error

    def read(self) -> Iterator[Line]:
        """Yield the events so far; drop a last line that was cut short."""
        raw = self._path.read_bytes()
        whole = raw.rfind(b"\n") + 1
        if whole < len(raw):
            os.ftruncate(self._file, whole)
        for number, line in enumerate(raw[:whole].splitlines(), start=1):
            try:
                event = json.loads(line)
            except ValueError as error:
                raise StateUnusable(
                    f"{self._path} line {number} is damaged; move the file away to"
                    " start afresh"
                ) from error
            yield event

    def append(self, line: Line) -> None:
        """Write one line."""
        text = json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n"
        os.write(self._file, text.encode())

    def keep(self, *, venue: Venue, lines: Iterable[Line]) -> None:
        """Bring back what *lines* tell of the exchange, and write what happens next."""
        for number, line in enumerate(lines, start=1):
            if line["event"] == CLOCK:
                continue
            try:
                venue.restore(event=decoded(line))
            except (KeyError, TypeError, ValueError) as error:
                raise StateUnusable(
                    f"{self._path} line {number} does not fit this version"
                    f" ({error!r}); move the directory away to start afresh"
                ) from error
        venue.listen(lambda event, _: self.append(encoded(event)))

    def close(self) -> None:
        """Release the directory."""
        os.close(self._file)
