"""The trader's pages in a real browser: two sizes, light and dark, and one whole story."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import caches
from django.db import connections
from django.utils import timezone
from playwright.sync_api import Page, expect

from tests.browser import CHROMIUM, NEEDED, browse
from tests.user.factories import (
    PASSWORD,
    frozen_plan,
    make_account,
    make_snapshot,
    make_story,
    make_user,
)
from tests.user.test_web_chart import Candled
from user_project.accounts import services as account_services
from user_project.bots import chart as charts
from user_project.bots import prices, quotes, services
from user_project.bots.models import Bot
from user_project.trading.orders import PriceQuote

pytestmark = [
    pytest.mark.skipif(not CHROMIUM, reason=NEEDED),
    pytest.mark.django_db(transaction=True),
]
AXE = Path(__file__).parents[1] / "vendor" / "axe-4.14.1.js"
PHONE, DESK = {"width": 390, "height": 844}, {"width": 1280, "height": 800}
PAGES = (
    *("/", "/ranking/", "/central/", "/orders/", "/fills/", "/profit/"),
    *("/accounts/", "/stop/", "/bots/new/", "/look/", "/notify/"),
    *("/security/", "/password/"),
)
SERIOUS = """async () => {
  const found = await axe.run(document, { runOnly: ["wcag2a", "wcag2aa"] });
  return found.violations
    .filter((one) => ["serious", "critical"].includes(one.impact))
    .map((one) => `${one.id}: ${one.nodes.map((node) => node.html).join(" | ")}`);
}"""


NARROW = 360
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
SMALL = """() => {
  const targets = "button, input:not([type=hidden]), select, summary, a.button,"
    + " .top nav a, .tabs a, .choices label, .legend label";
  return [...document.querySelectorAll(targets)]
    .filter((one) => one.checkVisibility() && !one.matches("[type=checkbox], [type=radio]"))
    .filter((one) => one.getBoundingClientRect().height < 43.5)
    .map((one) => `${one.outerHTML.slice(0, 80)} ${one.getBoundingClientRect().height}`);
}"""
"""Targets that a thumb misses; links in running text are none."""


COME_BACK = "document.dispatchEvent(new Event('visibilitychange'))"
"""An owner who returns to the tab sees it renewed at once."""


@pytest.fixture
def bot(db: None, monkeypatch: pytest.MonkeyPatch) -> Bot:
    """Alice's running bot, which holds its first stage."""
    for cache in caches.all():
        cache.clear()
    exchange = Candled(now=timezone.now())
    for module in (charts, quotes, services):
        monkeypatch.setattr(module, "adapter_for", lambda *, account: exchange)
    monkeypatch.setattr(account_services, "_build", lambda **_: exchange)
    quote = PriceQuote(
        market="KRW-BTC", price=Decimal(101_000_000), received_at=timezone.now()
    )
    monkeypatch.setattr(prices, "shared", lambda *, host, market: quote)
    monkeypatch.setattr(prices, "all_shared", lambda *, host: {"KRW-BTC": quote})
    owner = make_user("alice", password=PASSWORD)
    make_snapshot(timezone.now())
    account = make_account(owner, reconciled_at=timezone.now())
    return make_story(owner, account=account)


def _log_in(page: Page, url: str) -> None:
    page.goto(f"{url}/login/")
    page.fill("input[name=username]", "alice")
    page.fill("input[name=password]", PASSWORD)
    page.click("main button")
    page.wait_for_selector(".tiles")


@pytest.mark.parametrize(
    ("language", "colours"),
    [("ko-KR", "light"), ("ko-KR", "dark"), ("en-US", "dark")],
)
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
def test_every_page_fits_is_quiet_and_can_be_used_by_everybody(
    live_server: Any, bot: Bot, size: dict[str, int], language: str, colours: str
) -> None:
    wrong: list[str] = []
    of_bot = f"/bots/{bot.pk}/"

    def walk(page: Page) -> None:
        page.goto(f"{live_server.url}/login/")
        wrong.extend(_faults(page, size))
        _log_in(page, live_server.url)
        own = ("", "options/", "events/", "live/")
        for path in (*PAGES, *(of_bot + name for name in own)):
            page.goto(live_server.url + path)
            if path == of_bot:
                page.wait_for_selector("#chart[data-drawn='3']")
            wrong.extend(_faults(page, size))
        page.goto(f"{live_server.url}/bots/new/?market=KRW-BTC")
        page.fill("input[name=budget]", "700000")
        page.click("button[value=preview]")
        page.wait_for_selector("button[value=create]")
        wrong.extend(_faults(page, size))

    complaints = browse(
        live_server, walk, viewport=size, color_scheme=colours, locale=language
    )

    assert complaints == []
    assert wrong == []


