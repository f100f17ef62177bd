"""What a trader's open page shows while central is gone and when it is back."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from playwright.sync_api import Page, expect

from deploy.stack import Stack
from tests.browser import CHROMIUM, NEEDED, browse

MINUTES = 60_000
GONE = "본사에 연결하지 못하고 있습니다"


@pytest.mark.skipif(not CHROMIUM, reason=NEEDED)
def test_the_banner_comes_with_the_outage_and_goes_with_it(stack: Stack) -> None:
    def walk(page: Page) -> None:
        page.goto(f"{stack.user_url}/login/")
        page.fill("input[name=username]", stack.admin[0])
        page.fill("input[name=password]", stack.admin[1])
        page.click("main button")
        banner = page.locator("#central")
        expect(banner).not_to_contain_text(GONE, timeout=MINUTES)

        stack.stop_side("central")
        try:
            expect(banner).to_contain_text(GONE, timeout=2 * MINUTES)
            for path in ("/ranking/", "/orders/", "/bots/new/"):
                page.goto(stack.user_url + path)
                expect(banner).to_contain_text(GONE)
                expect(page.locator("h1")).to_be_visible()
        finally:
            stack.start_side("central")
        page.goto(stack.user_url)
        expect(banner).not_to_contain_text(GONE, timeout=3 * MINUTES)

    server = SimpleNamespace(url=stack.user_url)
    complaints = browse(server, walk, also=(stack.stream_url,), locale="ko-KR")

    assert complaints == []
