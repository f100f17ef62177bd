"""One WebSocket connection: what it subscribed to, what waits to be sent, its silence."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from itertools import count
from typing import Final, Protocol

from deploy.simulator.faults.stream import Line
from deploy.simulator.rest.order_views import Json
from deploy.simulator.streams.asked import Format, Subscription
from deploy.simulator.streams.frames import Message

MOST_WAITING: Final = 8_000_000
"""Bytes that may wait for a reader who is slow; it is cut off beyond them."""
_FULL_PIPE: Final = 256_000


class Pipe(Protocol):
    """The part of an asyncio transport that a connection needs."""

    def write(self, data: bytes) -> None:
        """Send, or keep for sending."""

    def get_write_buffer_size(self) -> int:
        """Return how many bytes are kept."""

    def is_closing(self) -> bool:
        """Tell whether it is closed or about to be."""

    def abort(self) -> None:
        """Close at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """What a connection waits for, seconds."""

    idle: float = 120.0
    """Silence in both directions after which it is cut off."""
    status: float = 10.0
    """From one sign of life to the next, once the client said PING."""


@dataclass(slots=True, kw_only=True, eq=False)
class Connection:
    """A client's end as the hub sees it."""

    pipe: Pipe
    packed: bool
    """Messages may be compressed."""
    clock: Callable[[], float]
    """Seconds of a clock that never goes back."""
    pocket: str | None = None
    """Whose orders it sees; None on the public side."""
    line: Line[Message] | None = None
    """Where faults may strike."""
    times: Times = field(default_factory=Times)
    form: Format = Format.DEFAULT
    subscriptions: list[Subscription] = field(default_factory=list)
    _waiting: dict[Hashable, bytes] = field(default_factory=dict)
    _bytes: int = 0
    _number: count[int] = field(default_factory=count)
    _held_until: float = 0.0
    _last: float = 0.0
    _status_due: float | None = None

    def __post_init__(self) -> None:
        """Begin the silence now."""
        self._last = self.clock()

    @property
    def open(self) -> bool:
        """Tell whether anything can still be sent."""
        return not self.pipe.is_closing()

    def wants(self, kind: str, *, code: str | None = None) -> bool:
        """Tell whether a private type, of one market, is subscribed to."""
        return any(
            one.type == kind and (not one.codes or code in one.codes)
            for one in self.subscriptions
        )

    def heard(self) -> None:
        """Note that the client sent something."""
        self._last = self.clock()

    def ping(self) -> None:
        """Answer the text PING, now and from now on."""
        self._status_due = self.clock()
        self.beat()

    def say(self, data: Json, *, form: Format = Format.DEFAULT) -> None:
        """Send an answer; it is no data, so faults leave it alone."""
        self._keep(None, Message(data).frame(form=form, packed=self.packed))
        self.flush()

    def send(self, message: Message, *, latest: Hashable = None) -> None:
        """Send data; a newer message with the same *latest* takes a waiting one's place."""
        if self.line is None:
            self._put(latest, message)
            return
        data = message.data
        sending = self.line.sending(
            message,
            stream=message.stream,
            market=data.get("code"),
            identifier=data.get("identifier"),
        )
        if sending.wait_seconds:
            self.flush()
            self._held_until = max(
                self._held_until, self.clock() + sending.wait_seconds
            )
        for one in sending.messages:
            self._put(None, one)
        if sending.close:
            self.flush()
            self.pipe.abort()

    def _put(self, latest: Hashable, message: Message) -> None:
        offset_ms = 0 if self.line is None else self.line.offset_ms
        frame = message.frame(form=self.form, packed=self.packed, offset_ms=offset_ms)
        self._keep(latest, frame)

    def _keep(self, latest: Hashable, frame: bytes) -> None:
        key = next(self._number) if latest is None else latest
        self._bytes += len(frame) - len(self._waiting.get(key, b""))
        self._waiting[key] = frame
        if self._bytes > MOST_WAITING:
            self.pipe.abort()

    def flush(self) -> None:
        """Hand over what waits, unless the reader has not taken the last of it."""
        if not self._waiting or self.clock() < self._held_until or not self.open:
            return
        if self.pipe.get_write_buffer_size() < _FULL_PIPE:
            self.pipe.write(b"".join(self._waiting.values()))
            self._waiting.clear()
            self._bytes = 0
            self._last = self.clock()

    def beat(self) -> None:
        """Do what time asks for: signs of life, waiting messages, the end of silence."""
        now = self.clock()
        if self._status_due is not None and now >= self._status_due:
            self._status_due = now + self.times.status
            self.say({"status": "UP"})
        self.flush()
        if now - self._last >= self.times.idle:
            self.pipe.abort()
