"""Open pages of a real user server: told at once, and what they show in an outage.

One world serves all tests; they run in this order.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from playwright.sync_api import Page, expect

from deploy.readiness import http_answers
from deploy.user_world import UserWorld, user_world
from tests.browser import CHROMIUM, NEEDED, browse

pytestmark = pytest.mark.skipif(not CHROMIUM, reason=NEEDED)
PASSWORD = "correct horse battery"
PATIENCE = 60.0
OWNER = f"""
import django; django.setup()
from django.contrib.auth import get_user_model
owner = get_user_model().objects.get(username="owner")
owner.set_password({PASSWORD!r}); owner.save()
"""
HAPPEN = """
import sys, django; django.setup()
from user_project.bots.models import Bot, BotEvent
BotEvent.objects.create(bot=Bot.objects.get(pk=sys.argv[1]), kind="test", message=sys.argv[2])
"""
HOLD = """
import sys, django; django.setup()
from tests.user.factories import make_cycle
from user_project.bots.models import Bot
make_cycle(Bot.objects.get(pk=sys.argv[1]))
"""
COUNT = """
window.heard = 0;
document.addEventListener("dantaro:changed", () => { window.heard += 1; });
"""


class House:
    """A world with pages, its one bot, and a browser's way in."""

    def __init__(self, world: UserWorld, bot: str) -> None:
        self.world, self.bot = world, bot
        self.url = world.env["STREAM_ORIGINS"]
        self.stream = world.env["STREAM_URL"].removesuffix("/stream/")

    def happen(self, message: str) -> None:
        """Let something be written into the bot's diary by another process."""
        self.world.python("-c", HAPPEN, self.bot, message)

    def look(self, walk: Callable[[Page], None]) -> list[str]:
        """Log in, walk, return what the browser complained about."""

        def through(page: Page) -> None:
            page.goto(f"{self.url}/login/")
            page.fill("input[name=username]", "owner")
            page.fill("input[name=password]", PASSWORD)
            page.click("main button")
            page.goto(f"{self.url}/bots/{self.bot}/")
            walk(page)

        server = SimpleNamespace(url=self.url)
        return browse(server, through, also=(self.stream,), locale="ko-KR")


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    with user_world(accounts=1, market=("--markets", "3", "--seed", "3")) as world:
        keys = [[key.access, key.secret] for key in world.keys]
        bot = {"account": 0, "budget": 1_000_000, "market": "KRW-BTC"}
        quiet = {**bot, "state": "paused", "next_tick_at": None}
        told = world.seed({"accounts": keys, "levels": {}, "bots": [quiet]})
        world.python("-c", OWNER)
        house = House(world, told["bots"][0])
        processes = world.processes
        web = http_answers(f"{house.url}/healthz", any_status=True)
        world.supervisor.start(processes.web, ready=web)
        for loop in processes.loops[:2]:
            world.supervisor.start(loop)
        stream = http_answers(house.stream, any_status=True)
        world.supervisor.start(processes.loops[2], ready=stream)
        yield house


def test_what_happens_and_the_price_appear_at_once(house: House) -> None:
    def walk(page: Page) -> None:
        page.evaluate(COUNT)
        until_open(page)
        house.happen("방금 일어난 일")
        expect(page.locator("#diary")).to_contain_text("방금 일어난 일")
        assert page.evaluate("window.heard") == 1

        price = page.locator("#live [data-figure=price]")
        before = price.text_content() or ""
        expect(price).not_to_have_text(before, timeout=PATIENCE * 1000)
        assert page.evaluate("window.heard") == 1  # told by the stream, not asked for
        change = page.locator("#live [data-figure=day_change]")
        text = change.text_content() or ""
        tone = {"▲": "up", "▼": "down"}.get(text[:1], "even")
        assert re.fullmatch(r"(▲ \+|▼ -)?\d+\.\d\d%", text)
        assert tone in (change.get_attribute("class") or "").split()

    assert house.look(walk) == []


def test_a_stream_cut_off_is_said_and_made_good(house: House) -> None:
    def walk(page: Page) -> None:
        until_open(page)
        house.world.supervisor.kill("user-stream")
        expect(page.locator("#offline")).to_be_visible()
        house.happen("끊긴 사이의 일")
        expect(page.locator("#diary")).to_contain_text("끊긴 사이의 일")
        expect(page.locator("#offline")).to_be_hidden()
        until_open(page)

    complaints = house.look(walk)

    assert [line for line in complaints if "ERR_" not in line] == []


def test_without_redis_pages_answer_and_say_so(house: House) -> None:
    def walk(page: Page) -> None:
        until_open(page)
        house.world.supervisor.stop("valkey")
        try:
            expect(page.locator("#offline")).to_be_visible()
            page.goto(f"{house.url}/bots/{house.bot}/")
            expect(page.locator("#stages")).to_be_visible()
            house.happen("Redis 없이 일어난 일")
            expect(page.locator("#diary")).to_contain_text("Redis 없이 일어난 일")
        finally:
            restart_redis(house)
        page.goto(f"{house.url}/bots/{house.bot}/")
        until_open(page)
        house.happen("다시 실시간")
        expect(page.locator("#diary")).to_contain_text("다시 실시간")

    complaints = house.look(walk)

    assert [line for line in complaints if "503" not in line] == []


def test_the_sums_on_home_and_its_title_follow_the_price(house: House) -> None:
    house.world.python("-c", HOLD, house.bot)

    def walk(page: Page) -> None:
        never = {"name": "dantaro_renew", "value": "off", "url": house.url}
        page.context.add_cookies([never])  # the page asks for nothing by itself
        page.goto(f"{house.url}/")
        until_open(page)
        profit = page.locator("[data-figures=totals-paper] [data-figure=unrealised]")
        before = profit.text_content() or ""
        title = page.title()
        assert title.startswith(before)
        expect(profit).not_to_have_text(before, timeout=PATIENCE * 1000)
        expect(page).not_to_have_title(title)

    assert house.look(walk) == []


def until_open(page: Page) -> None:
    """Wait until the page hears the stream."""
    page.wait_for_selector("body[data-hears=yes]")


def restart_redis(house: House) -> None:
    house.world.supervisor.start(house.world.valkey)
    deadline = time.monotonic() + PATIENCE
    while not _streams(house):
        assert time.monotonic() < deadline, "the stream does not come back"
        time.sleep(0.2)


def _streams(house: House) -> Any:
    session = requests.Session()
    return session.get(f"{house.stream}/stream/", timeout=5).status_code == 401
