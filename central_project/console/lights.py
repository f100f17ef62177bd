"""Lights: which part of the server lives, since when not, and what to do then."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from celery import current_app
from django.core.cache import cache
from django.db import connection
from django_redis import get_redis_connection
from kombu.exceptions import OperationalError
from redis import RedisError

from central_project.market.admin.wording import words_for
from central_project.market.models import AnalysisRun, RunState
from central_project.market.services import vitals

PING_SECONDS: Final = 0.5
WORKERS_KEPT: Final = 10
"""Seconds for which an answer of the workers is believed; asking takes PING_SECONDS."""
EXCHANGE_ADVICE: Final = {
    "EXCHANGE_UNAVAILABLE": "응답이 없거나 점검 중입니다. 다음 구간에 저절로 다시 시도합니다.",
    "EXCHANGE_BLOCKED": (
        "이 서버의 주소를 잠시 막았습니다. 같은 주소에서 다른 프로그램이 호출하는지"
        " 확인해 주세요."
    ),
    "CLOCK_OFF": "서버 시계를 맞춰 주세요 (NTP).",
    "TOO_MANY_FAILED": "과거 캔들이 없으면 backfill을 실행해 주세요.",
    "TOO_SLOW": "응답이 느리거나 과거 캔들이 없습니다. backfill을 실행해 주세요.",
}


class Colour(StrEnum):
    """How good it is."""

    GREEN = "success"
    YELLOW = "warning"
    RED = "danger"
    GREY = "unknown"


@dataclass(frozen=True, kw_only=True)
class Light:
    """One part of the server."""

    name: str
    colour: Colour
    state: str
    advice: str = ""
    """What the operator can do about it."""


def lights(*, now: datetime) -> list[Light]:
    """Look at every part; none of them can make this fail."""
    redis = _redis()
    return [
        _database(),
        redis,
        _beat(now),
        _workers(reachable=redis.colour is Colour.GREEN),
        _exchange(),
    ]


def _database() -> Light:
    started = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    taken = f"{1000 * (time.monotonic() - started):.1f} ms"
    return Light(name="PostgreSQL", colour=Colour.GREEN, state=f"응답 {taken}")


def _redis() -> Light:
    started = time.monotonic()
    try:
        get_redis_connection("default").ping()
    except RedisError:
        return Light(
            name="Redis",
            colour=Colour.RED,
            state="응답 없음",
            advice="API는 데이터베이스로 답하지만 분석이 시작되지 않습니다. Redis를 켜 주세요.",
        )
    taken = f"{1000 * (time.monotonic() - started):.1f} ms"
    return Light(name="Redis", colour=Colour.GREEN, state=f"응답 {taken}")


def _beat(now: datetime, /) -> Light:
    beat = vitals.beat(now=now)
    name, start = "스케줄러 (beat)", "celery beat 프로세스를 확인해 주세요."
    if beat.state == "off":
        advice = "'일정'에서 '분석 실행 확인'을 켜 주세요."
        return Light(name=name, colour=Colour.RED, state="일정이 꺼짐", advice=advice)
    if beat.age is None:
        return Light(name=name, colour=Colour.RED, state="아직 신호 없음", advice=start)
    state = f"{_words(beat.age)} 전 신호"
    if beat.state == "late":
        return Light(name=name, colour=Colour.RED, state=state, advice=start)
    return Light(name=name, colour=Colour.GREEN, state=state)


def _workers(*, reachable: bool) -> Light:
    name = "작업자 (worker)"
    if not reachable:
        return Light(name=name, colour=Colour.GREY, state="Redis 없이는 알 수 없음")
    alive = _nodes()
    if not alive:
        return Light(
            name=name,
            colour=Colour.RED,
            state="응답 없음",
            advice="pipeline, housekeeping 작업자 프로세스를 확인해 주세요.",
        )
    return Light(name=name, colour=Colour.GREEN, state=", ".join(alive))


def _nodes() -> list[str]:
    """Return the workers that answer; several pages share one question."""
    known = cache.get("console:workers")
    if known is None:
        known = _ask()
        cache.set("console:workers", known, WORKERS_KEPT)
    return list(known)


def _ask() -> list[str]:
    try:
        answers = current_app.control.ping(timeout=PING_SECONDS) or []
    except (OperationalError, RedisError):
        return []
    return sorted(node.partition("@")[0] for answer in answers for node in answer)


def _exchange() -> Light:
    run = AnalysisRun.objects.exclude(state=RunState.RUNNING).first()
    name = "거래소 (Upbit)"
    if run is None:
        return Light(name=name, colour=Colour.GREY, state="아직 분석 없음")
    if run.error_code in EXCHANGE_ADVICE:
        return Light(
            name=name,
            colour=Colour.RED,
            state=words_for(run.error_code),
            advice=EXCHANGE_ADVICE[run.error_code],
        )
    if run.coins_failed:
        return Light(
            name=name,
            colour=Colour.YELLOW,
            state=f"코인 {run.coins_failed}개 실패",
            advice="'제외된 코인'에서 이유를 볼 수 있습니다.",
        )
    return Light(name=name, colour=Colour.GREEN, state="마지막 분석에서 정상")


def _words(age: timedelta, /) -> str:
    seconds = max(0, int(age.total_seconds()))
    if seconds < 120:
        return f"{seconds}초"
    return f"{seconds // 60}분" if seconds < 7200 else f"{seconds // 3600}시간"
