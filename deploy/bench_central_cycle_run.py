"""Runs whole windows of the production pipeline against an exchange, and times them.

Usage: python -m deploy.bench_central_cycle_run ROUNDS, with the environment of a central
server whose database has the coins' history; prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import django


def main(rounds: str) -> int:
    """Measure cycles one after the other in one process, as a worker runs them."""
    django.setup()
    _module("market.tasks")  # what a worker has loaded before its first run
    source = _Watched(_module("market.services.source").exchange_source())
    cycles = [_cycle(source) for _ in range(int(rounds))]
    print(json.dumps({"cycles": cycles, "together_ms": _together(source)}))
    return 0


class _Watched:
    """A source that notes when the last candle came."""

    def __init__(self, source: Any) -> None:
        self._source = source
        self.last_candle = 0.0
        self.candle_calls = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def candles(self, **asked: Any) -> Any:
        rows = self._source.candles(**asked)
        self.last_candle = time.perf_counter()
        self.candle_calls += 1
        return rows


def _cycle(source: _Watched) -> dict[str, Any]:
    """Run one window from the claim to the last byte rendered for readers."""
    _forget_last_hour()
    source.candle_calls = 0
    ended: list[float] = []
    hooks = _module("market.services.publish").AFTER_PUBLISH
    hook: Callable[[Any], None] = lambda run: ended.append(  # noqa: E731
        time.perf_counter()
    )
    hooks.append(hook)  # the last one: everything is rendered
    began, cpu = time.perf_counter(), time.process_time()
    run = _run(source)
    cpu = time.process_time() - cpu
    hooks.remove(hook)
    if run.state != "published":
        raise RuntimeError(f"the run failed: {run.error_code} {run.error}")
    return {
        "wall_s": ended[0] - began,
        "after_last_ms": 1000 * (ended[0] - source.last_candle),
        "cpu_s": cpu,
        "candle_calls": source.candle_calls,
        "coins": run.coins_ok,
        "steps": {name: one["seconds"] for name, one in run.steps.items()},
    }


def _run(source: Any) -> Any:
    runs: Any = _module("market.services.runs")
    pipeline: Any = _module("market.services.pipeline")
    lease = runs.claim_now(now=datetime.now(UTC))
    return pipeline.run_pipeline(
        lease=lease, source=source, clock=lambda: datetime.now(UTC)
    )


def _forget_last_hour() -> None:
    """Let every coin lack candles again: two cycles fit into one window of five minutes."""
    from django.db.models import F

    coins: Any = _module("market.models").Coin.objects
    coins.update(minutes_until=None, hours_until=F("hours_until") - timedelta(hours=1))


def _together(source: _Watched) -> float:
    """Return what analysis, publishing and rendering take when nothing overlaps."""
    analyse: Any = _module("market.services.analyse")
    facts: Any = _module("market.services.facts")
    market: Any = _module("market.models")
    publish: Any = _module("market.services.publish")
    runs: Any = _module("market.services.runs")
    as_of = datetime.now(UTC)
    coins = list(market.Coin.objects.filter(listed=True))
    tickers, books = source.tickers(), source.books(markets=[c.market for c in coins])
    lease = runs.claim_now(now=as_of)
    lease.begin()
    began = time.perf_counter()
    history = facts.History(as_of=as_of, days=90)
    analyst = analyse.Analyst(history=history, seed="1")
    for coin in coins:
        analyst.add(coin=coin, ticker=tickers[coin.market], book=books.get(coin.market))
    analysed = analyst.finish(coins=coins, unreadable={})
    publish.publish(lease=lease, analysed=analysed, as_of=as_of, published_at=as_of)
    return 1000 * (time.perf_counter() - began)


def _module(name: str) -> Any:
    # By name: the checker's Django plugin knows the settings of one server at a time.
    return import_module(f"central_project.{name}")


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
