"""PostgreSQL, its migrations, Redis, and the processes that meet over it."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Final

from celery import current_app
from django.conf import settings
from django.db import DatabaseError, connection
from kombu.exceptions import OperationalError as BrokerError
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from central_project.console.doctor.finding import Finding, Part, Text
from central_project.market.services import vitals

DATABASE: Final = Part("database", Text("데이터베이스", "database"))
MIGRATIONS: Final = Part("migrations", Text("마이그레이션", "migrations"))
REDIS: Final = Part("redis", Text("Redis", "Redis"))
BEAT: Final = Part("beat", Text("스케줄러 (beat)", "scheduler (beat)"))
WORKERS: Final = Part("workers", Text("작업자 (worker)", "workers"))
QUEUES: Final = frozenset({"pipeline", "housekeeping"})
_PING_SECONDS: Final = 1.5
_START: Final = "celery -A central_project.celery"


def database() -> Finding:
    """PostgreSQL answers; how fast, and how large the database is."""
    started = time.monotonic()
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_size_pretty(pg_database_size(current_database()))"
            )
            (size,) = cursor.fetchone()
    except DatabaseError as error:
        connection.close()
        why = " ".join(str(error).split())
        return DATABASE.red(
            (f"연결할 수 없습니다: {why}", f"cannot be reached: {why}"),
            (
                "PostgreSQL을 켜거나 .env.central의 DATABASE_URL을 고쳐 주세요."
                " `make up`은 전용 서버를 함께 켭니다.",
                "start PostgreSQL or correct DATABASE_URL in .env.central;"
                " `make up` starts a private one",
            ),
        )
    taken = f"{1000 * (time.monotonic() - started):.0f} ms"
    return DATABASE.green(f"응답 {taken}, 크기 {size}", f"answers in {taken}, {size}")


def migrations() -> Finding:
    """The database has the tables that this code expects."""
    pending = vitals.pending_migrations()
    if not pending:
        return MIGRATIONS.green("모두 적용됨", "all applied")
    shown = ", ".join(pending[:3]) + (" …" if len(pending) > 3 else "")
    return MIGRATIONS.red(
        (
            f"{len(pending)}개가 적용되지 않음: {shown}",
            f"{len(pending)} not applied: {shown}",
        ),
        (
            "`python manage_central.py migrate`를 실행해 주세요.",
            "run `python manage_central.py migrate`",
        ),
    )


def redis() -> Finding:
    """Broker and cache answer, and the broker never drops messages."""
    try:
        with (
            _client(settings.REDIS_URL) as broker,
            _client(settings.CACHE_URL) as cache,
        ):
            broker.ping()
            cache.ping()
            policy = _eviction(broker)
    except RedisError as error:
        why = " ".join(str(error).split())
        return REDIS.red(
            (f"연결할 수 없습니다: {why}", f"cannot be reached: {why}"),
            (
                "Redis를 켜거나 .env.central의 REDIS_URL, CACHE_URL을 고쳐 주세요. 그동안"
                " API는 데이터베이스로 답하고 새 분석은 시작되지 않습니다.",
                "start Redis or correct REDIS_URL and CACHE_URL in .env.central; meanwhile"
                " the API answers from the database and no analysis starts",
            ),
        )
    if policy not in (None, "noeviction"):
        return REDIS.yellow(
            (f"maxmemory-policy가 {policy}", f"maxmemory-policy is {policy}"),
            (
                "작업 메시지가 사라질 수 있으니 noeviction으로 바꿔 주세요.",
                "set it to noeviction, or tasks may vanish when memory is short",
            ),
        )
    return REDIS.green("응답함", "answers")


def beat(*, now: datetime) -> Finding:
    """The scheduler gives signs of life."""
    seen = vitals.beat(now=now)
    start = (
        f"`{_START} beat` 프로세스를 하나만 켜 주세요.",
        f"run exactly one `{_START} beat`",
    )
    if seen.state == "off":
        return BEAT.red(
            (
                "'분석 실행 확인' 일정이 꺼져 있거나 없음",
                "its schedule is off or missing",
            ),
            (
                "관리자 화면의 '일정'에서 '분석 실행 확인'을 켜 주세요.",
                "enable '분석 실행 확인' among the admin's periodic tasks",
            ),
        )
    if seen.age is None:
        return BEAT.red(("아직 신호가 없음", "never a sign of life"), start)
    age = round(seen.age.total_seconds())
    found = (f"마지막 신호 {age}초 전", f"last sign {age} s ago")
    return BEAT.red(found, start) if seen.state == "late" else BEAT.green(*found)


def workers() -> Finding:
    """Some living worker serves each queue."""
    try:
        served = _served_queues()
    except (BrokerError, RedisError, OSError):
        return WORKERS.grey("Redis 없이는 알 수 없음", "unknown without Redis")
    missing = sorted(QUEUES - served)
    if not missing:
        return WORKERS.green("모든 큐를 처리 중", "every queue is served")
    queues = ", ".join(missing)
    return WORKERS.red(
        (f"처리하는 작업자가 없는 큐: {queues}", f"nobody serves the queues {queues}"),
        (
            f"`{_START} worker -Q {','.join(missing)}`을 켜 주세요.",
            f"start `{_START} worker -Q {','.join(missing)}`",
        ),
    )


def _served_queues() -> set[str]:
    answers = current_app.control.inspect(timeout=_PING_SECONDS).active_queues() or {}
    return {queue["name"] for queues in answers.values() for queue in queues}


def _client(url: str, /) -> Redis:
    return Redis.from_url(
        url,
        socket_timeout=2.0,
        socket_connect_timeout=2.0,
        retry=Retry(NoBackoff(), 0),
    )


def _eviction(broker: Redis, /) -> str | None:
    """Return the policy, or None where the command is not allowed."""
    try:
        answer = broker.config_get("maxmemory-policy")
    except RedisError:
        return None
    policy = answer.get("maxmemory-policy") if isinstance(answer, dict) else None
    return policy.decode() if isinstance(policy, bytes) else policy
