"""The event stream of the logged-in owner."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import cache
from typing import Any, Final

import redis.asyncio
from django.conf import settings
from django.contrib.auth import aget_user
from django.db.utils import DatabaseError, InterfaceError
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    StreamingHttpResponse,
)
from django.utils.translation import get_language
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from user_project.stream.lines import BEAT_SECONDS, event_lines

MOST_STREAMS: Final = 500
"""Each holds one connection to Redis."""
_open = 0


async def stream(request: HttpRequest) -> HttpResponseBase:
    """Tell the owner's pages what changes, as server-sent events."""
    user = await aget_user(request)
    if request.method != "GET" or not user.is_authenticated:
        return _with_origin(request, HttpResponse(status=401))
    if _open >= MOST_STREAMS or not await _redis_answers():
        away = HttpResponse(status=503, headers={"Retry-After": "10"})
        return _with_origin(request, away)
    answer = StreamingHttpResponse(
        _lines(request, int(user.pk)), content_type="text/event-stream; charset=utf-8"
    )
    answer["Cache-Control"] = "no-cache, no-store"
    answer["X-Accel-Buffering"] = "no"
    return _with_origin(request, answer)


async def _lines(request: HttpRequest, owner_id: int, /) -> AsyncIterator[str]:
    global _open
    _open += 1
    known: Any = request.headers.get("Last-Event-ID") or request.GET.get("after", "")

    async def may_go_on() -> bool:
        """A logged-out person's pages learn nothing more."""
        try:
            return await _still_logged_in(request, owner_id)
        except (DatabaseError, InterfaceError):
            return False

    try:
        async for line in event_lines(
            client=_client(),
            owner_id=owner_id,
            after=known,
            language=get_language() or settings.LANGUAGE_CODE,
            may_go_on=may_go_on,
        ):
            yield line
    except redis.RedisError:
        return  # the page asks again and goes by polling meanwhile
    finally:
        _open -= 1


async def _still_logged_in(request: HttpRequest, owner_id: int, /) -> bool:
    """Read the session and the person anew."""
    session = type(request.session)(request.session.session_key)
    again = HttpRequest()
    again.session = session
    user = await aget_user(again)
    return bool(user.is_authenticated and user.pk == owner_id)


async def _redis_answers() -> bool:
    try:
        return bool(await _client().ping())
    except redis.RedisError:
        return False


def _with_origin(request: HttpRequest, answer: HttpResponseBase, /) -> HttpResponseBase:
    """Let the pages' own address read it when that is another port."""
    origin = request.headers.get("Origin", "")
    if origin in settings.STREAM_ORIGINS:
        answer["Access-Control-Allow-Origin"] = origin
        answer["Access-Control-Allow-Credentials"] = "true"
    answer["Vary"] = "Origin, Cookie"
    return answer


@cache
def _client() -> redis.asyncio.Redis:
    client: redis.asyncio.Redis = redis.asyncio.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=BEAT_SECONDS + 5,
        socket_connect_timeout=0.5,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
    )
    return client
