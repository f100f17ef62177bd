"""Notices of what happens to our orders: one line for each account that has work.

A notice only wakes; what happened is read. Lines replay nothing, so each opening of one
is a notice too: read that account's orders again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, TypeVar

from user_project.exchanges.adapter import ExchangeAdapter
from user_project.exchanges.streams import (
    Audience,
    Event,
    Listener,
    OrderNotice,
    now_utc,
)

K = TypeVar("K", bound=Hashable)

END_SECONDS: Final = 2


@dataclass(frozen=True, slots=True)
class Notices(Generic[K]):
    """What was told since the last look."""

    identifiers: frozenset[str]
    """Of orders to which something happened."""
    opened: frozenset[K]
    """Accounts whose line was opened: what happened before, nobody told."""
    accepted: frozenset[str] = frozenset()
    """Identifiers of orders that were only accepted."""


class OrderFeed(Generic[K]):
    """Keeps a line for each account; accounts are known by any key."""

    def __init__(
        self,
        *,
        clock: Callable[[], datetime] = now_utc,
        rang: threading.Event | None = None,
    ) -> None:
        """*rang* is set with each notice, for whoever waits for several feeds."""
        self._clock = clock
        self._rang = rang or threading.Event()
        self._lock = threading.Lock()
        self._identifiers: set[str] = set()
        self._opened: set[K] = set()
        self._accepted: set[str] = set()
        self._lines: dict[K, tuple[ExchangeAdapter, Listener]] = {}
        self.heard_at: datetime | None = None

    def follow(self, adapters: Mapping[K, ExchangeAdapter], /) -> None:
        """Listen for exactly these accounts; a new adapter (other keys) is a new line."""
        for key, (adapter, listener) in list(self._lines.items()):
            if adapters.get(key) is not adapter:
                del self._lines[key]
                listener.stop()
        for key, adapter in adapters.items():
            if key not in self._lines:
                self._lines[key] = adapter, self._listen(key, adapter)

    def take(self) -> Notices[K]:
        """Return what was told since the last call."""
        with self._lock:
            told = Notices(
                frozenset(self._identifiers),
                frozenset(self._opened),
                frozenset(self._accepted),
            )
            self._identifiers, self._opened, self._accepted = set(), set(), set()
            return told

    def stop(self) -> None:
        """End all lines within a moment."""
        listeners = [listener for _, listener in self._lines.values()]
        self.follow({})
        for listener in listeners:
            listener.join(seconds=END_SECONDS)

    def note_opened(self, key: K, *, at: datetime) -> None:
        """A line of an account was opened."""
        with self._lock:
            self.heard_at = at
            self._opened.add(key)
        self._rang.set()

    def note(self, event: Event, *, at: datetime) -> None:
        """Something was told."""
        with self._lock:
            self.heard_at = at
            if not isinstance(event, OrderNotice) or event.identifier is None:
                return
            told = self._accepted if event.accepted_only else self._identifiers
            told.add(event.identifier)
        self._rang.set()

    def _listen(self, key: K, adapter: ExchangeAdapter) -> Listener:
        listener = Listener(
            name=f"orders {key}",
            open_line=adapter.stream_orders,
            audience=_Account(self, key),
            clock=self._clock,
        )
        listener.start()
        return listener


class _Account(Audience, Generic[K]):
    """Passes on what one account's line tells."""

    def __init__(self, feed: OrderFeed[K], key: K) -> None:
        self._feed = feed
        self._key = key

    def opened(self, *, at: datetime) -> None:
        self._feed.note_opened(self._key, at=at)

    def hear(self, event: Event, *, at: datetime, pinged_at: datetime) -> None:
        self._feed.note(event, at=at)
