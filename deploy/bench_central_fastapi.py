"""The peer of the central API's cached answers: FastAPI with fastapi-cache2 on Redis.

Run in the benchmark's own environment. The same key check (a copy for a minute, else the
same table) and as exact a limit (one script in Redis) as the central server's.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import asyncpg
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi_cache import FastAPICache
from fastapi_cache.backends.redis import RedisBackend
from fastapi_cache.decorator import cache
from redis import asyncio as redis

KEY_SECONDS: Final = 60.0
_COUNT: Final = """
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return count
"""
_QUERY: Final = (
    "SELECT id, digest, rate, expires_at, revoked_at FROM central_api_apikey"
    " WHERE prefix = $1"
)
_copies: dict[str, tuple[float, Any]] = {}


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Connect to both stores."""
    app.state.redis = redis.Redis.from_url(os.environ["REDIS_URL"])
    app.state.database = await asyncpg.create_pool(os.environ["DATABASE_URL"])
    FastAPICache.init(RedisBackend(app.state.redis), prefix="fastapi-cache")
    yield


app = FastAPI(lifespan=lifespan)


async def limited(request: Request, response: Response) -> None:
    """Check the key and count the request exactly."""
    key = await _key(request)
    limit, window = (int(part) for part in key["rate"].rstrip("s").split("/"))
    ends = int(time.time()) // window + 1
    count = await request.app.state.redis.eval(
        _COUNT, 1, f"peer:{key['id']}:{ends}", window
    )
    left = ends * window - int(time.time())
    if count > limit:
        raise HTTPException(429, headers={"Retry-After": str(left)})
    response.headers["RateLimit-Policy"] = f'"default";q={limit};w={window}'
    response.headers["RateLimit"] = f'"default";r={limit - count};t={left}'


async def _key(request: Request) -> Any:
    text = request.headers.get("Authorization", "").removeprefix("Bearer ")
    digest = hashlib.sha256(text.encode()).hexdigest()
    until, key = _copies.get(digest, (0.0, None))
    if until < time.monotonic():
        prefix = text.removeprefix("dk_live_").partition(".")[0]
        key = await request.app.state.database.fetchrow(_QUERY, prefix)
        _copies[digest] = (time.monotonic() + KEY_SECONDS, key)
    if key is None or not hmac.compare_digest(key["digest"], digest):
        raise HTTPException(401)
    expired = key["expires_at"] and key["expires_at"] <= datetime.now(UTC)
    if key["revoked_at"] or expired:
        raise HTTPException(401)
    return key


async def recommendations() -> Any:
    """Return the list; only the first caller after the cache ran out gets here."""
    return json.loads(Path(os.environ["BENCH_BODY"]).read_bytes())


async def healthz() -> dict[str, str]:
    """The server answers."""
    return {"status": "ok"}


app.get("/healthz")(healthz)
app.get("/api/v1/recommendations", dependencies=[Depends(limited)])(
    cache(expire=60)(recommendations)
)
