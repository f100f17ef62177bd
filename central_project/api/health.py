"""Whether this server lives, is ready, and what it is; open to load balancers."""

from __future__ import annotations

import tomllib
from functools import cache

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from redis.backoff import NoBackoff
from redis.retry import Retry

from central_project.market.models import Publication


def healthz(request: HttpRequest) -> JsonResponse:
    """The process answers; nothing else is asked."""
    return JsonResponse({"status": "ok"})


def readyz(request: HttpRequest) -> JsonResponse:
    """Ready while the database answers; Redis may be away, answers are only slower."""
    database, run_id = _database()
    is_ready = database == "ok"
    body = {
        "status": "ok" if is_ready else "unavailable",
        "database": database,
        "redis": _redis(),
        "run_id": run_id,
    }
    return JsonResponse(body, status=200 if is_ready else 503)


def version(request: HttpRequest) -> JsonResponse:
    """Name and version of what runs here."""
    return JsonResponse({"name": "dantaro-central", "version": _version(), "api": 1})


def _database() -> tuple[str, str | None]:
    try:
        pointer = Publication.objects.select_related("current").first()
    except DatabaseError:
        connection.close()
        return "away", None
    return "ok", pointer.current.run_id if pointer and pointer.current else None


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
