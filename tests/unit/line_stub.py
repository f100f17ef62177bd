"""Lines that tests speak on, and a patient look at what threads have done."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Sequence
from typing import Any

from user_project.exchanges.streams import Alive, Event, Line

PATIENCE_SECONDS = 10


class StubLine(Line):
    """Says what a test tells it to; answers pings unless it is mute."""

    def __init__(self, *, mute: bool = False) -> None:
        self.pings = 0
        self.closed = False
        self.mute = mute
        self._said: queue.Queue[Event | Exception] = queue.Queue()

    def say(self, what: Event | Exception) -> None:
        """Tell an event, or end in an exception."""
        self._said.put(what)

    def receive(self, *, seconds: float) -> Sequence[Event]:
        try:
            said = self._said.get(timeout=seconds)
        except queue.Empty:
            return ()
        if isinstance(said, Exception):
            raise said
        return (said,)

    def ping(self) -> None:
        self.pings += 1
        if not self.mute:
            self.say(Alive())

    def close(self) -> None:
        self.closed = True


class StubLines:
    """Opens stub lines and keeps them; the next openings can be made to fail."""

    def __init__(self) -> None:
        self.opened: list[StubLine] = []
        self.asked: list[Any] = []
        self.failures: list[Exception] = []
        self.mute = False

    def open(self, *, markets: Sequence[str] = ()) -> StubLine:
        """Return a new line, or fail as planned."""
        self.asked.append(tuple(markets))
        if self.failures:
            raise self.failures.pop(0)
        line = StubLine(mute=self.mute)
        self.opened.append(line)
        return line

    def number(self, count: int) -> StubLine:
        """Wait for the *count*-th line."""
        eventually(lambda: len(self.opened) >= count)
        return self.opened[count - 1]


def eventually(check: Callable[[], object]) -> None:
    """Look again until it is so; threads need a moment."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not check():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.005)