def _faults(page: Page, size: dict[str, int]) -> list[str]:
    """Return what does not fit on *page*, is too small, or shuts somebody out."""
    found = []
    for width in (NARROW, size["width"]) if size == PHONE else (size["width"],):
        page.set_viewport_size({**size, "width": width})
        wide = page.evaluate(TOO_WIDE)
        if wide > 0:
            found.append(f"{wide} px too wide at {width} px")
    if size == PHONE:
        found += [f"small: {one}" for one in page.evaluate(SMALL)]
    # By the debugger: the page's own policy lets no such script in.
    page.evaluate(AXE.read_text(encoding="utf-8"))
    return [f"{page.url} {fault}" for fault in found + page.evaluate(SERIOUS)]


def test_from_login_to_a_stopped_bot(live_server: Any, bot: Bot) -> None:
    """Preview, create, look at the chart, skip a stage, stop everything."""

    def walk(page: Page) -> None:
        _log_in(page, live_server.url)
        page.goto(f"{live_server.url}/ranking/")
        page.click("a.button:has-text('봇 만들기')")
        page.fill("input[name=budget]", "700000")
        page.click("button[value=preview]")
        expect(page.locator("main")).to_contain_text(
            "아직 아무것도 주문하지 않았습니다"
        )
        page.click("button[value=create]")
        page.wait_for_selector("#chart[data-drawn='3']")
        expect(page.locator(".badge.running")).to_be_visible()

        page.goto(f"{live_server.url}/bots/{bot.pk}/")
        page.wait_for_selector("#chart[data-drawn='3']")
        page.click("summary:has-text('직접 하기')")
        page.fill("input[name=stage]", "3")
        page.click("button:has-text('건너뛰기')")
        expect(page.locator(".message.success")).to_contain_text("3차를 건너뜁니다")

        page.click("a:has-text('비상 정지')")
        expect(page.locator("main")).to_contain_text("아직 아무것도 바꾸지 않았습니다")
        page.fill("input[name=word]", "정지")
        page.fill("input[name=password]", PASSWORD)
        page.click("button:has-text('모두 팔고 정지')")
        expect(page.locator("h1")).to_contain_text("비상 정지 결과")

    assert browse(live_server, walk, viewport=PHONE, locale="ko-KR") == []

    states = set(Bot.objects.values_list("state", flat=True))
    assert states <= {"finishing", "paused", "stopped"}


def test_an_open_page_renews_its_numbers_by_itself(live_server: Any, bot: Bot) -> None:
    def happen() -> None:
        bot.events.create(kind="test", message="방금 일어난 일")
        connections.close_all()

    def walk(page: Page) -> None:
        _log_in(page, live_server.url)
        page.goto(f"{live_server.url}/bots/{bot.pk}/")
        page.click("summary:has-text('직접 하기')")
        page.fill("input[name=amount]", "12345")
        with ThreadPoolExecutor(1) as elsewhere:
            elsewhere.submit(happen).result()
        page.wait_for_selector("#diary:has-text('방금 일어난 일')")
        assert page.input_value("input[name=amount]") == "12345"

    assert browse(live_server, walk, locale="ko-KR") == []


def test_a_change_during_a_renewal_is_renewed_after_it(
    live_server: Any, bot: Bot
) -> None:
    asked: list[str] = []

    def walk(page: Page) -> None:
        _log_in(page, live_server.url)
        page.goto(f"{live_server.url}/bots/{bot.pk}/")
        page.on("request", lambda request: asked.append(request.url))
        address = page.url
        page.evaluate(f"{COME_BACK}; {COME_BACK}")
        page.wait_for_function(
            """(url) => performance.getEntriesByName(url, "resource").length >= 2""",
            arg=address,
        )
        assert asked.count(address) == 2

    assert browse(live_server, walk, locale="ko-KR") == []


def test_a_renewal_leaves_what_was_typed_and_unfolded(
    live_server: Any, bot: Bot
) -> None:
    stages = [
        {"stage": n, "price": str(100_000_000 - n * 1_000_000), "amount": "100000"}
        for n in range(1, 8)
    ]
    cycle = bot.cycles.get()
    cycle.plan = frozen_plan(stages=stages)
    cycle.save()

    def walk(page: Page) -> None:
        _log_in(page, live_server.url)
        page.goto(f"{live_server.url}/bots/{bot.pk}/")
        page.click("summary:has-text('직접 하기')")
        page.fill("input[name=amount]", "12345")
        page.click("summary:has-text('더 아래 차수')")
        page.click("#stages h2")
        page.evaluate("document.querySelector('#far-stages').old = true")
        page.evaluate(COME_BACK)
        page.wait_for_function("() => !document.querySelector('#far-stages').old")
        assert page.input_value("input[name=amount]") == "12345"
        assert page.locator("#far-stages").get_attribute("open") is not None

    assert browse(live_server, walk, locale="ko-KR") == []


