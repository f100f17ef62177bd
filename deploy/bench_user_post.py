"""From a changed price to the arrival of the order at the exchange."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from urllib.request import urlopen

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from deploy.bench import Figure
from deploy.bench_parts import Step
from deploy.bench_user_start import percentile
from deploy.user_world import UserWorld, user_world

ACCOUNTS: Final = 13
SHARDS: Final = 2
RATES: Final = {1: 12, 10: 10, 50: 6}
"""Crossings a second over all accounts, and for how many seconds."""
MAIN: Final = 10
RATE_FACTOR: Final = 10
"""Limits that nobody reaches: what is measured is our way, not the exchange's limit."""
WARMING: Final = 5
WARM_MS: Final = 500
PATIENCE_SECONDS: Final = 60.0
Crossing = tuple[str, str, str]
"""A bot, its market and the price it waits for."""


def figures(
    step: Step, *, rates: Mapping[int, int] = RATES, accounts: int = ACCOUNTS
) -> list[Figure]:
    """Measure each rate of crossings; a minute and a half."""
    market = ("--rate-factor", str(RATE_FACTOR), "--seed", "5")
    extra = {"DANTARO_RATE_FACTOR": str(RATE_FACTOR), "LOG_LEVEL": "WARNING"}
    with user_world(
        accounts=accounts, shards=SHARDS, market=market, won=10**8, extra=extra
    ) as world:
        step(f"post: bots of {accounts} accounts buy what they will sell")
        needed = sum(rate * seconds for rate, seconds in rates.items())
        needed += WARMING * accounts
        crossings = _make(world, each=-(-needed // accounts))
        world.start(*(f"bots{shard}" for shard in range(SHARDS)), "reconcile")
        world.supervisor.start(world.processes.loops[0])
        step("post: warming up")
        _warm_up(world, crossings, accounts)
        found = {}
        for rate, seconds in rates.items():
            step(f"post: {rate} crossings a second")
            chosen = [crossings.pop(0) for _ in range(rate * seconds)]
            found[rate] = _cross(world, chosen, rate=rate)
    return _figures(found, accounts)


def _warm_up(world: UserWorld, crossings: list[Crossing], accounts: int) -> None:
    """Let lines open, workers connect and rules be read, until all is quick."""
    for _ in range(WARMING):
        chosen = [crossings.pop(0) for _ in range(accounts)]
        ways = _cross(world, chosen, rate=5)
        if max(one.ms for one in ways) < WARM_MS:
            return


def _make(world: UserWorld, *, each: int) -> list[Crossing]:
    """Return the crossings in an order in which the accounts take turns."""
    markets = _markets(world)[: len(world.keys)]
    wanted = {
        "accounts": [[key.access, key.secret] for key in world.keys],
        "markets": markets,
    }
    told = world.python(
        *("-m", "deploy.bench_user_post_run", "make", str(each)),
        text=json.dumps(wanted),
    )
    rows: list[Crossing] = [tuple(row) for row in json.loads(told.splitlines()[-1])]
    for key, market in zip(world.keys, markets, strict=True):
        body = {"currency": market.removeprefix("KRW-"), "amount": "1000000000"}
        world.simulator("POST", "funds", {"account": key.access, **body})
    by_account = [rows[start : start + each] for start in range(0, len(rows), each)]
    return [row for turn in zip(*by_account, strict=True) for row in turn]


def _markets(world: UserWorld) -> list[str]:
    """Return the dearest coins first: their ticks are fine enough for many prices."""
    with urlopen(f"{world.simulator_url}/v1/ticker/all?quote_currencies=KRW") as answer:
        rows = json.load(answer)
    rows.sort(key=lambda row: row["trade_price"], reverse=True)
    return [row["market"] for row in rows]


@dataclass(frozen=True, slots=True)
class Way:
    """One crossing: milliseconds until the price was told and the order had arrived."""

    told_ms: float
    ms: float


def _cross(
    world: UserWorld,
    crossings: Sequence[Crossing],
    *,
    rate: int,
) -> list[Way]:
    """Let the prices fall one by one and follow each to its order.

    Where no order came within a look the price falls again: before the lines are open
    nobody hears of it, and in a living market the next trade may lift it before a worker
    has looked. The time counts from the first fall.
    """
    fallen: dict[str, int] = {}
    with _listening(world, {market for _, market, _ in crossings}) as told:
        began = time.monotonic()
        for number, (bot, market, price) in enumerate(crossings):
            time.sleep(max(0.0, began + number / rate - time.monotonic()))
            fallen[bot] = time.time_ns() // 10**6
            _trade(world, market, price)
        arrived = _arrived(world, crossings)
    return [
        Way(
            told_ms=told.get((market, Decimal(price)), arrived[bot]) - fallen[bot],
            ms=arrived[bot] - fallen[bot],
        )
        for bot, market, price in crossings
    ]


@contextmanager
def _listening(
    world: UserWorld, markets: Collection[str]
) -> Iterator[dict[tuple[str, Decimal], int]]:
    """Note when the exchange told each price, as any listener hears it."""
    told: dict[tuple[str, Decimal], int] = {}
    url = world.simulator_url.replace("http", "ws", 1)
    with connect(f"{url}/websocket/v1") as socket:
        wanted = {"type": "ticker", "codes": sorted(markets)}
        socket.send(json.dumps([{"ticket": "bench"}, wanted, {"format": "DEFAULT"}]))

        def listen() -> None:
            with suppress(ConnectionClosed):
                for message in socket:
                    row = json.loads(message, parse_float=Decimal, parse_int=Decimal)
                    key = row["code"], Decimal(row["trade_price"])
                    told.setdefault(key, time.time_ns() // 10**6)

        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        yield told
    thread.join()


def _trade(world: UserWorld, market: str, price: str) -> None:
    body = {"market": market, "price": price, "volume": "0.00000001"}
    world.simulator("POST", "trades", body)


def _arrived(world: UserWorld, crossings: Sequence[Crossing]) -> dict[str, int]:
    wanted = {bot for bot, _, _ in crossings}
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        told = world.python("-m", "deploy.bench_user_post_run", "orders")
        bots = json.loads(told.splitlines()[-1])
        calls = world.simulator("GET", "requests?endpoint=POST%20/v1/orders")
        arrived = _first(calls, bots)
        if wanted <= arrived.keys():
            return arrived
        if time.monotonic() > deadline:
            missing = len(wanted - arrived.keys())
            raise RuntimeError(f"{missing} of {len(wanted)} orders never arrived")
        for bot, market, price in crossings:
            if bot not in arrived:
                _trade(world, market, price)


def _first(calls: Sequence[Any], bots: Mapping[str, str]) -> dict[str, int]:
    arrived: dict[str, int] = {}
    for call in calls:
        if call["identifier"] in bots:
            arrived.setdefault(bots[call["identifier"]], call["at_ms"])
    return arrived


def _figures(found: Mapping[int, Sequence[Way]], accounts: int) -> list[Figure]:
    main = MAIN if MAIN in found else max(found)
    about = (
        f"{accounts} accounts, {SHARDS} shards; a trade at the exchange, its ticker over"
        " the WebSocket, the watcher, Redis, a worker, the whole order path, to the"
        " arrival of the POST in the simulator's log. The simulator tells prices in"
        " rounds of 50 ms, which is the baseline's share"
    )
    wanted = [("p99", 99, main, "")]
    for rate in found:
        wanted += [("p50", 50, rate, f"_{rate}"), ("p99", 99, rate, f"_{rate}")]
    return [
        Figure(
            name=f"price_to_post_{name}_ms{suffix}",
            value=percentile([way.ms for way in found[rate]], share),
            unit="ms",
            baseline="until the exchange tells the price",
            baseline_value=percentile([way.told_ms for way in found[rate]], share),
            about=f"{rate} crossings/s, {len(found[rate])} in all"
            + ("" if suffix else f"; {about}"),
        )
        for name, share, rate, suffix in wanted
    ]
