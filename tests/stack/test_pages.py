"""A trader's day in a real browser on the whole stack: a round, and an outage."""

from __future__ import annotations

import time
from types import SimpleNamespace

import pytest
from playwright.sync_api import Page, expect

from deploy.stack import Stack
from tests.browser import CHROMIUM, NEEDED, browse
from tests.stack.outages import outage

MINUTES = 60_000
GONE = "본사에 연결하지 못하고 있습니다"


ROUND_SECONDS = 420.0
BOTS = 3
"""On different coins: one of them will rise soon enough."""
OPTIONS = {
    "budget": "300000",
    "stages": "5",
    "take_profit_percent": "0.3",
    "stage_cooldown_seconds": "2",
    "cycle_cooldown_seconds": "600",
}


def log_in(page: Page, stack: Stack) -> None:
    page.goto(f"{stack.user_url}/login/")
    page.fill("input[name=username]", stack.admin[0])
    page.fill("input[name=password]", stack.admin[1])
    page.click("main button")
    page.wait_for_selector(".tiles")


def make_bot(page: Page, stack: Stack, *, number: int) -> str:
    """Go through the wizard for the coin of that rank; return the bot's address."""
    page.goto(f"{stack.user_url}/ranking/")
    page.click(f"a.button:has-text('봇 만들기') >> nth={number}")
    page.click("summary:has-text('더 많은 설정')")
    for name, value in OPTIONS.items():
        page.fill(f"input[name={name}]", value)
    page.select_option("select[name=level]", "aggressive")
    page.click("button[value=preview]")
    while True:
        # On a lively market the price may have moved: then there is a new preview.
        page.click("button[value=create]")
        if "/bots/new/" not in page.url:
            return page.url


def has_closed(page: Page, address: str) -> bool:
    page.goto(address)
    page.wait_for_selector("#rounds")
    return "종료" in (page.locator("#rounds tbody").text_content() or "")


@pytest.mark.skipif(not CHROMIUM, reason=NEEDED)
def test_from_the_first_login_to_a_closed_round(stack: Stack) -> None:
    def walk(page: Page) -> None:
        log_in(page, stack)
        page.goto(f"{stack.user_url}/ranking/")
        page.wait_for_selector("a.button:has-text('봇 만들기')", timeout=3 * MINUTES)
        bots = [make_bot(page, stack, number=number) for number in range(BOTS)]
        expect(page.locator("#badges")).to_contain_text("실행 중")
        page.wait_for_selector("#chart[data-drawn]")

        deadline = time.monotonic() + ROUND_SECONDS
        while not any(has_closed(page, bot) for bot in bots):
            assert time.monotonic() < deadline, "no round closed"
            page.wait_for_timeout(2000)
        page.click("#diary a:has-text('모든 기록')")
        for happened in ("매수 체결", "익절", "순이익"):
            expect(page.locator("main")).to_contain_text(happened)
        page.goto(f"{stack.user_url}/profit/")
        expect(page.locator("main")).to_contain_text("▲ +")

    server = SimpleNamespace(url=stack.user_url)
    complaints = browse(server, walk, also=(stack.stream_url,), locale="ko-KR")

    assert complaints == []


@pytest.mark.skipif(not CHROMIUM, reason=NEEDED)
def test_the_banner_comes_with_the_outage_and_goes_with_it(stack: Stack) -> None:
    def walk(page: Page) -> None:
        log_in(page, stack)
        banner = page.locator("#central")
        expect(banner).not_to_contain_text(GONE, timeout=MINUTES)

        with outage(stack, side="central"):
            expect(banner).to_contain_text(GONE, timeout=2 * MINUTES)
            for path in ("/ranking/", "/orders/", "/bots/new/"):
                page.goto(stack.user_url + path)
                expect(banner).to_contain_text(GONE)
                expect(page.locator("h1")).to_be_visible()
        page.goto(stack.user_url)
        expect(banner).not_to_contain_text(GONE, timeout=3 * MINUTES)

    server = SimpleNamespace(url=stack.user_url)
    complaints = browse(server, walk, also=(stack.stream_url,), locale="ko-KR")

    assert complaints == []
