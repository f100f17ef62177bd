"""Faults on demand: which call is struck is decided here, by count or by seeded chance.

Every matching call is counted when it arrives, whatever becomes of it, and the first
fault that strikes a call has it: faults added later do not see that call. So the same
seeds and the same calls in the same order have the same history.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from deploy.simulator.faults.kinds import ANY, ANY_STREAM, KINDS, Kind

LOG_LENGTH: Final = 10_000
log = logging.getLogger("simulator")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What is to go wrong, where, and at which of the calls."""

    endpoint: str
    kind: str
    nth: tuple[int, ...] = ()
    """The calls it strikes, counted from 1 when it is added."""
    every: int | None = None
    """It strikes each call whose number is a multiple of this."""
    probability: float | None = None
    times: int | None = None
    """How often it strikes at most."""
    seconds: float = 0.0
    sign: str = ""
    """What a late call looks like from outside."""
    who: str | None = None
    """An access key or a pocket; None for everybody."""
    market: str | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call or one outgoing message, as far as faults care."""

    endpoint: str
    who: frozenset[str] = frozenset()
    """The caller's access key and pocket."""
    markets: frozenset[str] = frozenset()
    identifier: str | None = None


@dataclass(slots=True)
class Armed:
    """A fault that waits for its calls."""

    id: str
    fault: Fault
    kind: Kind
    random: Random
    calls: int = 0
    hits: int = 0

    def matches(self, call: Call) -> bool:
        """Tell whether a call is one of those that are counted."""
        fault = self.fault
        wild = ANY_STREAM if call.endpoint.startswith("ws ") else ANY
        return (
            fault.endpoint in (call.endpoint, wild)
            and self.kind.suits(endpoint=call.endpoint)
            and (fault.who is None or fault.who in call.who)
            and (fault.market is None or fault.market in call.markets)
        )

    def strikes(self) -> bool:
        """Count one matching call and tell whether it is struck."""
        self.calls += 1
        fault = self.fault
        if fault.nth:
            struck = self.calls in fault.nth
        elif fault.every is not None:
            struck = self.calls % fault.every == 0
        elif fault.probability is not None:
            struck = self.random.random() < fault.probability
        else:
            struck = True
        struck = struck and (fault.times is None or self.hits < fault.times)
        self.hits += struck
        return struck


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One thing that a fault did."""

    at_ms: int
    fault: str
    endpoint: str
    kind: str
    identifier: str | None
    done: str


@dataclass(slots=True, kw_only=True)
class Faults:
    """The faults of one running simulator, what they did and its clock's error."""

    now_ms: Callable[[], int]
    offset_ms: int = 0
    """How far the timestamps that are written are from the truth."""
    hits: deque[Hit] = field(default_factory=lambda: deque(maxlen=LOG_LENGTH))
    _armed: dict[str, Armed] = field(default_factory=dict)
    _added: int = 0

    def add(self, *, fault: Fault) -> Armed:
        """Arm a fault."""
        self._added += 1
        armed = Armed(
            id=f"f{self._added}",
            fault=fault,
            kind=KINDS[fault.kind],
            # Its own generator, so that other faults cannot change its history.
            random=Random(fault.seed),
        )
        self._armed[armed.id] = armed
        log.info("fault %s added: %s at %s", armed.id, fault.kind, fault.endpoint)
        return armed

    def armed(self) -> tuple[Armed, ...]:
        """Return all faults, the oldest first."""
        return tuple(self._armed.values())

    def remove(self, *, fault: str) -> bool:
        """Disarm a fault by its id; tell whether there was one."""
        return self._armed.pop(fault, None) is not None

    def clear(self) -> int:
        """Disarm all faults; return how many there were."""
        count = len(self._armed)
        self._armed.clear()
        return count

    def strike(self, *, call: Call) -> Armed | None:
        """Return the fault that strikes a call, or None."""
        for armed in self._armed.values():
            if armed.matches(call) and armed.strikes():
                return armed
        return None

    def note(self, *, armed: Armed, call: Call, done: str) -> None:
        """Write down what a fault did."""
        hit = Hit(
            at_ms=self.now_ms(),
            fault=armed.id,
            endpoint=call.endpoint,
            kind=armed.fault.kind,
            identifier=call.identifier,
            done=done,
        )
        self.hits.append(hit)
        log.info(
            "fault %s: %s at %s (%s): %s",
            hit.fault,
            hit.kind,
            hit.endpoint,
            hit.identifier or "no identifier",
            done,
        )


def armed_view(armed: Armed) -> dict[str, Any]:
    """Return a fault as JSON, with its counts."""
    fault = armed.fault
    return {
        "id": armed.id,
        "endpoint": fault.endpoint,
        "kind": fault.kind,
        "nth": list(fault.nth),
        "every": fault.every,
        "probability": fault.probability,
        "times": fault.times,
        "seconds": fault.seconds,
        "sign": fault.sign or None,
        "who": fault.who,
        "market": fault.market,
        "seed": fault.seed,
        "calls": armed.calls,
        "hits": armed.hits,
    }
