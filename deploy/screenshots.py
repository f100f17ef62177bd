"""`make screenshots`: the demo, then a picture of every page in every dress.

All of them land in .run/screenshots; those that the documents show in docs/images too.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.progress import track

from deploy.choices import InvalidChoice, common_choices
from deploy.chromium import CHROMIUM, FLAGS, NEEDED
from deploy.launcher import announce, run_stack
from deploy.runs import fresh_demo_directory
from deploy.stack import Stack
from deploy.stack_options import ROOT, RUN, StackOptions
from deploy.story import play
from deploy.story_clients import UserApi

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

SIZES: Final = {"phone": (390, 844), "desk": (1280, 800)}
THEMES: Final = ("light", "dark")
LANGUAGES: Final = ("ko", "en")
PAGES: Final = {
    "home": "/",
    "ranking": "/ranking/",
    "central": "/central/",
    "orders": "/orders/",
    "fills": "/fills/",
    "profit": "/profit/",
    "accounts": "/accounts/",
    "notify": "/notify/",
    "look": "/look/",
    "security": "/security/",
    "new-bot": "/bots/new/",
    "stop": "/stop/",
}
SHOWN: Final = {
    *("home-phone-dark-ko", "bot-phone-light-ko", "preview-phone-light-ko"),
    *("bot-desk-dark-en", "ranking-desk-light-en"),
}
"""Those in the README and the guides."""
FIRST_VIEW: Final = ".first"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dress:
    """How one round through the pages looks."""

    size: str
    theme: str
    language: str

    def name(self, page: str, /) -> str:
        """Return the file name of a page in this dress, without its ending."""
        return f"{page}-{self.size}-{self.theme}-{self.language}"


def main() -> int:
    """Play the demo, take the pictures; 0 only if both came to their end."""
    if CHROMIUM is None:
        print(f"screenshots: {NEEDED}", file=sys.stderr)
        return 2
    try:
        changes = common_choices(os.environ)
    except InvalidChoice as problem:
        print(f"screenshots: {problem}", file=sys.stderr)
        return 2
    directory = fresh_demo_directory(RUN, now=datetime.now().astimezone())
    options = StackOptions.lively(directory=directory, mode="demo", **changes)
    return run_stack(options, work=_work)


def _work(stack: Stack) -> int:
    if not play(stack):
        return 1
    target = RUN / "screenshots"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    number = _shoot(stack, target)
    shown = ROOT / "docs" / "images"
    shown.mkdir(exist_ok=True)
    for name in SHOWN:
        shutil.copy(target / f"{name}{FIRST_VIEW}.png", shown / f"{name}.png")
    announce(f"{number} pictures in {target}, {len(SHOWN)} of them in {shown}")
    return 0


def _shoot(stack: Stack, target: Path, /) -> int:
    from playwright.sync_api import sync_playwright

    bot = _busiest(UserApi(url=stack.user_url, login=stack.admin))
    with sync_playwright() as play_:
        browser = play_.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        for dress in track(list(_dresses()), description="pictures"):
            _walk(browser, stack, dress, bot, target)
        browser.close()
    return len(list(target.iterdir()))


def _busiest(user: UserApi, /) -> str:
    """Return a bot that holds something: there is more to see."""
    held = {
        bot["id"]: sum(
            float(cycle["volume"]) > 0 for cycle in user.all(f"bots/{bot['id']}/cycles")
        )
        for bot in user.all("bots")
    }
    return str(max(held, key=lambda bot: held[bot]))


def _dresses() -> Iterator[Dress]:
    for size in SIZES:
        for theme in THEMES:
            for language in LANGUAGES:
                yield Dress(size=size, theme=theme, language=language)


def _walk(
    browser: Browser, stack: Stack, dress: Dress, bot: str, target: Path, /
) -> None:
    width, height = SIZES[dress.size]
    page = browser.new_page(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dress.theme == "dark" else "light",
        locale={"ko": "ko-KR", "en": "en-US"}[dress.language],
    )
    page.goto(f"{stack.user_url}/login/")
    _take(page, target, dress.name("login"))
    page.fill("input[name=username]", stack.admin[0])
    page.fill("input[name=password]", stack.admin[1])
    page.click("main button")
    page.wait_for_selector(".tiles")
    for name, path in PAGES.items():
        page.goto(stack.user_url + path)
        _take(page, target, dress.name(name))
    page.goto(f"{stack.user_url}/bots/new/")
    page.click("button[value=preview]")
    _take(page, target, dress.name("preview"))
    page.goto(f"{stack.user_url}/bots/{bot}/")
    page.wait_for_selector("#chart[data-drawn]")
    _take(page, target, dress.name("bot"))
    page.goto(f"{stack.user_url}/bots/{bot}/events/")
    _take(page, target, dress.name("events"))
    page.close()


def _take(page: Page, target: Path, name: str, /) -> None:
    page.screenshot(path=target / f"{name}.png", full_page=True)
    if name in SHOWN:
        page.screenshot(path=target / f"{name}{FIRST_VIEW}.png")


if __name__ == "__main__":
    sys.exit(main())
