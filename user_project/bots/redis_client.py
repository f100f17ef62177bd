"""The one Redis connection pool of a process, for what may be lost: prices, lengths."""

from __future__ import annotations

from functools import cache

import redis
from django.conf import settings
from redis.backoff import NoBackoff
from redis.retry import Retry


@cache
def shared_client() -> redis.Redis:
    """Return a client that gives up quickly; redis-py reopens its pool after a fork."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=0.5,
        socket_connect_timeout=0.3,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
    )
