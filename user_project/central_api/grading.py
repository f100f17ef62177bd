"""What central's last word allows at an instant: a pure rule, and its sentence.

The sentence names which kinds of data are too old, how old, and what follows from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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

HOUR: Final = timedelta(hours=1)
KIND_NAMES: Final[dict[Kind, str]] = {
    Kind.RECOMMENDATIONS: "추천",
    Kind.SUPPORT_7: "지지선 7일",
    Kind.SUPPORT_30: "지지선 30일",
    Kind.SUPPORT_90: "지지선 90일",
    Kind.MARKET_STATUS: "시장 상태",
}
NO_ROUND: Final = "새 회차를 시작하지 않습니다. 진행 중인 회차는 계속합니다."


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
    reason="본사 분석을 아직 받지 못했습니다. 새 회차를 시작할 수 없습니다.",
)


def grade(*, told: Told, now: datetime) -> Freshness:
    """Tell whether a new round may begin on what was *told*; a running one never asks.

    Whatever validity central claims, our own bounds hold too, and the other way round.
    """
    age = max(now - told.data_as_of, timedelta(0))
    rungs = climb(age=age)
    too_old = _too_old(told, rungs=rungs, age=age, now=now)
    forbidden = too_old or _market(told.phase)
    warned = forbidden or any(rung.step is Step.WARN for rung in rungs)
    return Freshness(
        level="stale" if too_old else "warn" if warned else "fresh",
        age_seconds=int(age.total_seconds()),
        new_cycles_allowed=not forbidden,
        reason=forbidden or _allowed(rungs, age=age),
    )


def in_words(age: timedelta, /) -> str:
    """Return an age in whole minutes, from an hour on with its hours."""
    hours, rest = divmod(age, HOUR)
    minutes = f"{rest // MINUTE}분"
    if not hours:
        return minutes
    return f"{hours}시간 {minutes}" if rest >= MINUTE else f"{hours}시간"


def _too_old(
    told: Told, *, rungs: Sequence[Rung], age: timedelta, now: datetime
) -> str:
    if not opens_rounds(rungs):
        kinds = _names(rungs, step=Step.FORBIDS)
        return f"본사의 {kinds} 자료가 {in_words(age)} 전 것이라 {NO_ROUND}"
    if told.stale:
        return f"본사가 분석이 밀렸다고 알려 ({in_words(age)} 전 자료) {NO_ROUND}"
    if now > told.valid_until:
        return f"본사가 정한 유효 기한이 지나 ({in_words(age)} 전 자료) {NO_ROUND}"
    return ""


def _market(phase: Phase | None, /) -> str:
    if phase is None:
        return f"본사가 시장 상태를 알리지 않아 {NO_ROUND}"
    if phase is Phase.CRASH:
        return f"시장이 급락 중이라 {NO_ROUND}"
    if phase is Phase.HALTED:
        return f"거래소가 멈춰 있어 {NO_ROUND}"
    return ""


def _allowed(rungs: Sequence[Rung], /, *, age: timedelta) -> str:
    kinds = _names(rungs, step=Step.WARN)
    if not kinds:
        return f"본사 분석 {in_words(age)} 전"
    _, limit = BOUNDS[Kind.MARKET_STATUS]
    return (
        f"본사의 {kinds} 자료가 {in_words(age)} 전 것입니다."
        f" {in_words(limit)}이 지나면 새 회차를 시작하지 않습니다."
    )


def _names(rungs: Iterable[Rung], /, *, step: Step) -> str:
    return ", ".join(KIND_NAMES[rung.kind] for rung in rungs if rung.step is step)
