"""One page's event stream, from its owner's channel; touches Redis only."""

from __future__ import annotations

import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from decimal import Decimal
from typing import Any, Final

import redis.asyncio
from django.utils import translation

from user_project.stream.channel import CHANGES, FIELD, PRICES, WATCHED
from user_project.web.templatetags import korean

BEAT_SECONDS: Final = 15
RETRY_MS: Final = 2000
ID: Final = re.compile(r"\d{1,15}-\d{1,10}")
MOST_AT_ONCE: Final = 100


async def event_lines(
    *,
    client: redis.asyncio.Redis,
    owner_id: int,
    after: str,
    language: str,
    may_go_on: Callable[[], Awaitable[bool]],
) -> AsyncIterator[str]:
    """Yield SSE text: ``changed``, ``figures``, ``beat``; ``missed`` after a long gap.

    *after* is the id of the last change the page knows, empty for none. Ends when
    *may_go_on*, asked at every heartbeat, says so; RedisError when Redis is away.
    """
    changes, prices = CHANGES.format(owner=owner_id), PRICES.format(owner=owner_id)
    seconds, _ = await client.time()
    start = f"{seconds * 1000}-0"
    at: dict[Any, Any] = {
        changes: after if ID.fullmatch(after) else start,
        prices: start,
    }
    yield f"retry: {RETRY_MS}\n\n"
    if await _was_trimmed(client, changes, at[changes]):
        yield _line("missed", {})
    beat_at = 0.0
    while True:
        if time.monotonic() - beat_at >= BEAT_SECONDS:
            beat_at = time.monotonic()
            if not await may_go_on():
                return
            await client.zadd(WATCHED, {str(owner_id): time.time()})
            yield _line("beat", {"now": int(time.time() * 1000)})
        wait = max(int((beat_at + BEAT_SECONDS - time.monotonic()) * 1000), 1)
        for key, entries in await client.xread(at, block=wait, count=MOST_AT_ONCE):
            at[key] = entries[-1][0]
            for entry_id, fields in entries:
                data = json.loads(fields[FIELD])
                if key == changes:
                    yield _line("changed", data, entry_id)
                else:
                    yield _line("figures", _written(data, language))


def _line(event: str, data: Any, entry_id: str = "", /) -> str:
    number = f"id: {entry_id}\n" if entry_id else ""
    return f"{number}event: {event}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


async def _was_trimmed(client: redis.asyncio.Redis, key: str, after: str, /) -> bool:
    """Tell whether changes after *after* are no longer kept."""
    if not await client.exists(key):
        return False
    about = await client.xinfo_stream(key)
    first = about["first-entry"][0]
    return about["entries-added"] > about["length"] and _order(first) > _order(after)


def _order(entry_id: str, /) -> tuple[int, int]:
    milliseconds, _, number = entry_id.partition("-")
    return int(milliseconds), int(number or 0)


def _written(bots: dict[str, dict[str, Any]], language: str, /) -> dict[str, Any]:
    """Write each bot's figures as the page does, in its language."""
    with translation.override(language):
        return {bot: _texts(numbers) for bot, numbers in bots.items()}


def _texts(numbers: dict[str, Any], /) -> dict[str, Any]:
    exact = {
        name: None if numbers.get(name) is None else Decimal(numbers[name])
        for name in ("price", "value", "unrealised", "rate", "day_change")
    }
    return {
        "at": numbers["at"],
        # Of one coin; the totals of an owner have none.
        "price": korean.price(exact["price"], numbers.get("market", "")),
        "value": korean.won(exact["value"]),
        "unrealised": korean.signed_won(exact["unrealised"]),
        "rate": korean.percent(exact["rate"]),
        "tone": korean.tone(exact["unrealised"]),
        "day_change": korean.signed_percent(exact["day_change"]),
        "day_tone": korean.tone(exact["day_change"]),
    }
