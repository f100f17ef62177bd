"""What central's last word allows at an instant: a pure rule, and its sentence.

The sentence names which kinds of data are too old, how old, and what follows from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from common.wire import Phase
from user_project.central_api.ladder import (
    BOUNDS,
    MINUTE,
    Kind,
    Rung,
    Step,
    climb,
    opens_rounds,
)

_noop: Final = str
"""Marks a sentence for the catalogue; this module knows no framework."""
Say = Callable[[str], str]
"""Gives a sentence in the reader's language."""
HOUR: Final = timedelta(hours=1)
KIND_NAMES: Final[dict[Kind, str]] = {
    Kind.RECOMMENDATIONS: _noop("추천"),
    Kind.SUPPORT_7: _noop("지지선 7일"),
    Kind.SUPPORT_30: _noop("지지선 30일"),
    Kind.SUPPORT_90: _noop("지지선 90일"),
    Kind.MARKET_STATUS: _noop("시장 상태"),
}
NO_ROUND: Final = _noop("새 회차를 시작하지 않습니다. 진행 중인 회차는 계속합니다.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """How far central's last word may be relied upon at an instant."""

    level: str
    """``fresh``, ``warn``, ``stale`` or ``none``."""
    age_seconds: int | None
    new_cycles_allowed: bool
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What central said about its answer and the market."""

    data_as_of: datetime
    valid_until: datetime
    stale: bool
    phase: Phase | None
    """None when it said nothing about the market."""


NOTHING_YET: Final = Freshness(
    level="none",
    age_seconds=None,
    new_cycles_allowed=False,
    reason=_noop("본사 분석을 아직 받지 못했습니다. 새 회차를 시작할 수 없습니다."),
)


def grade(*, told: Told, now: datetime, say: Say = str) -> Freshness:
    """Tell whether a new round may begin on what was *told*; a running one never asks.

    Whatever validity central claims, our own bounds hold too, and the other way round.
    *say* translates the Korean sentence.
    """
    age = max(now - told.data_as_of, timedelta(0))
    rungs = climb(age=age)
    too_old = _too_old(told, rungs=rungs, age=age, now=now, say=say)
    forbidden = too_old or _market(told.phase, say)
    warned = forbidden or any(rung.step is Step.WARN for rung in rungs)
    return Freshness(
        level="stale" if too_old else "warn" if warned else "fresh",
        age_seconds=int(age.total_seconds()),
        new_cycles_allowed=not forbidden,
        reason=forbidden or _allowed(rungs, age=age, say=say),
    )


def in_words(age: timedelta, say: Say = str, /) -> str:
    """Return an age in whole minutes, from an hour on with its hours."""
    hours, rest = divmod(age, HOUR)
    minutes = say("%(n)s분") % {"n": rest // MINUTE}
    if not hours:
        return minutes
    return (
        (say("%(hours)s시간 %(minutes)s") % {"hours": hours, "minutes": minutes})
        if rest >= MINUTE
        else (say("%(hours)s시간") % {"hours": hours})
    )


def _too_old(
    told: Told, *, rungs: Sequence[Rung], age: timedelta, now: datetime, say: Say
) -> str:
    if not opens_rounds(rungs):
        kinds = _names(rungs, say, step=Step.FORBIDS)
        return say("본사의 %(kinds)s 자료가 %(age)s 전 것이라 %(NO_ROUND)s") % {
            "kinds": kinds,
            "age": in_words(age, say),
            "NO_ROUND": say(NO_ROUND),
        }
    if told.stale:
        return say("본사가 분석이 밀렸다고 알려 (%(age)s 전 자료) %(NO_ROUND)s") % {
            "age": in_words(age, say),
            "NO_ROUND": say(NO_ROUND),
        }
    if now > told.valid_until:
        return say("본사가 정한 유효 기한이 지나 (%(age)s 전 자료) %(NO_ROUND)s") % {
            "age": in_words(age, say),
            "NO_ROUND": say(NO_ROUND),
        }
    return ""


def _market(phase: Phase | None, say: Say, /) -> str:
    if phase is None:
        return say("본사가 시장 상태를 알리지 않아 %(NO_ROUND)s") % {
            "NO_ROUND": say(NO_ROUND)
        }
    if phase is Phase.CRASH:
        return say("시장이 급락 중이라 %(NO_ROUND)s") % {"NO_ROUND": say(NO_ROUND)}
    if phase is Phase.HALTED:
        return say("거래소가 멈춰 있어 %(NO_ROUND)s") % {"NO_ROUND": say(NO_ROUND)}
    return ""


def _allowed(rungs: Sequence[Rung], /, *, age: timedelta, say: Say) -> str:
    kinds = _names(rungs, say, step=Step.WARN)
    if not kinds:
        return say("본사 분석 %(age)s 전") % {"age": in_words(age, say)}
    _warns, limit = BOUNDS[Kind.MARKET_STATUS]
    return say(
        "본사의 %(kinds)s 자료가 %(age)s 전 것입니다. %(limit)s이 지나면 새 회차를 시작하지 않습니다."
    ) % {"kinds": kinds, "age": in_words(age, say), "limit": in_words(limit, say)}


def _names(rungs: Iterable[Rung], say: Say, /, *, step: Step) -> str:
    return ", ".join(say(KIND_NAMES[rung.kind]) for rung in rungs if rung.step is step)
