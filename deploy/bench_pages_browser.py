"""What a browser sees: a long chart drawn, an event from the database to the screen."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import quantiles
from typing import TYPE_CHECKING, Any, Final

import psycopg2  # type: ignore[import-untyped]
import requests

from deploy.bench import Figure
from deploy.bench_pages_world import PASSWORD, Pages, log_in
from deploy.bench_parts import Step
from deploy.chromium import CHROMIUM, FLAGS
from deploy.readiness import http_answers

if TYPE_CHECKING:
    from playwright.sync_api import Page

CANDLES: Final = 2000
FEW: Final = 50
DRAWS: Final = 5
STREAMS: Final = 99
EVENTS: Final = 40
POLLED: Final = 8
PAUSE_SECONDS: Final = 0.5
PATIENCE_MS: Final = 60_000
WATCH_CHART: Final = """
new MutationObserver(() => {
  const chart = document.getElementById("chart");
  if (chart?.dataset.drawn && !window.drawnAt) window.drawnAt = performance.now();
}).observe(document, { subtree: true, attributes: true, childList: true });
"""
WATCH_DIARY: Final = """
window.seenAt = {};
new MutationObserver(() => {
  const line = document.querySelector("#diary li")?.textContent ?? "";
  const mark = line.match(/bench \\d+/)?.[0];
  if (mark && !(mark in window.seenAt)) {
    requestAnimationFrame(() => { window.seenAt[mark] ??= Date.now(); });
  }
}).observe(document, { subtree: true, childList: true });
"""
INSERT: Final = (
    "INSERT INTO bots_botevent (bot_id, kind, message, message_en, data, at)"
    " VALUES (%s, 'bench', %s, %s, '{}', now())"
)


def chart_figures(step: Step, world: Pages, /) -> list[Figure]:
    """Return the milliseconds from the data's arrival to a chart of 2,000 candles."""
    if CHROMIUM is None:
        return []
    step(f"pages: a chart of {CANDLES:,} candles")
    with _browser(world) as page:
        many = sorted(_draw(page, world, CANDLES) for _ in range(DRAWS))[DRAWS // 2]
        few = sorted(_draw(page, world, FEW) for _ in range(DRAWS))[DRAWS // 2]
    return [
        Figure(
            name="chart_2000_candles_ms",
            value=many,
            unit="ms",
            baseline=f"a chart of {FEW} candles (bound: 1,000)",
            baseline_value=few,
            about="Chromium at 390x844, from the data's arrival to the drawn chart;"
            f" median of {DRAWS}",
        )
    ]


def live_figures(step: Step, world: Pages, /) -> list[Figure]:
    """Return how long an event takes from its commit to the screen, in milliseconds."""
    if CHROMIUM is None:
        return []
    for program in world.world.processes.loops[1:3]:
        world.world.supervisor.start(program)
    ready = http_answers(world.stream_url, any_status=True)
    _until(ready)
    with _streams(world):
        step(f"pages: {EVENTS} events to a page, {STREAMS} further streams open")
        told = _play(world, EVENTS, asks=False)
        step(f"pages: {POLLED} events to a page that asks by itself")
        asked = _play(world, POLLED, asks=True)
    return [
        Figure(
            name=f"event_to_pixels_p{share}_ms",
            value=quantiles(told, n=100)[share - 1],
            unit="ms",
            baseline="a page without the stream, asking every 4 s (bound: 1,000 at p95)",
            baseline_value=quantiles(asked, n=100)[share - 1],
            about=f"{EVENTS} rows committed to PostgreSQL; {STREAMS} further streams"
            " of the same owner open"
            if share == 50
            else "",
        )
        for share in (50, 95)
    ]


@contextmanager
def _browser(world: Pages, /) -> Iterator[Page]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page(viewport={"width": 390, "height": 844})
        page.set_default_timeout(PATIENCE_MS)
        page.goto(f"{world.url}/login/")
        page.fill("input[name=username]", "owner")
        page.fill("input[name=password]", PASSWORD)
        page.click("main button")
        page.wait_for_selector(".tiles")
        yield page
        browser.close()


def _draw(page: Page, world: Pages, count: int, /) -> float:
    body = json.dumps(_chart(count))
    page.route(
        "**/chart.json*",
        lambda route: route.fulfill(body=body, content_type="application/json"),
    )
    page.add_init_script(WATCH_CHART)
    page.goto(f"{world.url}/bots/{world.bots[0]}/")
    page.wait_for_selector(f"#chart[data-drawn='{count}']")
    took = page.evaluate(
        "window.drawnAt - performance.getEntriesByType('resource')"
        ".find((one) => one.name.includes('chart.json')).responseEnd"
    )
    page.unroute("**/chart.json*")
    return float(took)


def _chart(count: int, /) -> dict[str, Any]:
    candles = [
        {
            "time": 1_700_000_000 + 3600 * number,
            **{"open": 1000 + number % 50, "close": 1000 + (number + 7) % 50},
            **{"high": 1060, "low": 990, "volume": 10 + number % 9},
        }
        for number in range(count)
    ]
    lines = [
        {"kind": "stage", "label": f"{n}", "price": 990 - n, "done": n < 3}
        for n in range(1, 8)
    ]
    return {"candles": candles, "lines": lines, "marks": [], "problem": ""}


@contextmanager
def _streams(world: Pages, /) -> Iterator[None]:
    """Keep further streams of the owner open and read them."""
    session = log_in(world.url)
    answers = [
        session.get(world.stream_url, stream=True, timeout=60) for _ in range(STREAMS)
    ]
    readers = [threading.Thread(target=_drain, args=(a,), daemon=True) for a in answers]
    for reader in readers:
        reader.start()
    yield
    # Ended from the other side: closing a response that is being read would wait.
    world.world.supervisor.stop("user-stream")
    for reader in readers:
        reader.join()


def _drain(answer: requests.Response, /) -> None:
    try:
        for _ in answer.iter_content(chunk_size=None):
            pass
    except (requests.RequestException, AttributeError, OSError):
        return  # closed at the end


def _play(world: Pages, count: int, /, *, asks: bool) -> list[float]:
    with _browser(world) as page:
        if asks:
            page.route("**/stream/*", lambda route: route.abort())
        page.add_init_script(WATCH_DIARY)
        page.goto(f"{world.url}/bots/{world.bots[1]}/")
        if not asks:
            page.wait_for_selector("body[data-hears=yes]")
        connection = psycopg2.connect(world.world.env["DATABASE_URL"])
        connection.autocommit = True
        first = 5000 if asks else 1000
        times = [
            _tell(page, connection, world, first + number) for number in range(count)
        ]
        connection.close()
    return times


def _tell(page: Page, connection: Any, world: Pages, number: int, /) -> float:
    mark = f"bench {number}"  # four digits, and never one of an earlier play
    with connection.cursor() as cursor:
        cursor.execute(INSERT, (world.bots[1], mark, mark))
    committed = time.time()
    page.wait_for_selector(f"#diary li:has-text('{mark}')")
    page.wait_for_timeout(1000 * PAUSE_SECONDS)
    return float(page.evaluate(f"window.seenAt['{mark}']")) - 1000 * committed


def _until(ready: Callable[[], bool], /) -> None:
    deadline = time.monotonic() + 60
    while not ready():
        if time.monotonic() > deadline:
            raise RuntimeError("the stream's process does not answer")
        time.sleep(0.1)
