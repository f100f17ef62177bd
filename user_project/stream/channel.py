"""An owner's channel in Redis: what changed is kept for a while, prices are not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import redis

CHANGES: Final = "du:stream:{owner}:changes"
PRICES: Final = "du:stream:{owner}:prices"
WATCHED: Final = "du:stream-watched"
"""Sorted set: owner -> epoch second at which one of their pages was open last."""
FIELD: Final = "data"
MOST_CHANGES: Final = 1000
MOST_PRICES: Final = 20
"""A page that is slower than so many price lines misses some, never a change."""
KEEP: Final = timedelta(days=1)
WATCHED_FOR: Final = timedelta(seconds=45)
"""Three heartbeats: whoever has not been seen for so long has closed the page."""


def tell_change(
    *, client: redis.Redis, owner_id: int, bot_ids: list[str], kinds: list[str]
) -> None:
    """Append that something happened to some bots; RedisError when it cannot be told."""
    data = {"bots": bot_ids, "kinds": kinds}
    _append(client, CHANGES.format(owner=owner_id), data, most=MOST_CHANGES)


def tell_prices(
    *, client: redis.Redis, owner_id: int, bots: Mapping[str, Mapping[str, Any]]
) -> None:
    """Append new figures: bot id -> ``price``, ``at`` (ms), ``value``, ``unrealised`` …"""
    _append(client, PRICES.format(owner=owner_id), dict(bots), most=MOST_PRICES)


def watched_owners(*, client: redis.Redis, now: datetime) -> set[int]:
    """Return whose pages are open."""
    since = (now - WATCHED_FOR).timestamp()
    client.zremrangebyscore(WATCHED, "-inf", since)
    owners: Any = client.zrangebyscore(WATCHED, since, "+inf")
    return {int(owner) for owner in owners}


def _append(client: redis.Redis, key: str, data: Any, *, most: int) -> None:
    pipe = client.pipeline(transaction=False)
    pipe.xadd(key, {FIELD: json.dumps(data)}, maxlen=most, approximate=False)
    pipe.expire(key, KEEP)
    pipe.execute()
