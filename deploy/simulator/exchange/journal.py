"""What survives a restart: a line per operation, appended before anybody hears of it.

Lines reach the operating system with each write, so a killed process loses nothing; a
line cut short by the kill was never answered and is dropped when the file is read.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from errno import ENOSPC
from pathlib import Path
from typing import Any, Final

from deploy.simulator.exchange.event_log import decoded, encoded
from deploy.simulator.exchange.venue import Venue

CLOCK: Final = "clock"
"""Names the line that says which path this is and since when."""
Entry = dict[str, Any]
Line = Entry | list[Entry]
"""The clock, or the events of one operation: a kill leaves all of them or none."""


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
        """Yield the lines so far; drop a last one that was cut short."""
        raw = self._path.read_bytes()
        whole = raw.rfind(b"\n") + 1
        if whole < len(raw):
            os.ftruncate(self._file, whole)
        for number, line in enumerate(raw[:whole].splitlines(), start=1):
            try:
                entries: Line = json.loads(line)
            except ValueError as error:
                raise StateUnusable(
                    f"{self._path} line {number} is damaged; move the file away to"
                    " start afresh"
                ) from error
            yield entries

    def append(self, line: Line) -> None:
        """Write one line."""
        text = json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n"
        data = text.encode()
        if (written := os.write(self._file, data)) < len(data):
            # A full disk: take the half line away again, or it would spoil the next.
            os.ftruncate(self._file, os.fstat(self._file).st_size - written)
            raise OSError(ENOSPC, "the disk is full", str(self._path))

    def keep(self, *, venue: Venue, lines: Iterable[Line]) -> None:
        """Bring back what *lines* tell of the exchange, and write what happens next."""
        for number, line in enumerate(lines, start=1):
            try:
                for entry in _operation(line):
                    venue.restore(event=decoded(entry))
            except (KeyError, TypeError, ValueError) as error:
                raise StateUnusable(
                    f"{self._path} line {number} does not fit this version"
                    f" ({error!r}); move the directory away to start afresh"
                ) from error
        venue.keep(lambda events: self.append([encoded(event) for event in events]))

    def close(self) -> None:
        """Release the directory."""
        os.close(self._file)


def _operation(line: Line) -> list[Entry]:
    """Return a line's events: none of the clock."""
    if isinstance(line, list):
        return line
    if line.get("event") != CLOCK:
        raise ValueError("not a list of events")
    return []
