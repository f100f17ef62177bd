"""Which calls came in, whatever became of them; never secrets or tokens."""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from aiohttp import web

LOG_LENGTH: Final = 10_000


@dataclass(slots=True, kw_only=True)
class Received:
    """One call; its end is written when it is known."""

    at_ms: int
    method: str
    path: str
    endpoint: str
    identifier: str | None
    fault: str | None = None
    status: int | None = None
    """What the caller was told; None while it waits, or if it never was answered."""

    def view(self) -> dict[str, Any]:
        """Return the call as JSON."""
        return asdict(self)


@dataclass(slots=True)
class Calls:
    """The latest calls, and how many of those that change something there ever were."""

    log: deque[Received] = field(default_factory=lambda: deque(maxlen=LOG_LENGTH))
    posts_by_identifier: Counter[str] = field(default_factory=Counter)
    posts_by_endpoint: Counter[str] = field(default_factory=Counter)

    def note(self, call: Received, /) -> None:
        """Write down a call that came in."""
        self.log.append(call)
        if call.method == "POST":
            self.posts_by_endpoint[call.endpoint] += 1
            if call.identifier is not None:
                self.posts_by_identifier[call.identifier] += 1


CALLS: Final = web.AppKey("calls", Calls)
