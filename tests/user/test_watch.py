"""The watcher wakes what is due or crossed, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from tests.user.factories import NOW, QuietExchange, make_account, make_bot, make_user
from tests.user.floor import HandClock
from user_project.accounts.models import ExchangeAccount
from user_project.bots import watch
from user_project.bots.models import Bot
from user_project.exchanges.adapter import Unavailable

LATER = NOW + timedelta(hours=1)


class Wakened:
    """A watcher at a hand clock, and what it sent."""

    def __init__(self) -> None:
        self.clock = HandClock(NOW)
        self.exchange = QuietExchange(price="100000000")
        self.sent: list[tuple[int, list[str]]] = []
        self.reconciled = 0
        self.watcher = watch.Watcher(
            quotes=self.exchange,
            wake=lambda shard, ids: self.sent.append((shard, ids)),
            reconcile=self._reconcile,
            clock=self.clock,
        )

    def _reconcile(self) -> None:
        self.reconciled += 1

    def step(self, *, seconds: float = 1) -> set[str]:
        self.sent.clear()
        self.clock.pass_seconds(seconds)
        self.watcher.step()
        return {bot_id for _, ids in self.sent for bot_id in ids}


@pytest.fixture
def wakened(db: None, monkeypatch: pytest.MonkeyPatch) -> Wakened:
    monkeypatch.setattr(watch.prices, "publish", lambda *, host, quotes: None)
    return Wakened()


def running(**options: Any) -> Bot:
    owner = make_user(f"owner-{Bot.objects.count()}")
    values = {"state": "running", "next_tick_at": LATER, **options}
    return make_bot(owner, **values)


class TestWhoIsWoken:
    def test_a_bot_that_is_due(self, wakened: Wakened) -> None:
        due, _other = running(next_tick_at=NOW), running()

        assert wakened.step() == {str(due.pk)}

    def test_a_bot_whose_trigger_price_was_reached(self, wakened: Wakened) -> None:
        below = running(wake_below=Decimal(100_000_000))
        above = running(wake_above=Decimal(99_000_000))
        running(wake_below=Decimal(99_000_000), wake_above=Decimal(101_000_000))

        assert wakened.step() == {str(below.pk), str(above.pk)}

    def test_not_one_that_a_worker_holds(self, wakened: Wakened) -> None:
        running(next_tick_at=NOW, lease_until=LATER)

        assert wakened.step() == set()

    def test_not_a_stopped_one_without_an_appointment(self, wakened: Wakened) -> None:
        running(state="stopped", next_tick_at=None, wake_below=Decimal(10**9))
        winding_down = running(state="stopped", next_tick_at=NOW)

        assert wakened.step() == {str(winding_down.pk)}

    def test_a_lost_message_is_repeated_after_a_while(self, wakened: Wakened) -> None:
        bot = running(next_tick_at=NOW)

        woken = [bool(wakened.step()) for _ in range(7)]

        assert woken == [True, False, False, False, False, True, False]
        bot.refresh_from_db()

    def test_a_price_that_stays_crossed_wakes_every_two_seconds(
        self, wakened: Wakened
    ) -> None:
        bot = running(wake_below=Decimal(100_000_000))
        woken = []

        for _ in range(5):
            woken.append(bool(wakened.step()))
            Bot.objects.filter(pk=bot.pk).update(next_tick_at=LATER)

        assert woken == [True, False, True, False, True]


class TestFailures:
    def test_without_prices_due_bots_are_still_woken(
        self, wakened: Wakened, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away(*, markets: Sequence[str]) -> Any:
            raise Unavailable("HTTP 500")

        monkeypatch.setattr(wakened.exchange, "get_prices", away)
        due = running(next_tick_at=NOW)

        assert wakened.step() == {str(due.pk)}

    def test_a_start_and_a_gap_ask_for_a_reconciliation(self, wakened: Wakened) -> None:
        account = make_account(make_user("alice"), reconciled_at=NOW)

        wakened.step()
        assert wakened.reconciled == 1
        ExchangeAccount.objects.update(reconciled_at=NOW)
        wakened.step()
        assert wakened.reconciled == 1
        wakened.step(seconds=61)

        account.refresh_from_db()
        assert (wakened.reconciled, account.reconciled_at) == (2, None)


class TestShards:
    def test_every_bot_has_one_shard_and_batches_hold_at_most_25(
        self, settings: Any
    ) -> None:
        settings.SHARDS = 3
        ids = [UUID(int=number) for number in range(200)]

        sent = watch.batches(ids)

        assert {len(batch) <= 25 for _, batch in sent} == {True}
        assert sorted(i for _, batch in sent for i in batch) == sorted(map(str, ids))
        assert {shard for shard, _ in sent} == {0, 1, 2}
        for shard, batch in sent:
            assert {watch.shard_of(UUID(bot_id)) for bot_id in batch} == {shard}
