"""From a changed price to the start of the bot's work, through everything in between."""

from __future__ import annotations

import json
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import quantiles
from tempfile import TemporaryDirectory
from typing import Any, Final
from urllib.request import Request, urlopen

from deploy import bench_user_bots as bots
from deploy.bench import Figure
from deploy.bench_parts import Step
from deploy.bench_user_stamps import read
from deploy.bench_user_tick import SHARDS, empty_workers
from deploy.ports import HOST, free_ports
from deploy.readiness import Check, http_answers
from deploy.stack_options import ROOT
from deploy.supervisor import Program
from deploy.user_world import UserWorld, user_world

BOTS: Final = 10_000
RATE: Final = 300
"""Price updates a second, over all coins."""
HIT_EVERY: Final = 7
"""One in so many updates wakes a bot: about 43 a second."""
SECONDS: Final = 20
PATIENCE_SECONDS: Final = 30.0


def figures(step: Step, *, count: int = BOTS, seconds: int = SECONDS) -> list[Figure]:
    """Measure the real watcher, and one that looks once a second; a minute."""
    with TemporaryDirectory(prefix="dantaro-feed-") as directory:
        told = Path(directory) / "told"
        (port,) = free_ports(1)
        url = f"http://{HOST}:{port}"
        with (
            user_world(accounts=0, shards=SHARDS, exchange_url=url) as world,
            empty_workers(world, disarming=True) as stamps,
        ):
            feed = _feed(world, port, told)
            line = _Line(world, feed, url, told=told, stamps=stamps, seconds=seconds)
            step(f"start: {count:,} bots, {RATE} updates/s, the watcher")
            ours = line.play(world.processes.loops[0], count=count)
            step(f"start: {count:,} bots, {RATE} updates/s, a look once a second")
            naive = line.play(_poller(world.processes.loops[0]), count=count)
    return _figures(ours, naive, count)


def _feed(world: UserWorld, port: int, told: Path) -> Program:
    command = (sys.executable, "-m", "deploy.bench_user_feed", "--port", str(port))
    return Program(
        name="feed",
        command=(*command, "--file", str(told)),
        env=world.env,
        directory=ROOT,
    )


def _poller(watch: Program) -> Program:
    command = (sys.executable, "-m", "deploy.bench_user_start_run", "poll")
    return replace(watch, name="poller", command=command)


class _Line:
    """The exchange's line, and both ends of the way from it to a bot."""

    def __init__(
        self,
        world: UserWorld,
        feed: Program,
        url: str,
        *,
        told: Path,
        stamps: Path,
        seconds: int,
    ) -> None:
        self._world, self._feed, self._url, self._told = world, feed, url, told
        self._stamps, self._seconds = stamps, seconds

    def play(self, watch: Program, *, count: int) -> list[float]:
        """Return the milliseconds to the start of each bot that was crossed."""
        made = self._world.python(
            "-m", "deploy.bench_user_start_run", "make", str(count)
        )
        ids = [uuid.UUID(one) for one in json.loads(made.splitlines()[-1])]
        answers = http_answers(f"{self._url}/healthz")
        with (
            _running(self._world, self._feed, ready=answers),
            _running(self._world, watch),
        ):
            self._wait_for_listener()
            skip = len(read(self._stamps))
            prices, crossing = _script(count, updates=RATE * self._seconds)
            self._post({"prices": prices, "rate": RATE})
            at = _told_at(self._told)
            wanted = {ids[number]: at[update] for update, number in crossing.items()}
            return self._delays(wanted, skip)

    def _delays(self, wanted: Mapping[uuid.UUID, int], skip: int) -> list[float]:
        deadline = time.monotonic() + PATIENCE_SECONDS
        first: dict[uuid.UUID, int] = {}
        while first.keys() < wanted.keys():
            if time.monotonic() > deadline:
                raise RuntimeError(f"{len(wanted.keys() - first.keys())} never started")
            time.sleep(0.2)
            first = {}
            for stamp, bot_id in read(self._stamps, skip=skip):
                first.setdefault(bot_id, stamp)
        return [(first[bot_id] - at) / 1e6 for bot_id, at in wanted.items()]

    def _wait_for_listener(self) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not json.load(urlopen(f"{self._url}/healthz"))["listeners"]:
            if time.monotonic() > deadline:
                raise RuntimeError("the watcher does not listen")
            time.sleep(0.1)
        time.sleep(2)  # its first minute's prices, its first reconciliation

    def _post(self, body: Mapping[str, Any]) -> None:
        data = json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        urlopen(Request(f"{self._url}/play", data=data, headers=headers)).close()


def _script(count: int, *, updates: int) -> tuple[list[list[Any]], dict[int, int]]:
    """Return what to tell, and which update wakes the bot of which number."""
    prices: list[list[Any]] = []
    crossing: dict[int, int] = {}
    fallen = [float(bots.HIGHEST + 1)] * bots.COINS
    for update in range(updates):
        number = update // HIT_EVERY
        coin = (update * 97 + 53) % bots.COINS
        if update % HIT_EVERY == HIT_EVERY - 1 and number < count:
            crossing[update] = number
            coin = number % bots.COINS
            fallen[coin] = float(bots.price(number))
        # Always another price, which undoes no crossing and makes no further one.
        fallen[coin] = round(fallen[coin] - 0.001, 3)
        prices.append([bots.market(coin), fallen[coin]])
    return prices, crossing


def _told_at(file: Path) -> list[int]:
    return [int(line.split()[0]) for line in file.read_text().splitlines()]


@contextmanager
def _running(
    world: UserWorld, program: Program, *, ready: Check | None = None
) -> Iterator[None]:
    world.supervisor.start(program, ready=ready)
    try:
        yield
    finally:
        world.supervisor.stop(program.name)


def _figures(ours: Sequence[float], naive: Sequence[float], count: int) -> list[Figure]:
    about = (
        f"{count:,} bots, {RATE} price updates a second over a WebSocket, {len(ours)}"
        " bots crossed; told by the exchange to the first line of the bot's work, through"
        " `manage_user.py watch`, PostgreSQL, Redis and a Celery worker"
    )
    return [
        Figure(
            name=f"price_to_task_{name}_ms",
            value=percentile(ours, share),
            unit="ms",
            baseline="the same with a look once a second",
            baseline_value=percentile(naive, share),
            about=about if share == 50 else "",
        )
        for name, share in (("p50", 50), ("p99", 99))
    ]


def percentile(values: Sequence[float], share: int) -> float:
    """Return the value below which *share* percent lie."""
    return quantiles(values, n=100, method="inclusive")[share - 1]
