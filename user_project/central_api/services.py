"""Pull from central, keep what is good, say how fresh it is."""

from __future__ import annotations

import hashlib
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from typing import Final

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from common.wire import MAX_BUNDLE_SYMBOLS, BundleAnswer
from user_project.central_api import bundles
from user_project.central_api.client import CentralAPIClient, CentralUnavailable
from user_project.central_api.grading import NOTHING_YET, Freshness, Told, grade
from user_project.central_api.models import CentralSnapshot, PullState

log = logging.getLogger(__name__)

KEEP_SNAPSHOTS: Final = 50
BREAKER_FAILURES: Final = 5
BREAKER_PAUSE_SECONDS: Final = (10, 30)
LONGEST_PARKED: Final = timedelta(minutes=10)
JITTER_SHARE: Final = 1 / 3
"""Installations spread their pulls by this share of the period."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PullResult:
    """What one pull brought: ``new``, ``unchanged``, ``skipped`` or ``failed``."""

    outcome: str
    run_id: str = ""
    message: str = ""


@cache
def central_client() -> CentralAPIClient:
    """Return this process's client."""
    return CentralAPIClient(
        base_url=settings.CENTRAL_API_URL, api_key=settings.CENTRAL_API_KEY
    )


def latest_snapshot() -> CentralSnapshot | None:
    """Return the newest accepted answer, however old."""
    return CentralSnapshot.objects.first()


def pull_if_due(*, now: datetime, extra_symbols: Sequence[str] = ()) -> PullResult:
    """Pull once the period with this installation's jitter has passed."""
    state = line_state()
    if state.next_pull_at is not None and now < state.next_pull_at:
        return PullResult(outcome="skipped", message="not due yet")
    period = settings.PULL_SECONDS
    # The same installation always pulls at its own place within the period.
    spread = random.Random(f"{settings.INSTANCE}|{now.isoformat()}")  # noqa: S311
    wait = timedelta(seconds=period * (1 + JITTER_SHARE * spread.uniform(-1, 1)))
    # First, so that a process that dies while it pulls does not pull at once again.
    PullState.objects.filter(pk=1).update(next_pull_at=now + wait)
    result = pull(now=now, extra_symbols=extra_symbols)
    if result.outcome in ("new", "unchanged"):
        later = timedelta(seconds=period * JITTER_SHARE * spread.random())
        next_pull_at = _after_next_run(now=now, earliest=now + wait, spread=later)
        PullState.objects.filter(pk=1).update(next_pull_at=next_pull_at)
    return result


def _after_next_run(
    *, now: datetime, earliest: datetime, spread: timedelta
) -> datetime:
    """Return when to ask again: not before central's next run can be there.

    Central lengthens our period by that; a wrong announcement parks us for ten minutes
    at most.
    """
    snapshot = latest_snapshot()
    if snapshot is None:
        return earliest
    announced = min(snapshot.next_run_at + spread, now + LONGEST_PARKED)
    return max(earliest, announced)


def pull(
    *, now: datetime, extra_symbols: Sequence[str] = (), force: bool = False
) -> PullResult:
    """Fetch, validate and store; a bad answer never replaces a good one.

    After failures in a row the line rests for a moment, unless *force* says a person
    is waiting.
    """
    state = line_state()
    if not force and state.open_until is not None and now < state.open_until:
        return PullResult(outcome="skipped", message=state.last_error)
    try:
        result = _pull(now=now, extra_symbols=extra_symbols)
    except CentralUnavailable as error:
        _note_failure(state=state, error=error, now=now)
        return PullResult(outcome="failed", message=str(error))
    PullState.objects.filter(pk=1).update(
        failures=0,
        open_until=None,
        last_error="",
        last_attempt_at=now,
        last_success_at=now,
    )
    return result


def freshness(*, snapshot: CentralSnapshot | None, now: datetime) -> Freshness:
    """Grade a snapshot by the age of its data; the sentence is for the owner."""
    if snapshot is None:
        return replace(NOTHING_YET, reason=_(NOTHING_YET.reason))
    bundle = snapshot.bundle
    told = Told(
        data_as_of=snapshot.data_as_of,
        valid_until=bundle.valid_until,
        stale=bundle.stale,
        phase=bundle.market_status.phase if bundle.market_status else None,
    )
    return grade(told=told, now=now, say=_)