def test_a_double_click_sends_a_form_once(live_server: Any, bot: Bot) -> None:
    def walk(page: Page) -> None:
        _log_in(page, live_server.url)
        page.goto(f"{live_server.url}/bots/{bot.pk}/")
        page.click("summary:has-text('직접 하기')")
        page.dblclick("button:has-text('설정 복제')")
        expect(page.locator(".message.success")).to_be_visible()

    assert browse(live_server, walk, locale="ko-KR") == []
    assert Bot.objects.filter(owner=bot.owner).count() == 2


@pytest.mark.parametrize(
    ("chosen", "pages", "charts"),
    [("auto", {9, 16}, {13}), ("15", {3, 4}, {4}), ("60", {1}, {1}), ("off", {0}, {0})],
)
def test_an_open_page_asks_as_often_as_the_owner_chose(
    live_server: Any, bot: Bot, chosen: str, pages: set[int], charts: set[int]
) -> None:
    """A little more than a minute of a page and of its chart, without the stream."""
    asked: list[str] = []

    def note(request: Any) -> None:
        drawn = "chart.json" in request.url
        if drawn or request.headers.get("hx-target") == "live":
            asked.append("chart" if drawn else "page")

    def walk(page: Page) -> None:
        _log_in(page, live_server.url)
        page.goto(f"{live_server.url}/look/")
        page.select_option("select[name=renew]", chosen)
        page.click("main form button")
        page.clock.install()
        page.goto(f"{live_server.url}/bots/{bot.pk}/")
        page.wait_for_selector("#chart[data-drawn='3']")
        page.on("request", note)
        for _ in range(66):
            page.clock.run_for(1000)
            while page.locator(".htmx-request").count():
                page.wait_for_timeout(10)

    assert browse(live_server, walk, locale="ko-KR") == []
    assert min(pages) <= asked.count("page") <= max(pages)
    assert min(charts) <= asked.count("chart") <= max(charts)


def test_the_exchanges_state_is_read_out_only_when_it_changes(
    live_server: Any, bot: Bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = prices.all_shared(host="")

    def walk(page: Page) -> None:
        _log_in(page, live_server.url)
        state = page.locator(".exchange")
        expect(state).to_contain_text("연결: 정상")
        for path in ("/", "/orders/"):  # renewed with the page's own part, and alone
            monkeypatch.setattr(prices, "all_shared", lambda *, host: known)
            page.goto(live_server.url + path)
            with page.expect_response("**"):
                page.evaluate(COME_BACK)
            page.wait_for_timeout(1500)  # one beat of its clock
            expect(page.locator("#said")).to_have_text("")
            monkeypatch.setattr(prices, "all_shared", lambda *, host: {})
            page.evaluate(COME_BACK)
            expect(state).to_contain_text("연결: 확인 안 됨")
            expect(page.locator("#said")).to_contain_text("연결: 확인 안 됨")

    assert browse(live_server, walk, locale="ko-KR") == []


def test_the_phones_clock_may_be_wrong(live_server: Any, bot: Bot) -> None:
    def walk(page: Page) -> None:
        page.clock.set_system_time("2020-01-01T00:00:00Z")
        _log_in(page, live_server.url)
        page.goto(f"{live_server.url}/bots/{bot.pk}/")
        age = page.locator("#live [data-at]").first
        expect(age).to_contain_text("초 전")
        expect(page.locator("#live .old")).to_have_count(0)

    assert browse(live_server, walk, locale="ko-KR") == []


def test_an_expired_session_leads_to_the_login_and_back(
    live_server: Any, bot: Bot
) -> None:
    def walk(page: Page) -> None:
        _log_in(page, live_server.url)
        page.goto(f"{live_server.url}/bots/new/")
        page.fill("input[name=budget]", "700000")
        page.context.clear_cookies(name="dantaro_user_session")
        page.click("button[value=preview]")
        expect(page.locator("h1")).to_contain_text("로그인")
        page.fill("input[name=username]", "alice")
        page.fill("input[name=password]", PASSWORD)
        page.click("main button")
        expect(page.locator("h1")).to_contain_text("새 봇")

    assert browse(live_server, walk, locale="ko-KR") == []
    assert Bot.objects.count() == 1


def test_two_tabs_stop_one_bot(live_server: Any, bot: Bot) -> None:
    def walk(page: Page) -> None:
        _log_in(page, live_server.url)
        other = page.context.new_page()
        for tab in (page, other):
            tab.goto(f"{live_server.url}/bots/{bot.pk}/")
        page.click("#actions button.stop")
        expect(page.locator(".message.success")).to_contain_text("정지했습니다")
        other.click("#actions button.stop")
        expect(other.locator(".message")).to_be_visible()

    assert browse(live_server, walk, locale="ko-KR") == []
    bot.refresh_from_db()
    assert bot.state == "stopped"
