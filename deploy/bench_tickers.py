"""How long the server works on one answer to GET /v1/ticker/all."""

from __future__ import annotations

import contextlib
import json
import time
from statistics import median, quantiles
from typing import NamedTuple

from deploy.simulator.__main__ import command_line
from deploy.simulator.assembly import build_house
from deploy.simulator.rest.quotation import ticker_all_bytes


class Answers(NamedTuple):
    """Milliseconds for the answer to one call."""

    median: float
    p99: float
    encoding: float
    """Median of turning the same values into JSON and doing nothing else."""
    size: int
    """Bytes."""


def ticker_all(*, markets: int, calls: int) -> Answers:
    """Measure warmed answers, each for another instant of a lively market."""
    options = command_line().parse_args(
        ["--port", "1", "--seed", "1", "--speed", "60", "--markets", str(markets)]
    )
    with contextlib.ExitStack() as stack:
        house = build_house(options, stack)
        start = house.now_ms()
        rows = json.loads(ticker_all_bytes(house))
        assert len(rows) == markets
        seconds, body = [], b""
        for number in range(calls):
            # A tenth of a second later each time: something has traded everywhere.
            now = start + 100 * number
            house.now_ms = lambda now=now: now  # type: ignore[misc]
            before = time.process_time()
            body = ticker_all_bytes(house)
            seconds.append(time.process_time() - before)
    return Answers(
        median=1000 * median(seconds),
        p99=1000 * quantiles(seconds, n=100)[98],
        encoding=1000 * _encoding(rows, calls),
        size=len(body),
    )


def _encoding(rows: object, calls: int) -> float:
    taken = []
    for _ in range(calls):
        before = time.process_time()
        json.dumps(rows).encode()
        taken.append(time.process_time() - before)
    return median(taken)
