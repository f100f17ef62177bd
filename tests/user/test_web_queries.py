"""As many queries for many bots as for a few: a page must not grow with its rows."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from tests.user.factories import (
    QuietExchange,
    make_account,
    make_bot,
    make_cycle,
    make_order,
    make_snapshot,
    make_story,
    make_user,
)
from user_project.bots import prices, quotes, services
from user_project.bots.models import Bot
from user_project.bots.overview import bot_view, bot_views
from user_project.stream.figures import holdings

pytestmark = pytest.mark.django_db
QUERIES = {
    "/": 17,
    "/bots/{bot}/": 13,
    "/bots/{bot}/events/": 8,
    "/bots/{bot}/options/": 9,
    "/bots/{bot}/live/": 4,
    "/bots/{bot}/chart.json": 9,
    "/bots/new/": 9,
    "/ranking/": 8,
    "/central/": 6,
    "/orders/": 9,
    "/fills/": 9,
    "/profit/": 9,
    "/profit/2026/11/": 9,
    "/profit/2026/11/coin.csv": 4,
    "/accounts/": 6,
    "/notify/": 6,
    "/look/": 5,
    "/stop/": 8,
    "/security/": 11,
    "/password/": 3,
}
"""Page -> queries, session and login included."""


@pytest.fixture
def alice(monkeypatch: pytest.MonkeyPatch, settings: Any) -> SimpleNamespace:
    settings.CENTRAL_API_URL, settings.CENTRAL_API_KEY = "http://127.0.0.1:9", "none"
    quiet = QuietExchange(now=timezone.now())
    for module in (services, quotes):
        monkeypatch.setattr(module, "adapter_for", lambda *, account: quiet)
    monkeypatch.setattr(prices, "all_shared", lambda *, host: {})
    monkeypatch.setattr(prices, "shared", lambda *, host, market: None)
    owner = make_user("alice")
    make_snapshot(timezone.now())
    client = Client()
    client.force_login(owner)
    account = make_account(owner, reconciled_at=timezone.now())
    return SimpleNamespace(owner=owner, account=account, client=client)


def _stories(alice: SimpleNamespace, count: int) -> Any:
    for number in range(count):
        bot = make_story(alice.owner, account=alice.account, name=f"{count} {number}")
    return bot


def _queries(alice: SimpleNamespace, address: str) -> int:
    alice.client.get(address)  # caches that outlive a request are filled
    with CaptureQueriesContext(
        connection,
    ) as caught:
        assert alice.client.get(address).status_code == 200
    return len(caught)


@pytest.mark.parametrize("page", QUERIES)
def test_a_page_asks_as_often_for_many_bots_as_for_few(
    alice: SimpleNamespace, page: str
) -> None:
    bot = _stories(alice, 3)
    address = page.format(bot=bot.pk)
    few = _queries(alice, address)
    _stories(alice, 9)

    many = _queries(alice, address)

    assert (few, many) == (QUERIES[page], QUERIES[page])


def _between_rounds(alice: SimpleNamespace, number: int, *, reentry: str) -> Bot:
    """Return a running bot that sold its first round 10 won a number apart."""
    bot = make_bot(alice.owner, account=alice.account, state="running", reentry=reentry)
    cycle = make_cycle(bot, state="closed", volume=0, cost=0, profit=number)
    make_order(cycle, executed_funds=200_000 + 10 * number)
    make_order(cycle, side="ask", stage=0, executed_funds=201_000 + 10 * number)
    return bot


@pytest.mark.parametrize("reentry", ["last_sell", "last_buy", "support", "reset"])
def test_many_bots_between_rounds_cost_no_more_than_one(
    alice: SimpleNamespace, reentry: str
) -> None:
    bots = [_between_rounds(alice, n, reentry=reentry) for n in range(5)]
    now = timezone.now()
    with CaptureQueriesContext(connection) as for_one:
        alone = [bot_views(bots=bots[:1], now=now)[0]]

    with CaptureQueriesContext(connection) as for_all:
        together = bot_views(bots=bots, now=now)

    assert len(for_all) == len(for_one)
    alone += [bot_view(bot=bot, now=now) for bot in bots[1:]]
    assert together == alone
    prices = {view.reentry_price for view in together}
    assert len(prices) == (5 if reentry.startswith("last") else 1)


def test_the_stream_reads_all_holdings_at_once(
    alice: SimpleNamespace, django_assert_num_queries: Any
) -> None:
    _stories(alice, 5)

    with django_assert_num_queries(2):
        found = holdings(owner_ids={alice.owner.pk})

    assert len(found[alice.owner.pk]) == 5
