"""One of several processes that read candles as fast as the limiter lets them.

``python -m tests.central.reading_worker URL REDIS_URL CALLS``: prints its `Usage`.
"""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime

from central_project.market.limiter import CallLimiter
from central_project.market.quotation import Quotation
from central_project.market.sources import UpbitSource

THREADS = 4


def main(url: str, redis_url: str, calls: int) -> None:
    """Read one candle again and again, like a run or a backfill."""
    limiter = CallLimiter(redis_url=redis_url, rate_factor=1)
    source = UpbitSource(quotation=Quotation(base_url=url, limiter=limiter))
    sys.stdin.readline()

    def read(_: int) -> None:
        source.candles(market="KRW-BTC", unit=5, before=datetime.now(UTC), count=1)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(read, range(calls)))
    sys.stdout.write(json.dumps(asdict(source.usage())))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
