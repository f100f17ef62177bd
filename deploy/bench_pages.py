"""`make bench-web`: the trader's pages with a long history, beside the plainest page."""

from __future__ import annotations

import gzip
import re
import sys
import time
from collections.abc import Sequence
from statistics import quantiles
from typing import Final

from deploy import bench_parts
from deploy.bench import Figure
from deploy.bench_pages_browser import chart_figures, live_figures
from deploy.bench_pages_data import MARKETS
from deploy.bench_pages_world import BOTS, EVENTS, ORDERS, Pages, pages
from deploy.bench_parts import Step

TIMES: Final = 40
BOUND_MS: Final = 100
PATHS: Final = {
    "home": "/",
    "bot": "/bots/{bot}/",
    "chart_data": "/bots/{bot}/chart.json",
    "options": "/bots/{bot}/options/",
    "live": "/bots/{bot}/live/",
    "events": "/bots/{bot}/events/?page=50",
    "new_bot": "/bots/new/",
    "ranking": "/ranking/",
    "central": "/central/",
    "orders": "/orders/",
    "orders_last": "/orders/?page=1900",
    "orders_filtered": "/orders/?state=filled&side=ask",
    "orders_of_coin": "/orders/?market={coin}&first=2020-01-01",
    "fills": "/fills/",
    "profit": "/profit/",
    "accounts": "/accounts/",
    "notify": "/notify/",
    "look": "/look/",
    "stop": "/stop/",
    "security": "/security/",
    "password": "/password/",
}
PLAIN: Final = "/look/"


def figures(
    step: Step, *, bots: int = BOTS, orders: int = ORDERS, events: int = EVENTS
) -> list[Figure]:
    """Measure pages, weight, chart and stream in one world; three minutes."""
    with pages(step, bots=bots, orders=orders, events=events) as world:
        about = f"{bots} bots, {orders:,} orders; {TIMES} requests one after another"
        found = [*page_figures(step, world, about=about), weight_figure(world)]
        return [*found, *chart_figures(step, world), *live_figures(step, world)]


def page_figures(step: Step, world: Pages, /, *, about: str) -> list[Figure]:
    """Return p50 and p95 of each page, in milliseconds."""
    plain = _times(world, PLAIN)
    found = []
    for name, path in PATHS.items():
        step(f"pages: {name}")
        times = _times(world, path.format(bot=world.bots[0], coin=MARKETS[42]))
        for share in (50, 95):
            figure = Figure(
                name=f"page_{name}_p{share}_ms",
                value=_share(times, share),
                unit="ms",
                baseline=f"a page without rows, its p{share} (bound: {BOUND_MS} at p95)",
                baseline_value=_share(plain, share),
                about=about if (name, share) == ("home", 50) else "",
            )
            found.append(figure)
    return found


def weight_figure(world: Pages, /) -> Figure:
    """Return what home weighs with all it loads, in KiB, compressed."""
    html = world.session.get(world.url, timeout=30).content
    links = re.findall(rb'(?:src|href)="(/static/[^"]+\.(?:css|js|svg))"', html)
    files = [
        world.session.get(world.url + link.decode(), timeout=30).content
        for link in dict.fromkeys(links)
    ]
    packed = sum(len(gzip.compress(body, 6)) for body in (html, *files))
    return Figure(
        name="first_view_kib",
        value=packed / 1024,
        unit="KiB",
        baseline="the same as it is (bound: 150 compressed)",
        baseline_value=sum(map(len, (html, *files))) / 1024,
        about=f"home with {len(world.bots)} bots and {len(files)} files, gzip -6",
    )


def _times(world: Pages, path: str, /) -> list[float]:
    world.session.get(world.url + path, timeout=60).raise_for_status()
    found = []
    for _ in range(TIMES):
        start = time.perf_counter()
        world.session.get(world.url + path, timeout=60).raise_for_status()
        found.append(1000 * (time.perf_counter() - start))
    return found


def _share(times: Sequence[float], percent: int, /) -> float:
    return quantiles(times, n=100)[percent - 1]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print and keep; exit code 0."""
    return bench_parts.main(
        argv,
        parts={"pages": figures},
        module="deploy.bench_pages",
        about="Measure the trader's pages with 200 bots and 100,000 orders; about"
        " four minutes.",
        title="Trader's pages",
        file="web.json",
    )


if __name__ == "__main__":
    sys.exit(main())
