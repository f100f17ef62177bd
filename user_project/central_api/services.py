"""Pull from central, keep what is good, say how fresh it is."""

from __future__ import annotations

import hashlib
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Final

from django.conf import settings
from django.db import transaction

from common.wire import BundleAnswer, Phase
from user_project.central_api.client import CentralAPIClient, CentralUnavailable
from user_project.central_api.models import CentralSnapshot, PullState

log = logging.getLogger(__name__)

CLOCK_TOLERANCE: Final = timedelta(seconds=60)
KEEP_SNAPSHOTS: Final = 50
BREAKER_FAILURES: Final = 5
BREAKER_PAUSE: Final = (10.0, 30.0)
WARN_AGE: Final = timedelta(minutes=10)
JITTER_SHARE: Final = 1 / 3
"""Installations spread their pulls by this share of the period."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PullResult:
    """What one pull brought: ``new``, ``unchanged``, ``skipped`` or ``failed``."""

    outcome: str
    run_id: str = ""
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Freshness:
    """How far central's last word may be relied upon at an instant."""

    level: str
    """``fresh``, ``warn``, ``stale`` or ``none``."""
    age_seconds: int | None
    new_cycles_allowed: bool
    reason: str


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
    state = _state()
    if state.next_pull_at is not None and now < state.next_pull_at:
        return PullResult(outcome="skipped", message="not due yet")
    period = settings.PULL_SECONDS
    # The same installation always pulls at its own place within the period.
    spread = random.Random(f"{settings.INSTANCE}|{now.isoformat()}")  # noqa: S311
    wait = period * (1 + JITTER_SHARE * spread.uniform(-1, 1))
    PullState.objects.filter(pk=1).update(next_pull_at=now + timedelta(seconds=wait))
    return pull(now=now, extra_symbols=extra_symbols)


def pull(*, now: datetime, extra_symbols: Sequence[str] = ()) -> PullResult:
    """Fetch, validate and store; a bad answer never replaces a good one."""
    state = _state()
    if state.open_until is not None and now < state.open_until:
        return PullResult(outcome="skipped", message=state.last_error)
    try:
        if not settings.CENTRAL_API_URL or not settings.CENTRAL_API_KEY:
            raise CentralUnavailable(
                "본사 주소나 키가 없습니다. CENTRAL_API_URL과 CENTRAL_API_KEY를"
                " .env.user에 넣으세요."
            )
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
        return Freshness(
            level="none",
            age_seconds=None,
            new_cycles_allowed=False,
            reason="본사 분석을 아직 받지 못했습니다. 새 회차를 시작할 수 없습니다.",
        )
    age = max(now - snapshot.data_as_of, timedelta(0))
    minutes = int(age.total_seconds()) // 60
    if now > snapshot.valid_until or snapshot.bundle.stale:
        return Freshness(
            level="stale",
            age_seconds=int(age.total_seconds()),
            new_cycles_allowed=False,
            reason=f"본사 분석이 {minutes}분 전 것이라 새 회차를 시작하지 않습니다."
            " 진행 중인 회차는 계속합니다.",
        )
    return Freshness(
        level="warn" if age > WARN_AGE else "fresh",
        age_seconds=int(age.total_seconds()),
        new_cycles_allowed=_phase_allows(snapshot.bundle),
        reason=_phase_sentence(snapshot.bundle) or f"본사 분석 {minutes}분 전",
    )


def _phase_allows(bundle: BundleAnswer) -> bool:
    status = bundle.market_status
    return status is None or status.phase not in (Phase.CRASH, Phase.HALTED)


def _phase_sentence(bundle: BundleAnswer) -> str:
    if _phase_allows(bundle):
        return ""
    return "시장이 급락 중이거나 멈춰 있어 새 회차를 시작하지 않습니다."


def _pull(*, now: datetime, extra_symbols: Sequence[str]) -> PullResult:
    last = latest_snapshot()
    wanted = _symbols(last, extra_symbols)
    covered = last is not None and set(extra_symbols) <= set(last.bundle.support_levels)
    answer = central_client().fetch_bundle(
        symbols=wanted, known_run_id=last.run_id if last and covered else None
    )
    if answer.unchanged and last is not None:
        CentralSnapshot.objects.filter(pk=last.pk).update(fetched_at=now)
        return PullResult(outcome="unchanged", run_id=answer.run_id)
    missing = _missing(answer, extra_symbols)
    if missing:
        answer = _merge(answer, central_client().fetch_bundle(symbols=missing))
    _check(answer, last=last, now=now)
    _store(answer, now=now)
    return PullResult(outcome="new", run_id=answer.run_id)


def _symbols(last: CentralSnapshot | None, extra_symbols: Sequence[str]) -> list[str]:
    ranked = last.bundle.recommendations if last else None
    return list(
        dict.fromkeys([*extra_symbols, *(item.symbol for item in ranked or ())])
    )


def _missing(answer: BundleAnswer, extra_symbols: Sequence[str]) -> list[str]:
    """Markets ranked now, or used by bots, whose levels this answer lacks."""
    ranked = [item.symbol for item in answer.recommendations or ()]
    return [
        symbol
        for symbol in dict.fromkeys([*extra_symbols, *ranked])
        if symbol not in answer.support_levels
        and f"support_levels.{symbol}" not in answer.errors
    ]


def _merge(first: BundleAnswer, second: BundleAnswer) -> BundleAnswer:
    if first.run_id != second.run_id:
        # A new run was published in between: the second answer is complete in itself
        # but for the symbols only the first one had; they come with the next pull.
        return second
    return second.model_copy(
        update={"support_levels": {**first.support_levels, **second.support_levels}}
    )


def _check(
    answer: BundleAnswer, *, last: CentralSnapshot | None, now: datetime
) -> None:
    """Refuse what cannot be true, so that a bad answer never replaces a good one."""
    if answer.data_as_of > now + CLOCK_TOLERANCE:
        raise CentralUnavailable(
            "본사 자료의 시각이 미래입니다. 두 서버의 시계를 맞추세요."
        )
    if last is not None and answer.data_as_of < last.data_as_of:
        raise CentralUnavailable(
            "본사가 더 오래된 자료를 보내 버렸습니다. 본사 운영자에게 알리세요."
        )
    for symbol, levels in answer.support_levels.items():
        if any(
            level.price is not None and level.price >= levels.price
            for level in levels.levels.values()
        ):
            raise CentralUnavailable(
                f"본사 자료가 틀립니다: {symbol}의 지지선이 현재가 이상입니다."
            )


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
    pause = error.retry_after or 0.0
    if failures >= BREAKER_FAILURES:
        pause = max(pause, random.uniform(*BREAKER_PAUSE))  # noqa: S311
    log.warning("central.pull.failed (%d in a row): %s", failures, error)
    PullState.objects.filter(pk=1).update(
        failures=failures,
        open_until=now + timedelta(seconds=pause) if pause else None,
        last_error=str(error)[:400],
        last_attempt_at=now,
    )


def _state() -> PullState:
    state, _ = PullState.objects.get_or_create(pk=1)
    return state
