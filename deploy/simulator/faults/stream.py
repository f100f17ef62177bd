"""Faults of WebSocket connections: messages doubled, lost, swapped, late or never sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from deploy.simulator.faults.registry import Armed, Call, Faults

Message = TypeVar("Message")


@dataclass(frozen=True, slots=True)
class Sending(Generic[Message]):
    """What to do with a connection now, in this order: wait, send, close."""

    messages: tuple[Message, ...] = ()
    wait_seconds: float = 0.0
    """Everything behind these messages waits too."""
    close: bool = False


class Line(Generic[Message]):
    """One connection; every outgoing message passes it exactly once."""

    def __init__(self, *, faults: Faults, who: frozenset[str] = frozenset()) -> None:
        self._faults = faults
        self._who = who
        self._held: list[Message] = []
        self._silent_until_ms = 0

    @property
    def offset_ms(self) -> int:
        """Return how far the timestamps of its messages are from the truth."""
        return self._faults.offset_ms

    def sending(
        self,
        message: Message,
        *,
        stream: str,
        market: str | None = None,
        identifier: str | None = None,
    ) -> Sending[Message]:
        """Return what to send now; *stream* is ticker, trade, ..., myOrder or myAsset.

        A message held back for a swap leaves behind the next one of the connection.
        """
        call = Call(
            endpoint=f"ws {stream}",
            who=self._who,
            markets=frozenset() if market is None else frozenset({market}),
            identifier=identifier,
        )
        armed = self._faults.strike(call=call)
        if self._faults.now_ms() < self._silent_until_ms:
            return Sending()
        if armed is None:
            return Sending(self._with_held(message))
        self._faults.note(armed=armed, call=call, done=_DONE[armed.fault.kind])
        return self._struck(armed, message)

    def _with_held(self, *messages: Message) -> tuple[Message, ...]:
        held, self._held = tuple(self._held), []
        return (*messages, *held)

    def _struck(self, armed: Armed, message: Message) -> Sending[Message]:
        seconds = armed.fault.seconds
        match armed.fault.kind:
            case "duplicate":
                return Sending(self._with_held(message, message))
            case "out_of_order":
                self._held.append(message)
                return Sending()
            case "delay":
                return Sending(self._with_held(message), wait_seconds=seconds)
            case "close":
                return Sending(close=True)
            case "silent":
                self._silent_until_ms = self._faults.now_ms() + int(seconds * 1000)
        return Sending()


_DONE = {
    "duplicate": "sent twice",
    "lost": "not sent",
    "out_of_order": "held back until the next message",
    "delay": "sent late, and all behind it",
    "silent": "the connection stays and says nothing",
    "close": "not sent, connection closed",
}
