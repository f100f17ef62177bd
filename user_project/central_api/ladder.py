"""How old each kind of central's data may be: pure functions of ages.

Bounds as measured and reasoned for a cycle of five minutes: two missed runs are worth a
warning, after three the market may be another one. A running round needs none of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

MINUTE: Final = timedelta(minutes=1)


class Kind(StrEnum):
    """What central says."""

    RECOMMENDATIONS = "recommendations"
    SUPPORT_7 = "support_7d"
    SUPPORT_30 = "support_30d"
    SUPPORT_90 = "support_90d"
    MARKET_STATUS = "market_status"


class Step(StrEnum):
    """How far a kind may be relied upon."""

    NORMAL = "normal"
    LATE = "late"
    WARN = "warn"
    FORBIDS = "forbids"
    """No new round may rest on it."""


NORMAL_AGE: Final = 6 * MINUTE
"""One run and the time it takes to be published and pulled."""
BOUNDS: Final[dict[Kind, tuple[timedelta, timedelta]]] = {
    Kind.RECOMMENDATIONS: (10 * MINUTE, 15 * MINUTE),
    Kind.SUPPORT_7: (15 * MINUTE, 60 * MINUTE),
    Kind.SUPPORT_30: (15 * MINUTE, 6 * 60 * MINUTE),
    Kind.SUPPORT_90: (15 * MINUTE, 24 * 60 * MINUTE),
    Kind.MARKET_STATUS: (10 * MINUTE, 15 * MINUTE),
}
"""Kind -> older is a warning, older forbids new rounds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """One kind of data at its age."""

    kind: Kind
    step: Step
    age: timedelta
    warns_after: timedelta
    forbids_after: timedelta


def climb(*, age: timedelta) -> list[Rung]:
    """Return every kind of a bundle whose data is *age* old."""
    return [_rung(kind, age) for kind in Kind]


def is_too_old(*, kind: Kind, age: timedelta) -> bool:
    """Tell whether no new round may rest on *kind* at this age."""
    return _rung(kind, age).step is Step.FORBIDS


def opens_rounds(rungs: Sequence[Rung], /) -> bool:
    """Tell whether a new round may begin.

    Every kind comes in one bundle of one age, and every round needs the market's state,
    whose bound is the tightest: it decides. The longer bounds of the levels say what an
    old level is still worth to a person.
    """
    return all(
        rung.step is not Step.FORBIDS
        for rung in rungs
        if rung.kind is Kind.MARKET_STATUS
    )


def _rung(kind: Kind, age: timedelta, /) -> Rung:
    warns, forbids = BOUNDS[kind]
    if age > forbids:
        step = Step.FORBIDS
    elif age > warns:
        step = Step.WARN
    else:
        step = Step.LATE if age > NORMAL_AGE else Step.NORMAL
    return Rung(kind=kind, step=step, age=age, warns_after=warns, forbids_after=forbids)
