"""What distinguishes a demo, a test stack and a kept installation."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Self

ROOT = Path(__file__).resolve().parent.parent
RUN = ROOT / ".run"

Mode = Literal["demo", "up", "test"]

LIVELY: dict[str, Any] = {
    "speed": "auto",
    "rate_factor": "10",
    "window_seconds": 30,
    "ensure_seconds": 5,
    "validity_seconds": 120,
    "pull_seconds": 5,
}
"""A market that moves a few percent a minute, and servers that look as often."""


@dataclass(frozen=True, kw_only=True)
class StackOptions:
    """Everything that can be chosen about a stack; the defaults are those of `up`."""

    directory: Path
    mode: Mode = "up"
    seed: int = 7
    replay: Path | None = None
    replay_from: str | None = None
    upstream: str | None = None
    """An exchange whose market is passed through, instead of one made here."""
    upstream_away: bool = False
    """It does not answer now: what needs its history is left for later."""
    speed: str = "1"
    rate_factor: str = "1"
    window_seconds: int = 300
    ensure_seconds: int = 30
    validity_seconds: int = 900
    pull_seconds: int = 60
    shards: int = 2
    history_days: int = 90
    paper_won: int = 10_000_000
    without: frozenset[str] = field(default_factory=frozenset)
    """Programs that `Stack.up` leaves out, by name."""
    echo: bool = False
    """Also print what the programs log."""

    @classmethod
    def lively(cls, *, directory: Path, mode: Mode, **changes: Any) -> Self:
        """Return the options of a demo or a test, with some changed."""
        return replace(cls(directory=directory, mode=mode, **LIVELY), **changes)
