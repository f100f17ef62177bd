"""Lets one price of every coin come in, again and again, and counts what it costs.

Usage: python -m deploy.bench_user_tick_run JSON, with the environment of a user server
whose workers are those of deploy.bench_user_worker; prints one line of JSON.
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import django

from deploy import bench_user_bots as bots
from deploy.bench_cpu import Work
from deploy.bench_user_bots import NAIVE
from deploy.bench_user_stamps import count

CROSSING: Final = 0.024
START_SECONDS: Final = 120.0
SETTLE_SECONDS: Final = 0.1
"""For what a worker does after the last body: its events, its acknowledgement."""


@dataclass
class Tick:
    """What one tick cost, and how long until its last bot had started."""

    cpu_ms: float
    watcher_ms: float
    started_ms: float
    woken: int


def main(asked: str) -> int:
    """Measure both ways for one number of bots."""
    options = json.loads(asked)
    django.setup()
    stamps = Path(options["stamps"])
    ids = bots.create(options["bots"])
    measure = _Measure(stamps=stamps, pids=options["pids"])
    ours = _ours(ids, measure, ticks=options["ticks"])
    naive = [measure.tick(lambda: _naive(ids)) for _ in range(options["naive_ticks"])]
    told = {"ours": [vars(one) for one in ours], "naive": [vars(one) for one in naive]}
    print(json.dumps(told))
    return 0


class _Measure:
    """Counts the CPU of everything that takes part, until every bot has started."""

    def __init__(self, *, stamps: Path, pids: Sequence[int]) -> None:
        self._stamps = stamps
        self._pids = pids

    def tick(self, send: Callable[[], int]) -> Tick:
        before = count(self._stamps)
        work, own = Work(self._pids), time.process_time()
        began = time.perf_counter()
        woken = send()
        # Waiting for the stamps, as below, is none of the server's work.
        watcher = 1000 * (time.process_time() - own)
        self._wait(before + woken, began)
        started = time.perf_counter() - began
        time.sleep(SETTLE_SECONDS)
        return Tick(work.ms() + watcher, watcher, 1000 * started, woken)

    def _wait(self, wanted: int, began: float) -> None:
        while count(self._stamps) < wanted:
            if time.perf_counter() - began > START_SECONDS:
                raise RuntimeError(f"{wanted - count(self._stamps)} bots did not start")
            time.sleep(0.001)


def _ours(ids: Sequence[uuid.UUID], measure: _Measure, *, ticks: int) -> list[Tick]:
    feed = _Feed()
    watcher = _watcher(feed)
    feed.set(0, below=-1)
    watcher.step()  # its duties of a second are none of a tick
    share = max(1, round(len(ids) * CROSSING))
    found = []
    for number in range(ticks + 1):
        first, end = number * share, (number + 1) * share
        feed.set(first, below=end - 1)
        wanted = end - first

        def send(wanted: int = wanted) -> int:
            woken: int = watcher.step()
            while woken < wanted:  # a full queue takes the rest later
                time.sleep(0.05)
                woken += watcher.step()
            return woken

        found.append(measure.tick(send))
        bots.disarm(ids[first:end])
    return found[1:]  # the first one opened the connections


def _naive(ids: Sequence[uuid.UUID]) -> int:
    app = import_module("user_project.celery").app
    shards = int(import_module("django.conf").settings.SHARDS)
    for number, bot_id in enumerate(ids):
        app.send_task(
            NAIVE, kwargs={"bot_id": str(bot_id)}, queue=f"bots.{number % shards}"
        )
    return len(ids)


class _Feed:
    """Prices as a test says them; every coin has a new one at every tick."""

    heard_at: datetime | None = None

    def __init__(self) -> None:
        self._quotes: dict[str, Any] = {}
        self._is_new = False

    def set(self, first: int, *, below: int) -> None:
        """Let each coin fall just so far that its bots up to *below* wake."""
        quote = import_module("user_project.trading.orders").PriceQuote
        now = datetime.now(UTC)
        lowest = {
            bots.market(number): number
            for number in range(max(0, below - bots.COINS + 1), below + 1)
            if number >= first
        }
        for coin in range(bots.COINS):
            name = bots.market(coin)
            # A coin whose turn it is not moves as well, but not far enough.
            value = bots.price(lowest[name]) if name in lowest else bots.price(-1)
            self._quotes[name] = quote(market=name, price=value, received_at=now)
        self._is_new = True

    def want(self, markets: Collection[str], /) -> None: ...

    def take(self) -> dict[str, Any]:
        is_new, self._is_new = self._is_new, False
        return dict(self._quotes) if is_new else {}

    def quotes(self) -> dict[str, Any]:
        return dict(self._quotes)


class _NoOrders:
    heard_at: datetime | None = None

    def follow(self, adapters: Mapping[Any, Any], /) -> None: ...

    def take(self) -> Any:
        feed: Any = import_module("user_project.exchanges.order_feed")
        return feed.Notices(frozenset(), frozenset())


def _watcher(feed: _Feed) -> Any:
    tasks: Any = import_module("user_project.bots.tasks")
    watch: Any = import_module("user_project.bots.watch")
    return watch.Watcher(
        live_prices=feed,
        live_orders=_NoOrders(),
        wake=tasks.wake,
        waiting=tasks.waiting,
        reconcile=lambda: None,
        reconcile_account=lambda account: None,
        clock=lambda: datetime.now(UTC),
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
