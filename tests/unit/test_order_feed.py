"""Notices of orders: one line for each account, each opening a notice of its own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import cast

import pytest

from tests.unit.line_stub import StubLines, eventually
from user_project.exchanges import streams
from user_project.exchanges.adapter import ExchangeAdapter, Unavailable
from user_project.exchanges.order_feed import Notices, OrderFeed
from user_project.exchanges.streams import OrderNotice


class Account:
    """An adapter that only opens order lines."""

    def __init__(self) -> None:
        self.lines = StubLines()
        self.stream_orders = self.lines.open

    @property
    def adapter(self) -> ExchangeAdapter:
        return cast(ExchangeAdapter, self)


def notice(identifier: str | None) -> OrderNotice:
    return OrderNotice(identifier=identifier, market="KRW-BTC")


@pytest.fixture
def rang() -> threading.Event:
    return threading.Event()


@pytest.fixture
def feed(
    rang: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> Iterator[OrderFeed[str]]:
    monkeypatch.setattr(streams, "LISTEN_SECONDS", 0.002)
    monkeypatch.setattr(streams, "_pause", lambda failures: 0.01)
    feed: OrderFeed[str] = OrderFeed(rang=rang)
    yield feed
    feed.stop()
    assert not [t for t in threading.enumerate() if t.name.startswith("listen orders")]


def everything(feed: OrderFeed[str], *, opened: int, told: int) -> Notices[str]:
    """Take until so much was told; return it all at once."""
    openings: set[str] = set()
    identifiers: set[str] = set()

    def is_enough() -> bool:
        taken = feed.take()
        openings.update(taken.opened)
        identifiers.update(taken.identifiers)
        return len(openings) >= opened and len(identifiers) >= told

    eventually(is_enough)
    return Notices(frozenset(identifiers), frozenset(openings))


def test_each_account_s_notices_arrive_and_ring(
    feed: OrderFeed[str], rang: threading.Event
) -> None:
    one, other = Account(), Account()
    feed.follow({"one": one.adapter, "other": other.adapter})
    everything(feed, opened=2, told=0)
    rang.clear()

    one.lines.number(1).say(notice("ours-1"))
    other.lines.number(1).say(notice("ours-2"))

    assert rang.wait(5)
    told = everything(feed, opened=0, told=2)
    assert told.identifiers == {"ours-1", "ours-2"}
    assert feed.take() == Notices(frozenset(), frozenset())


def test_every_opening_is_told_because_nothing_is_replayed(
    feed: OrderFeed[str],
) -> None:
    account = Account()
    feed.follow({"one": account.adapter})
    assert everything(feed, opened=1, told=0).opened == {"one"}

    account.lines.number(1).say(Unavailable("closed"))

    assert everything(feed, opened=1, told=0).opened == {"one"}
    assert len(account.lines.opened) == 2


def test_what_was_only_accepted_is_told_apart(feed: OrderFeed[str]) -> None:
    account = Account()
    feed.follow({"one": account.adapter})
    line = account.lines.number(1)

    line.say(OrderNotice(identifier="new", market="KRW-BTC", accepted_only=True))
    eventually(lambda: "new" in feed.take().accepted)
    line.say(notice("new"))

    assert everything(feed, opened=0, told=1) == Notices(
        frozenset({"new"}), frozenset()
    )


def test_an_order_without_a_name_is_not_ours(feed: OrderFeed[str]) -> None:
    account = Account()
    feed.follow({"one": account.adapter})
    line = account.lines.number(1)

    line.say(notice(None))
    line.say(notice("ours-1"))

    assert everything(feed, opened=1, told=1).identifiers == {"ours-1"}
    assert feed.heard_at is not None


def test_an_account_keeps_its_line_while_it_is_followed(feed: OrderFeed[str]) -> None:
    account = Account()
    for _ in range(5):
        feed.follow({"one": account.adapter})

    line = account.lines.number(1)
    assert len(account.lines.asked) == 1
    assert not line.closed


def test_an_account_without_work_loses_its_line(feed: OrderFeed[str]) -> None:
    account = Account()
    feed.follow({"one": account.adapter})
    line = account.lines.number(1)

    feed.follow({})

    eventually(lambda: line.closed)


def test_other_keys_are_another_line(feed: OrderFeed[str]) -> None:
    before, after = Account(), Account()
    feed.follow({"one": before.adapter})
    line = before.lines.number(1)

    feed.follow({"one": after.adapter})

    assert after.lines.number(1) is not line
    eventually(lambda: line.closed)


def test_one_account_s_trouble_leaves_the_others(feed: OrderFeed[str]) -> None:
    broken, well = Account(), Account()
    broken.lines.failures = [Unavailable("refused")] * 1000
    feed.follow({"broken": broken.adapter, "well": well.adapter})

    well.lines.number(1).say(notice("ours-1"))

    assert everything(feed, opened=1, told=1).opened == {"well"}
