"""The API's documentation in a real browser: complete, quiet, and from this server alone."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page, sync_playwright

from central_project.api.models import ApiKey
from tests.central.market_world import publish_run

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason="needs chromium: apt install chromium"),
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]


def browse(server: Any, walk: Callable[[Page], None]) -> list[str]:
    """Let *walk* use a page; return what it complained about or fetched elsewhere."""
    complaints: list[str] = []

    def note_request(request: Any) -> None:
        if not request.url.startswith((server.url, "data:", "blob:")):
            complaints.append(f"asked {request.url}")

    def note_message(message: Any) -> None:
        if message.type in ("error", "warning"):
            complaints.append(f"{message.type}: {message.text}")

    def work() -> None:
        with sync_playwright() as play:
            browser = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
            page = browser.new_page()
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


def test_swagger_authorizes_and_tries_a_call(live_server: Any) -> None:
    run = publish_run(now=timezone.now())
    _, key = ApiKey.objects.issue(name="docs")
    shown: list[str] = []

    def walk(page: Page) -> None:
        page.goto(f"{live_server.url}/api/docs")
        page.click(".btn.authorize")
        page.fill(".auth-container input", key)
        page.click(".auth-btn-wrapper .authorize")
        page.click(".auth-btn-wrapper .btn-done")
        call = page.locator("#operations-v1-market_status")
        call.locator(".opblock-summary").click()
        call.locator(".try-out__btn").click()
        call.locator(".execute").click()
        shown.append(call.locator(".live-responses-table tbody").first.inner_text())

    assert browse(live_server, walk) == []
    assert run.run_id in shown[0]


def test_redoc_shows_every_call(live_server: Any) -> None:
    shown: list[str] = []

    def walk(page: Page) -> None:
        page.goto(f"{live_server.url}/api/redoc")
        page.wait_for_selector("text=support-levels")
        page.wait_for_load_state("networkidle")
        shown.append(page.inner_text("body"))

    assert browse(live_server, walk) == []
    for address in ("recommendations", "support-levels", "market-status", "candles"):
        assert f"/api/v1/{address}" in shown[0]
