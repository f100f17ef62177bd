"""Live data that an exchange pushes: a line to it, kept open by a thread of our own.

A line only tells sooner what can also be read. Nothing is replayed after a loss, so
whoever listens reads again when a line opens.
"""

from __future__ import annotations

import logging
import random
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from user_project.trading.orders import PriceQuote

log = logging.getLogger(__name__)

PING_EVERY: Final = timedelta(seconds=1)
"""As often as a price must be proven; 60 of the 100 messages a minute Upbit allows."""
SILENT_AFTER: Final = timedelta(seconds=10)
LISTEN_SECONDS: Final = 1 / 4
FIRST_PAUSE_SECONDS: Final = 1
LONGEST_PAUSE_SECONDS: Final = 30
HEALTHY_AFTER: Final = timedelta(seconds=30)
"""A line that lived so long is opened again without the pauses of earlier failures."""
_chance: Final = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class OrderNotice:
    """Something happened to an order of the account; what, a read tells."""

    identifier: str | None
    market: str
    accepted_only: bool = False
    """It was only put on the book: news for nobody who has the answer to his POST."""


@dataclass(frozen=True, slots=True)
class Alive:
    """The answer to a ping: whatever was said before it has been heard."""


Event = PriceQuote | OrderNotice | Alive


class Line(ABC):
    """One open connection that pushes; used by one thread."""

    @abstractmethod
    def receive(self, *, seconds: float) -> Sequence[Event]:
        """Wait up to *seconds* for one message; empty when none came or none mattered.

        Raises whatever ended the line.
        """

    @abstractmethod
    def ping(self) -> None:
        """Ask for a sign of life."""

    @abstractmethod
    def close(self) -> None:
        """End the connection; never raises."""


class LineSilent(Exception):
    """Not even pings were answered any more."""


class Audience(ABC):
    """Who listens to a line; called by the line's thread."""

    def opened(self, *, at: datetime) -> None:  # noqa: B027  # not everybody cares
        """A line was opened; what happened before is not told."""

    @abstractmethod
    def hear(self, event: Event, *, at: datetime, pinged_at: datetime) -> None:
        """Something was told at *at*; *pinged_at* = when we last asked for life."""

    def lost(self) -> None:  # noqa: B027  # not everybody cares
        """The line is gone; the next one is being opened."""


def now_utc() -> datetime:
    """Return the present instant."""
    return datetime.now(UTC)


class Listener:
    """Keeps one line open until stopped: pings, notices silence, opens it again."""

    def __init__(
        self,
        *,
        name: str,
        open_line: Callable[[], Line | None],
        audience: Audience,
        clock: Callable[[], datetime] = now_utc,
    ) -> None:
        """*open_line* returns None while there is nothing to listen to."""
        self._name = name
        self._open_line = open_line
        self._audience = audience
        self._clock = clock
        self._stopping = threading.Event()
        self._again = threading.Event()
        self._thread = threading.Thread(
            target=self._run, name=f"listen {name}", daemon=True
        )

    def start(self) -> None:
        """Begin to listen."""
        self._thread.start()

    def reopen(self) -> None:
        """Open a new line soon, because something else is wanted of it."""
        self._again.set()

    def stop(self) -> None:
        """End the line; the thread ends within a moment."""
        self._stopping.set()
        self._again.set()

    def join(self, *, seconds: float) -> bool:
        """Wait for the thread's end; tell whether it ended."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            self._again.clear()
            opened_at = self._clock()
            try:
                if not self._listen():
                    self._again.wait(LONGEST_PAUSE_SECONDS)
                    continue
                failures = 0
            except Exception as error:
                lived = self._clock() - opened_at
                failures = 1 if lived >= HEALTHY_AFTER else failures + 1
                pause = _pause(failures)
                level = logging.WARNING if failures == 1 else logging.INFO
                text = "line %s: %s; again in %.1f s"
                log.log(level, text, self._name, error, pause)
                self._stopping.wait(pause)

    def _listen(self) -> bool:
        """Listen to one line until it must be another; False when none is wanted."""
        line = self._open_line()
        if line is None:
            return False
        try:
            heard_at = pinged_at = self._clock()
            self._audience.opened(at=heard_at)
            while not self._again.is_set():
                events = line.receive(seconds=LISTEN_SECONDS)
                now = self._clock()
                for event in events:
                    heard_at = now
                    self._audience.hear(event, at=now, pinged_at=pinged_at)
                if now - heard_at > SILENT_AFTER:
                    raise LineSilent(f"nothing heard since {heard_at:%H:%M:%S}")
                if now - pinged_at >= PING_EVERY:
                    pinged_at = now
                    line.ping()
        finally:
            self._audience.lost()
            line.close()
        return True


def _pause(failures: int) -> float:
    """Return the seconds before the next try: doubled each time, half of it by chance.

    Many lines lost at once must not come back at once.
    """
    longest = min(FIRST_PAUSE_SECONDS * 2 ** (failures - 1), LONGEST_PAUSE_SECONDS)
    return _chance.uniform(longest / 2, longest)
