"""One pace towards the exchange for all processes: evenly spaced, waiting, not failing."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry
from throttled import MemoryStore, RateLimiterType, RedisStore, Throttled
from throttled.exceptions import BaseThrottledError
from throttled.rate_limiter import Quota, per_duration
from throttled.store import BaseStore

log = logging.getLogger(__name__)

CALLS_PER_SECOND: Final = 9
"""One below Upbit's limit of 10 a second for each group of quotation calls."""
_PERIOD: Final = 100  # whole seconds: the library cuts a period to them
_OPTIONS: Final = {
    "SOCKET_CONNECT_TIMEOUT": 0.3,
    "SOCKET_TIMEOUT": 0.5,
    "CONNECTION_POOL_KWARGS": {"retry": Retry(NoBackoff(), 0)},
}


class CallLimiter:
    """Waits before each call so that a group's calls keep their distance."""

    def __init__(
        self,
        *,
        redis_url: str,
        rate_factor: float,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Share the pace over *redis_url*; without Redis each process keeps it alone."""
        quota = per_duration(
            timedelta(seconds=_PERIOD),
            max(1, round(CALLS_PER_SECOND * rate_factor * _PERIOD)),
            burst=1,
        )
        self._shared = _gcra(quota, RedisStore(server=redis_url, options=_OPTIONS))
        self._own = _gcra(quota, MemoryStore())
        self._sleep = sleep
        self._lock = threading.Lock()
        self._is_alone = False

    def wait(self, *, group: str) -> None:
        """Return when the next call of *group* may leave."""
        while (pause := self._pause(f"upbit:{group}")) > 0:
            self._sleep(pause)

    def _pause(self, key: str, /) -> float:
        """Take a slot (0.0) or return the seconds until one is free."""
        try:
            result = self._shared.limit(key)
        except (RedisError, BaseThrottledError, OSError) as error:
            self._note(alone=True, why=repr(error))
            result = self._own.limit(key)
        else:
            self._note(alone=False)
        return result.state.retry_after if result.limited else 0.0

    def _note(self, *, alone: bool, why: str = "") -> None:
        """Log a change once, not once per call."""
        with self._lock:
            changed, self._is_alone = alone != self._is_alone, alone
        if changed and alone:
            log.error("redis is away, each process limits its own calls: %s", why)
        elif changed:
            log.info("redis is back, processes share the limit of calls again")


def _gcra(quota: Quota, store: BaseStore, /) -> Throttled:
    return Throttled(
        using=RateLimiterType.GCRA.value, quota=quota, store=store, key_prefix="dc"
    )
