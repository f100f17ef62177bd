"""A real browser that tells on its pages."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from playwright.sync_api import Page, sync_playwright

from deploy.chromium import CHROMIUM as CHROMIUM
from deploy.chromium import FLAGS
from deploy.chromium import NEEDED as NEEDED


def browse(
    server: Any,
    walk: Callable[[Page], None],
    *,
    also: tuple[str, ...] = (),
    **context: Any,
) -> list[str]:
    """Let *walk* use a page; return what it complained about or fetched elsewhere.

    *also*: further addresses of the server's own. *context*: what playwright makes the window with, such as its size and colours.
    """
    complaints: list[str] = []

    def note_request(request: Any) -> None:
        if not request.url.startswith((server.url, *also, "data:", "blob:")):
            complaints.append(f"asked {request.url}")

    def note_message(message: Any) -> None:
        if message.type in ("error", "warning"):
            complaints.append(f"{message.type}: {message.text}")

    def work() -> None:
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            page = browser.new_context(**context).new_page()
            page.set_default_timeout(120_000)  # a busy machine is slow, not broken
            page.on("request", note_request)
            page.on("console", note_message)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            walk(page)
            browser.close()

    # In a thread of its own: Django's ORM refuses to work where an event loop runs.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(work).result()
    return complaints
