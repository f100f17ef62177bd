"""Whether this server lives, is ready, and what it is; open to load balancers."""

from __future__ import annotations

import tomllib
from functools import cache
from typing import Any

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from redis.backoff import NoBackoff
from redis.retry import Retry

from central_project.market.services import vitals


def healthz(request: HttpRequest) -> JsonResponse:
    """The process answers; nothing else is asked."""
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> JsonResponse:
    """200 while the database can be used, 503 without; `degraded` names what is not well.

    A load balancer that took a server away for old data or a lost Redis would only turn
    a poorer answer into none.
    """
    parts = {**_database_parts(), "redis": _redis()}
    if parts["database"] != "ok":
        status = "unavailable"
    else:
        well = all(
            parts[name] == "ok" for name in ("migrations", "redis", "beat", "run")
        )
        status = "ok" if well else "degraded"
    code = 503 if status == "unavailable" else 200
    return JsonResponse({"status": status, **parts}, status=code)


def version(request: HttpRequest) -> JsonResponse:
    """Name and version of what runs here."""
    return JsonResponse({"name": "dantaro-central", "version": _version(), "api": 1})


def _database_parts() -> dict[str, Any]:
    now = timezone.now()
    try:
        pending = vitals.pending_migrations()
        beat, served = vitals.beat(now=now), vitals.served(now=now)
    except DatabaseError:
        connection.close()
        return {"database": "away"}
    return {
        "database": "ok",
        "migrations": "pending" if pending else "ok",
        "beat": beat.state,
        "beat_age_seconds": _seconds(beat.age),
        "run": served.state,
        "run_id": served.run.run_id if served.run else None,
        "run_age_seconds": _seconds(served.age),
    }


def _seconds(age: Any, /) -> int | None:
    return None if age is None else round(age.total_seconds())


def _redis() -> str:
    try:
        _redis_client().ping()
    except redis.RedisError:
        return "away"
    return "ok"


@cache
def _redis_client() -> redis.Redis:
    return redis.Redis.from_url(
        settings.CACHE_URL,
        socket_timeout=0.5,
        socket_connect_timeout=0.3,
        retry=Retry(NoBackoff(), 0),
    )


@cache
def _version() -> str:
    project = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text("utf-8"))
    return str(project["project"]["version"])
