"""Where paging ends: the last page says that it is not the end, and the way on."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import unescape
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tests.user.factories import make_bot, make_event, make_fill, make_order, make_user
from tests.user.factories import make_cycle as make_round
from user_project.bots.models import Fill, Order
from user_project.web import paging, trades, views

pytestmark = pytest.mark.django_db
ENDS = "이것이 전부가 아닙니다"
SPRING = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture
def alice(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """An owner whose pages hold two rows, and who can page through four."""
    monkeypatch.setattr(paging, "MOST", 4)
    monkeypatch.setattr(trades, "PER_PAGE", 2)
    monkeypatch.setattr(views, "EVENTS_A_PAGE", 2)
    owner = make_user("alice")
    client = Client()
    client.force_login(owner)
    return SimpleNamespace(owner=owner, client=client, bot=make_bot(owner))


def bought(alice: SimpleNamespace, count: int) -> None:
    """Fill so many stages, all in spring."""
    cycle = make_round(alice.bot)
    for stage in range(1, count + 1):
        make_fill(make_order(cycle, stage=stage), traded_at=SPRING)
    Order.objects.update(created_at=SPRING)


def text(alice: SimpleNamespace, address: str) -> str:
    """Return what a page says, on one line."""
    body = alice.client.get(address).content.decode()
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", body)))


@pytest.mark.parametrize("page", ["orders", "fills"])
class TestTrades:
    def test_the_last_page_says_where_the_older_ones_are(
        self, alice: SimpleNamespace, page: str
    ) -> None:
        bought(alice, 5)
        address = reverse(page)

        first, last = (text(alice, f"{address}?page={number}") for number in (1, 2))

        assert "2 / 2" in last
        assert ENDS not in first
        assert "가장 최근 4건까지" in first
        assert ENDS in last
        assert "연도별 CSV" in last
        assert "좁" in last

    def test_the_files_are_those_of_the_oldest_rows_year_and_the_one_before(
        self, alice: SimpleNamespace, page: str
    ) -> None:
        bought(alice, 5)

        last = alice.client.get(f"{reverse(page)}?page=2").content.decode()

        note = last.partition(ENDS)[2].partition("</p>")[0]
        assert re.findall(r"/fills/(\d+)\.csv", note) == ["2026", "2025"]

    def test_a_history_that_just_fits_ends_without_a_word(
        self, alice: SimpleNamespace, page: str
    ) -> None:
        bought(alice, 4)
        address = reverse(page)

        pages = [text(alice, f"{address}?page={number}") for number in (1, 2)]

        assert not [page for page in pages if ENDS in page or "넘겨 볼" in page]

    def test_what_was_narrowed_to_is_reached(
        self, alice: SimpleNamespace, page: str
    ) -> None:
        other = make_bot(alice.owner, name="오래된 봇")
        make_fill(make_order(make_round(other), stage=1), traded_at=SPRING)
        Order.objects.update(created_at=datetime(2025, 1, 1, tzinfo=UTC))
        Fill.objects.update(traded_at=datetime(2025, 1, 1, tzinfo=UTC))
        cycle = make_round(alice.bot)
        for stage in range(1, 6):
            make_fill(make_order(cycle, stage=stage))

        table = r"<tbody>.*</tbody>"
        found = [
            re.search(table, alice.client.get(address).content.decode(), re.DOTALL)
            for address in (
                *(f"{reverse(page)}?page={number}" for number in (1, 2, 3)),
                f"{reverse(page)}?bot={other.pk}",
            )
        ]

        shown = ["오래된 봇" in rows.group() for rows in found if rows]
        assert shown == [False, False, False, True]


class TestDiary:
    def _lines(self, page: Any) -> list[str]:
        return re.findall(r"</time> (\d+)번째", page.content.decode())

    def test_it_goes_on_behind_the_last_page_to_its_first_line(
        self, alice: SimpleNamespace
    ) -> None:
        for number in range(1, 8):
            make_event(alice.bot, f"{number}번째")
        address: str = reverse("bot-events", args=[alice.bot.pk])
        wanted, read = f"{address}?page=1", []

        while wanted:
            page = alice.client.get(wanted)
            read += self._lines(page)
            links = re.findall(
                r'href="(\?[^"]*)">(다음|더 오래된)', page.content.decode()
            )
            wanted = f"{address}{unescape(links[0][0])}" if links else ""

        assert read == [str(number) for number in range(7, 0, -1)]

    def test_only_the_last_page_of_a_cut_diary_says_that_it_goes_on(
        self, alice: SimpleNamespace
    ) -> None:
        address = reverse("bot-events", args=[alice.bot.pk])
        for number in range(4):
            make_event(alice.bot, f"{number}번째")
        whole = text(alice, f"{address}?page=2")
        make_event(alice.bot, "4번째")

        first, last = (text(alice, f"{address}?page={n}") for n in (1, 2))

        assert [ENDS in page for page in (whole, first, last)] == [False, False, True]
        assert "CSV" not in first + last

    @pytest.mark.parametrize("before", ["x", "-1", "9" * 30, "1 or 1", "²"])
    def test_a_line_that_is_none_begins_at_the_newest(
        self, alice: SimpleNamespace, before: str
    ) -> None:
        make_event(alice.bot, "1번째")

        page = alice.client.get(
            reverse("bot-events", args=[alice.bot.pk]), {"before": before}
        )

        assert page.status_code == 200
        assert self._lines(page) == ["1"]

    def test_somebody_elses_lines_are_not_reached_by_a_number(
        self, alice: SimpleNamespace
    ) -> None:
        make_event(make_bot(make_user("mallory")), "1번째")
        make_event(alice.bot, "2번째")

        address = reverse("bot-events", args=[alice.bot.pk])
        page = alice.client.get(f"{address}?before={10**17}")

        assert self._lines(page) == ["2"]
