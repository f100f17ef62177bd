"""The API's documentation in a real browser: complete, quiet, and from this server alone."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone
from playwright.sync_api import Page

from central_project.api.models import ApiKey
from tests.browser import CHROMIUM, NEEDED, browse
from tests.central.market_world import publish_run

pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason=NEEDED),
    pytest.mark.django_db(transaction=True, serialized_rollback=True),
]


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
