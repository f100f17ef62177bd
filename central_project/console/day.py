"""The last 24 hours of runs in slots of a bar."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.utils import timezone

from central_project.market.models import AnalysisRun, RunState, floor_to

SLOT: Final = timedelta(minutes=15)
SLOTS: Final = 96


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A quarter of an hour."""

    colour: str
    tooltip: str


@dataclass(frozen=True, kw_only=True)
class Day:
    """How many runs came to which end, and when."""

    slots: list[Slot]
    published: int
    failed: int
    suspect: int

    @property
    def share(self) -> float | None:
        """Published runs of all that ended, in percent."""
        ended = self.published + self.failed
        return 100 * self.published / ended if ended else None


def last_day(*, now: datetime) -> Day:
    """Read the runs of the last 24 hours."""
    newest = floor_to(moment=now, seconds=int(SLOT.total_seconds()))
    first = newest - (SLOTS - 1) * SLOT
    runs = AnalysisRun.objects.filter(window_start__gte=first).values_list(
        "window_start", "state", "suspect"
    )
    ends: dict[int, list[str]] = defaultdict(list)
    for start, state, suspect in runs.order_by("window_start"):
        ends[(start - first) // SLOT].append("suspect" if suspect else state)
    every = [end for slot in ends.values() for end in slot]
    return Day(
        slots=[_slot(first + n * SLOT, ends.get(n, [])) for n in range(SLOTS)],
        published=every.count(RunState.PUBLISHED) + every.count("suspect"),
        failed=every.count(RunState.FAILED),
        suspect=every.count("suspect"),
    )


def _slot(start: datetime, ends: list[str], /) -> Slot:
    failed, suspect = ends.count(RunState.FAILED), ends.count("suspect")
    published = ends.count(RunState.PUBLISHED) + suspect
    times = (
        f"{timezone.localtime(start):%H:%M}~{timezone.localtime(start + SLOT):%H:%M}"
    )
    if not ends:
        return Slot(colour="none", tooltip=f"{times} 분석 없음")
    words = f"{times} 성공 {published} · 실패 {failed}"
    if suspect:
        words += f" · 검산 불일치 {suspect}"
    return Slot(colour=_colour(published, failed, suspect), tooltip=words)


def _colour(published: int, failed: int, suspect: int, /) -> str:
    if failed and not published:
        return "danger"
    if failed or suspect:
        return "warning"
    return "success" if published else "info"