def _pull(*, now: datetime, extra_symbols: Sequence[str]) -> PullResult:
    if not settings.CENTRAL_API_URL or not settings.CENTRAL_API_KEY:
        raise CentralUnavailable(
            _(
                "본사 주소나 키가 없습니다. CENTRAL_API_URL과 CENTRAL_API_KEY를 .env.user에 넣으세요."
            )
        )
    snapshot = latest_snapshot()
    last = snapshot.bundle if snapshot else None
    answer = _ask(last=last, extra=extra_symbols)
    if answer.unchanged:
        return _keep(answer, snapshot=snapshot, now=now)
    bundles.check(answer, last=last, now=now)
    _store(answer, now=now)
    return PullResult(outcome="new", run_id=answer.run_id)


def _ask(*, last: BundleAnswer | None, extra: Sequence[str]) -> BundleAnswer:
    """Return one run's complete answer; begin again once if a run was published."""
    covered = last is not None and not bundles.missing_symbols(last, extra=extra)
    known = last.run_id if last is not None and covered else None
    answer = _ask_once(last=last, extra=extra, known_run_id=known)
    if answer is None:
        answer = _ask_once(last=last, extra=extra, known_run_id=None)
    if answer is None:
        raise CentralUnavailable(
            _(
                "본사 분석이 요청하는 사이에 두 번 바뀌었습니다. 다음 요청에서 다시 합니다."
            )
        )
    return answer


def _ask_once(
    *, last: BundleAnswer | None, extra: Sequence[str], known_run_id: str | None
) -> BundleAnswer | None:
    """Ask in as many parts as the markets need; None when the parts' runs differ."""
    client = central_client()
    wanted = bundles.wanted_symbols(extra=extra, last=last)[:MAX_BUNDLE_SYMBOLS]
    answer = client.fetch_bundle(symbols=wanted, known_run_id=known_run_id)
    if answer.unchanged:
        return answer
    asked = set(wanted)
    while True:
        missing = bundles.missing_symbols(answer, extra=extra)
        wanted = [symbol for symbol in missing if symbol not in asked]
        if not wanted:
            return answer
        wanted = wanted[:MAX_BUNDLE_SYMBOLS]
        asked.update(wanted)
        part = client.fetch_bundle(symbols=wanted)
        if part.run_id != answer.run_id:
            return None
        answer = bundles.merge(answer, part)


def _keep(
    answer: BundleAnswer, *, snapshot: CentralSnapshot | None, now: datetime
) -> PullResult:
    """The run is known already: only when it was confirmed, and its state, can change."""
    if snapshot is None or answer.run_id != snapshot.run_id:
        raise CentralUnavailable(
            _(
                "본사가 우리에게 없는 분석을 그대로라고 답해 버렸습니다. 본사 운영자에게 알리세요."
            )
        )
    # `stale` is decided when serving, so the same run may turn stale.
    news = {"stale": answer.stale, "next_run_at": answer.next_run_at}
    _store(snapshot.bundle.model_copy(update=news), now=now)
    return PullResult(outcome="unchanged", run_id=answer.run_id)


def _store(answer: BundleAnswer, *, now: datetime) -> None:
    body = answer.model_dump_json()
    with transaction.atomic():
        CentralSnapshot.objects.update_or_create(
            run_id=answer.run_id,
            defaults={
                "data_as_of": answer.data_as_of,
                "generated_at": answer.generated_at,
                "valid_until": answer.valid_until,
                "next_run_at": answer.next_run_at,
                "body": body,
                "sha256": hashlib.sha256(body.encode()).hexdigest(),
                "fetched_at": now,
            },
        )
        keep = CentralSnapshot.objects.values_list("pk", flat=True)[:KEEP_SNAPSHOTS]
        CentralSnapshot.objects.exclude(pk__in=list(keep)).delete()


def _note_failure(
    *, state: PullState, error: CentralUnavailable, now: datetime
) -> None:
    failures = state.failures + 1
    pause = error.retry_after or 0
    if failures >= BREAKER_FAILURES:
        pause = max(pause, random.uniform(*BREAKER_PAUSE_SECONDS))  # noqa: S311
    log.warning("central.pull.failed (%d in a row): %s", failures, error)
    PullState.objects.filter(pk=1).update(
        failures=failures,
        open_until=now + timedelta(seconds=pause) if pause else None,
        last_error=str(error)[:400],
        last_attempt_at=now,
    )


def line_state() -> PullState:
    """Return how the line to central is doing."""
    state, _ = PullState.objects.get_or_create(pk=1)
    return state
