"""`make bench-simulator`: how fast the local exchange is, beside what it could be at best."""

from __future__ import annotations

import os
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Final
from urllib.request import urlopen

from rich.progress import Progress

from deploy import bench_clients, bench_engine, bench_http, bench_tickers
from deploy.bench import Figure, as_text, keep, show
from deploy.bench_http import Cores, Server
from deploy.stack_options import RUN

ROUNDS: Final = 3
"""The median counts; other work on the machine disturbs single rounds."""
MARKETS: Final = 250
Bar = Callable[[str], None]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print and keep; exit code 0."""
    options = _parser().parse_args(argv)
    # A bar only for eyes; with --json the output is for a program.
    with Progress(disable=options.json or not sys.stdout.isatty()) as progress:
        task = progress.add_task("", total=_STEPS)

        def step(doing: str) -> None:
            progress.update(task, description=doing)
            progress.advance(task)

        figures = _figures(options.scale, step)
    keep(figures, file=options.directory / "simulator.json")
    if options.json:
        print(as_text(figures), end="")
    else:
        show(figures, title="Simulator")
    return 0


_STEPS: Final = 6


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        prog="python -m deploy.bench_simulator",
        description="Measure the simulator beside its baselines; about two minutes.",
    )
    add = parser.add_argument
    add("--scale", type=float, default=1.0, help="share of the usual counts")
    add("--json", action="store_true", help="print the figures as JSON only")
    add(
        "--directory",
        type=Path,
        default=RUN / "bench",
        help="where simulator.json is written",
    )
    return parser


def _figures(scale: float, step: Bar) -> list[Figure]:
    def some(count: int) -> int:
        return max(2, int(count * scale))

    step("engine")
    figures = [_engine(some(10_000))]
    step(f"ticker/all of {MARKETS} markets")
    figures += _tickers(some(500))
    cores = bench_http.two_cores()
    os.sched_setaffinity(0, {cores.client})
    figures += _http(some, cores, step)
    return figures


def _engine(orders: int) -> Figure:
    floats = max(bench_engine.float_books_per_s(orders=orders) for _ in range(ROUNDS))
    lives = [bench_engine.engine_orders_per_s(orders=orders) for _ in range(ROUNDS)]
    return Figure(
        name="engine_orders_per_s",
        value=median(lives),
        unit="order lives/s",
        baseline="float_books_per_s",
        baseline_value=floats,
        about=f"{bench_engine.LIFE}; per second of one core's work. Baseline: floats in"
        " a dict, without any rule.",
    )


def _tickers(calls: int) -> list[Figure]:
    found = bench_tickers.ticker_all(markets=MARKETS, calls=calls)
    return [
        Figure(
            name=name,
            value=value,
            unit="ms",
            baseline="json_dumps_ms",
            baseline_value=found.encoding,
            about=about,
        )
        for name, value, about in (
            (
                "ticker_all_ms",
                found.median,
                f"CPU time of one GET /v1/ticker/all, {MARKETS} markets,"
                f" {found.size} bytes, warmed; each call a tenth of a second later, on a"
                " market 60 times as fast as the real one",
            ),
            ("ticker_all_p99_ms", found.p99, ""),
        )
    ]


def _http(some: Callable[[int], int], cores: Cores, step: Bar) -> list[Figure]:
    lives = some(1000)
    step("HTTP: a server that only answers")
    with bench_http.still_server(core=cores.server) as still:
        floor = _median(still, lives)
    step("HTTP: the simulator warms up")
    with bench_http.simulator(core=cores.server) as server:
        _settle(server)
        step("HTTP: orders")
        ours = _median(server, lives)
        step("clients: upbit-sdk and ccxt")
        sdk = bench_clients.upbit_sdk_ms(server, lives=some(200))
        ccxt = bench_clients.ccxt_ms(server, lives=some(200))
    return [
        *_http_figures(ours, floor, pinned=cores.server != cores.client),
        *(
            Figure(
                name=f"{name}_order_cpu_ms",
                value=value,
                unit="client CPU ms/order life",
                baseline="prepared_calls_cpu_ms",
                baseline_value=ours.client_ms,
                about=about,
            )
            for name, value, about in (
                ("upbit_sdk", sdk, "the client's own cost of the same three calls"),
                ("ccxt", ccxt, "the same, by uuid"),
            )
        ),
    ]


def _http_figures(
    ours: bench_http.Measured, floor: bench_http.Measured, *, pinned: bool
) -> list[Figure]:
    where = "server and client on a core each" if pinned else "all on one core"
    return [
        Figure(
            name="http_orders_per_s",
            value=ours.per_second,
            unit="order lives/s",
            baseline="http_floor_orders_per_s",
            baseline_value=floor.per_second,
            about=f"{bench_http.LIFE}; {bench_http.CONNECTIONS} kept connections, {where}."
            " Baseline: the same calls to a server that answers a constant"
            f" ({3 * floor.per_second:,.0f} requests/s).",
        ),
        Figure(
            name="http_order_server_cpu_ms",
            value=ours.server_ms,
            unit="server CPU ms/order life",
            baseline="http_floor_server_cpu_ms",
            baseline_value=floor.server_ms,
            about="what other work on the machine does not change",
        ),
    ]


def _median(server: Server, lives: int) -> bench_http.Measured:
    rounds = [bench_http.measure(server, lives=lives) for _ in range(ROUNDS)]
    return sorted(rounds)[ROUNDS // 2]


def _settle(server: Server) -> None:
    """Let the server look through its markets' history, and wait until it rests."""
    with urlopen(f"{server.url}/v1/ticker/all?quote_currencies=KRW") as answer:
        answer.read()
    deadline = time.monotonic() + 60
    before, busy = server.cpu_seconds(), True
    while busy and time.monotonic() < deadline:
        time.sleep(1)
        now = server.cpu_seconds()
        before, busy = now, now - before > 0.03


if __name__ == "__main__":
    sys.exit(main())
