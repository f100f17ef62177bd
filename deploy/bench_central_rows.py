"""Fills a database with hourly candles, then reads, analyses and publishes them.

Usage: python -m deploy.bench_central_rows COINS ROUNDS, with the environment of a central
server whose database is empty; prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from importlib import import_module
from typing import Any, Final

import django
from django.core.management import call_command
from django.db import connection

from deploy.bench_memory import peak_mb

HOURS: Final = 2160
AS_OF: Final = datetime.now(UTC).replace(minute=2, second=0, microsecond=0)
THIS_HOUR: Final = AS_OF.replace(minute=0)
_FILL: Final = """
    INSERT INTO market_candle
        (market, unit, started_at, open, high, low, close, volume, quote_volume)
    SELECT market, 60, started_at, lag(close, 1, close) OVER coin,
        greatest(close, lag(close, 1, close) OVER coin) * 1.002,
        least(close, lag(close, 1, close) OVER coin) * 0.998,
        close, volume, volume * close
    FROM (
        SELECT 'KRW-C' || lpad(coin::text, 4, '0') AS market,
            %s::timestamptz - hour * interval '1 hour' AS started_at,
            (1000 * exp(sum(0.02 * (random() - 0.5)) OVER walk))::numeric(32, 4) AS close,
            (1e6 * random())::numeric(32, 8) AS volume
        FROM generate_series(1, %s) AS coin, generate_series(1, %s) AS hour
        WINDOW walk AS (PARTITION BY coin ORDER BY hour DESC)
    ) AS made
    WINDOW coin AS (PARTITION BY market ORDER BY started_at)
"""


def main(coins: str, rounds: str) -> int:
    """Measure in alternating rounds; ours first, so that its memory can be told."""
    django.setup()
    call_command("migrate", verbosity=0)
    rows = _fill(int(coins))
    parts: dict[str, Callable[[], object]] = {"copy": _copy, "run": _run, "orm": _orm}
    _run()  # loads the machine code
    found: dict[str, list[dict[str, float]]] = {name: [] for name in parts}
    peak = 0.0
    for _ in range(int(rounds)):
        for name, part in parts.items():
            peak = peak or (peak_mb() if name == "orm" else 0.0)
            found[name].append(_timed(part))
    print(
        json.dumps({**found, "rows": rows, "peak_mb": peak, "orm_peak_mb": peak_mb()})
    )
    return 0


def _timed(part: Callable[[], object]) -> dict[str, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    part()
    return {
        "cpu_ms": 1000 * (time.process_time() - cpu),
        "wall_ms": 1000 * (time.perf_counter() - wall),
    }


def _fill(coins: int) -> int:
    market: Any = _module("market.models")
    with connection.cursor() as cursor:
        cursor.execute(_FILL, [THIS_HOUR, coins, HOURS])
        rows: int = cursor.rowcount
        cursor.execute("ANALYZE market_candle")
    names = (f"KRW-C{number:04}" for number in range(1, coins + 1))
    market.Coin.objects.bulk_create(
        market.Coin(market=name, korean_name=name, english_name=name) for name in names
    )
    return rows


def _copy() -> object:
    candles: Any = _module("market.services.candles")
    models: Any = _module("market.models")
    since = THIS_HOUR - timedelta(days=90)
    return candles.read_frames(unit=models.Unit.HOUR, since=since, until=THIS_HOUR)


def _run() -> object:
    """Do what a run does after its calls: the stored hours to a published answer."""
    facts: Any = _module("market.services.facts")
    analyse: Any = _module("market.services.analyse")
    publish: Any = _module("market.services.publish")
    market: Any = _module("market.models")
    sources: Any = _module("market.sources")
    runs: Any = _module("market.services.runs")
    lease = runs.claim_now(now=AS_OF)  # the same window again, as a person may
    lease.begin()
    analyst = analyse.Analyst(history=facts.History(as_of=AS_OF, days=90), seed="1")
    coins = list(market.Coin.objects.all())
    for coin in coins:
        ticker = sources.Ticker(price=Decimal(1000), turnover_24h=Decimal(10**10))
        book = sources.Book(
            bid=Decimal(999), ask=Decimal(1001), depth_krw=Decimal(10**8)
        )
        analyst.add(coin=coin, ticker=ticker, book=book)
    analysed = analyst.finish(coins=coins, unreadable={})
    assert len(analysed.facts) == len(coins), analysed.failed
    publish.publish(lease=lease, analysed=analysed, as_of=AS_OF, published_at=AS_OF)
    return analysed


def _orm() -> object:
    market: Any = _module("market.models")
    return list(market.Candle.objects.filter(unit=market.Unit.HOUR))


def _module(name: str) -> Any:
    # By name: the checker's Django plugin knows the settings of one server at a time.
    return import_module(f"central_project.{name}")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
