"""Is the process alive, can it work, which version is it; no login needed."""

from __future__ import annotations

import tomllib
from functools import cache
from typing import Any

import redis
from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from common.wire import SCHEMA_VERSION
from user_project.bots import overview


@require_safe
@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    """The process answers."""
    return JsonResponse({"status": "ok"})


@require_safe
@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    """Database and Redis answer; central's age is told but does not decide.

    Running rounds go on while central is away, so its silence never makes this
    server unready.
    """
    database = _database()
    checks: dict[str, Any] = {"database": database, "redis": _redis()}
    ready = all(value == "ok" for value in checks.values())
    if database == "ok":
        central = overview.central_view(now=timezone.now())
        checks["central"] = {"level": central.level, "age_seconds": central.age_seconds}
    body = {"status": "ok" if ready else "unavailable", "checks": checks}
    return JsonResponse(body, status=200 if ready else 503)


@require_safe
def version(request: HttpRequest) -> JsonResponse:
    """Name, version and the contract this server reads."""
    return JsonResponse(
        {"name": "dantaro-user", "version": _version(), "schema": SCHEMA_VERSION}
    )


def _database() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return "unreachable"
    return "ok"


def _redis() -> str:
    client = redis.Redis.from_url(
        settings.REDIS_URL, socket_timeout=0.5, socket_connect_timeout=0.5
    )
    try:
        client.ping()
    except redis.RedisError:
        return "unreachable"
    finally:
        client.close()
    return "ok"


@cache
def _version() -> str:
    text = (settings.BASE_DIR / "pyproject.toml").read_text(encoding="utf-8")
    return str(tomllib.loads(text)["project"]["version"])
