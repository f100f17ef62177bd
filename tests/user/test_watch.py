"""The watcher wakes what is due or crossed, and nothing else."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from django.conf import settings
from django.db.utils import DatabaseError
from kombu.exceptions import OperationalError

from tests.user.factories import (
    NOW,
    QuietExchange,
    make_account,
    make_bot,
    make_cycle,
    make_order,
    make_user,
)
from tests.user.floor import Floor, HandClock
from user_project.accounts.models import ExchangeAccount
from user_project.accounts.services import AccountProblem
from user_project.bots import watch
from user_project.bots.lease import LEASE
from user_project.bots.models import Bot, Brake, PriceSample
from user_project.bots.reconcile import reconcile_account
from user_project.exchanges.adapter import Unavailable
from user_project.exchanges.order_feed import Notices
from user_project.exchanges.price_feed import PriceFeed
from user_project.trading.facts import Why

LATER = NOW + timedelta(hours=1)


class Orders:
    """An order feed whose news a test invents."""

    def __init__(self) -> None:
        self.heard_at: datetime | None = None
        self.followed: dict[UUID, Any] = {}
        self.identifiers: set[str] = set()
        self.opened: set[UUID] = set()
        self.accepted: set[str] = set()

    def follow(self, adapters: Any, /) -> None:
        self.followed = dict(adapters)

    def take(self) -> Notices[UUID]:
        notices = Notices(
            frozenset(self.identifiers),
            frozenset(self.opened),
            frozenset(self.accepted),
        )
        self.identifiers, self.opened, self.accepted = set(), set(), set()
        return notices


class Wakened:
    """A watcher at a hand clock, its news, and what it sent."""

    def __init__(self) -> None:
        self.clock = HandClock(NOW)
        self.exchange = QuietExchange(price="100000000")
        self.prices = PriceFeed(adapter=self.exchange, clock=self.clock)
        self.orders = Orders()
        self.sent: list[tuple[int, list[str]]] = []
        self.queued = 0
        self.reconciled: list[UUID | None] = []
        self.watcher = watch.Watcher(
            live_prices=self.prices,
            live_orders=self.orders,
            wake=lambda shard, ids: self.sent.append((shard, ids)),
            waiting=lambda shards: dict.fromkeys(shards, self.queued),
            reconcile=lambda: self.reconciled.append(None),
            reconcile_account=self.reconciled.append,
            clock=self.clock,
        )

    def step(self, *, seconds: float = 1) -> set[str]:
        """Let time pass, read prices as the feed's thread would, step."""
        self.sent.clear()
        self.clock.pass_seconds(seconds)
        self.exchange.now = self.clock()
        self.prices.want({"KRW-BTC"})
        self.prices.read_untold()
        self.watcher.step()
        return {bot_id for _, ids in self.sent for bot_id in ids}

    def quiet_step(self, *, seconds: float = 1) -> None:
        """Step while the exchange says nothing."""
        self.clock.pass_seconds(seconds)
        self.watcher.step()


@pytest.fixture
def wakened(db: None, monkeypatch: pytest.MonkeyPatch) -> Wakened:
    monkeypatch.setattr(watch.prices, "publish", lambda *, host, quotes: None)
    monkeypatch.setattr(watch, "adapter_for", lambda *, account: account.name)
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


class TestBackPressure:
    def test_a_shard_with_too_much_to_do_gets_the_rest_later(
        self, wakened: Wakened, settings: Any
    ) -> None:
        settings.SHARDS = 1
        bot = running(next_tick_at=NOW)
        wakened.queued = watch.MOST_WAITING

        assert wakened.step() == set()
        wakened.queued -= 1
        assert wakened.step() == {str(bot.pk)}

    def test_a_crossing_that_had_to_wait_is_not_forgotten(
        self, wakened: Wakened
    ) -> None:
        bot = running(wake_below=Decimal(100_000_000))
        wakened.queued = watch.MOST_WAITING
        assert wakened.step() == set()

        wakened.exchange.price = Decimal(101_000_000)
        wakened.queued = 0

        assert wakened.step() == {str(bot.pk)}

    def test_no_more_is_sent_than_there_is_room_for(
        self, wakened: Wakened, settings: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        settings.SHARDS = 1
        monkeypatch.setattr(watch, "BATCH", 1)
        bots = {str(running(next_tick_at=NOW).pk) for _ in range(3)}
        wakened.queued = watch.MOST_WAITING - 2

        first = wakened.step()
        rest = wakened.step()

        assert len(first) == 2
        assert first | rest == bots

    def test_a_busy_shard_does_not_hold_up_the_others(
        self, wakened: Wakened, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        bots = [running(next_tick_at=NOW) for _ in range(2)]
        monkeypatch.setattr(watch, "shard_of", lambda bot_id: int(bot_id == bots[0].pk))
        wakened.watcher._waiting = lambda shards: {0: 0, 1: watch.MOST_WAITING}

        assert wakened.step() == {str(bots[1].pk)}


class TestClockSetBack:
    def test_bots_do_not_wait_for_the_lost_hours(self, wakened: Wakened) -> None:
        bot = running(next_tick_at=LATER, lease_until=LATER)
        wakened.step()
        hour = timedelta(hours=1).total_seconds()

        assert wakened.step(seconds=-hour) == set()
        bot.refresh_from_db()

        assert bot.next_tick_at == wakened.clock()
        assert bot.lease_until == wakened.clock() + LEASE

    def test_every_account_is_reconciled_first(self, wakened: Wakened) -> None:
        wakened.step()
        wakened.reconciled.clear()

        wakened.step(seconds=-61)

        assert wakened.reconciled == [None]

    def test_a_second_back_stops_neither_duty_nor_crossings(
        self, wakened: Wakened
    ) -> None:
        bot = running(wake_below=Decimal(100_000_000))
        assert wakened.step() == {str(bot.pk)}
        Bot.objects.update(next_tick_at=LATER)
        wakened.reconciled.clear()

        assert wakened.step(seconds=-30) == {str(bot.pk)}
        assert wakened.reconciled == []


class TestMinutes:
    def test_each_market_has_one_price_a_minute(self, wakened: Wakened) -> None:
        for _ in range(3):
            wakened.step(seconds=30)

        kept = PriceSample.objects.values_list("market", "price", "at")
        assert sorted(kept) == [
            ("KRW-BTC", Decimal(10**8), NOW),
            ("KRW-BTC", Decimal(10**8), NOW + timedelta(minutes=1)),
        ]

    def test_an_old_price_is_none_of_this_minute(self, wakened: Wakened) -> None:
        wakened.step(seconds=30)
        wakened.quiet_step(seconds=90)

        assert PriceSample.objects.count() == 1

    def test_a_fall_brakes_and_a_calm_market_does_not(self, wakened: Wakened) -> None:
        wakened.step(seconds=60)
        calm = Brake.objects.get(host=settings.UPBIT_BASE_URL)

        wakened.exchange.price = Decimal(96_000_000)
        wakened.step(seconds=60)

        braked = Brake.objects.get(host=settings.UPBIT_BASE_URL)
        assert calm.until is None
        assert braked.until is not None
        assert braked.until > wakened.clock()
        assert braked.reason
        assert braked.updated_at == wakened.clock()

    def test_after_two_hours_it_is_forgotten(self, wakened: Wakened) -> None:
        old = NOW - timedelta(hours=2)
        for at in (old, old + timedelta(minutes=1)):
            PriceSample.objects.create(
                host=settings.UPBIT_BASE_URL, market="KRW-ETH", at=at, price=1
            )

        wakened.step(seconds=60)

        kept = PriceSample.objects.filter(market="KRW-ETH")
        assert [sample.at for sample in kept] == [old + timedelta(minutes=1)]


class TestFailures:
    def test_without_prices_due_bots_are_still_woken(
        self, wakened: Wakened, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def away(*, markets: Sequence[str]) -> Any:
            raise Unavailable("HTTP 500")

        monkeypatch.setattr(wakened.exchange, "get_prices", away)
        due = running(next_tick_at=NOW)

        assert wakened.step() == {str(due.pk)}

    def test_a_lost_broker_loses_no_news(self, wakened: Wakened) -> None:
        account = make_account(make_user("alice"))
        wakened.step()
        wakened.orders.opened = {account.pk}
        asked: list[UUID] = []

        def send(account_id: UUID) -> None:
            asked.append(account_id)
            if len(asked) == 1:
                raise OperationalError("broker away")

        wakened.watcher._news._reconcile_account = send
        with pytest.raises(OperationalError):
            wakened.step()
        wakened.step()

        assert asked == [account.pk, account.pk]


class TestGaps:
    @pytest.fixture
    def account(self, wakened: Wakened) -> ExchangeAccount:
        """An account with a running bot, reconciled after the watch has begun."""
        bot = running()
        wakened.step()
        assert wakened.reconciled == [None]
        wakened.reconciled.clear()
        ExchangeAccount.objects.update(reconciled_at=NOW)
        return bot.account

    def is_blocked(self, account: ExchangeAccount) -> bool:
        account.refresh_from_db()
        return account.reconciled_at is None

    def test_going_on_as_usual_asks_for_nothing(
        self, wakened: Wakened, account: ExchangeAccount
    ) -> None:
        for _ in range(3):
            wakened.step(seconds=30)

        assert wakened.reconciled == []
        assert not self.is_blocked(account)

    def test_a_laptop_that_slept_reconciles_everything(
        self, wakened: Wakened, account: ExchangeAccount
    ) -> None:
        wakened.step(seconds=61)

        assert wakened.reconciled == [None]
        assert self.is_blocked(account)

    def test_an_exchange_that_was_silent_for_a_minute_does_too(
        self, wakened: Wakened, account: ExchangeAccount
    ) -> None:
        for _ in range(4):
            wakened.quiet_step(seconds=20)
        assert wakened.reconciled == []

        wakened.step()

        assert wakened.reconciled == [None]
        assert self.is_blocked(account)

    def test_an_order_line_breaks_the_silence_as_well(
        self, wakened: Wakened, account: ExchangeAccount
    ) -> None:
        for _ in range(4):
            wakened.quiet_step(seconds=20)
            wakened.orders.heard_at = wakened.clock()

        wakened.step()

        assert wakened.reconciled == []

    def test_with_nothing_to_follow_silence_is_no_gap(
        self, wakened: Wakened, account: ExchangeAccount
    ) -> None:
        Bot.objects.update(state="stopped", next_tick_at=None)
        for _ in range(4):
            wakened.quiet_step(seconds=20)
        Bot.objects.update(state="running")

        wakened.step()

        assert wakened.reconciled == []

    def test_an_opened_line_reconciles_its_account_alone(
        self, wakened: Wakened, account: ExchangeAccount
    ) -> None:
        wakened.orders.opened = {account.pk}

        wakened.step()
        wakened.step()

        assert wakened.reconciled == [account.pk]
        assert not self.is_blocked(account)

    @pytest.mark.parametrize("hours", [1, -1])
    def test_after_a_jump_of_the_clock_nothing_is_ordered_before_a_look(
        self,
        wakened: Wakened,
        floor: Floor,
        monkeypatch: pytest.MonkeyPatch,
        hours: int,
    ) -> None:
        wakened.step()
        account = floor.bot.account
        ExchangeAccount.objects.update(reconciled_at=floor.clock())
        wakened.step(seconds=hours * 3600)

        floor.run()
        refused, ordered = floor.bot.reason, floor.bot.orders.count()
        monkeypatch.setattr(
            "user_project.bots.reconcile.adapter_for", lambda *, account: floor.exchange
        )
        reconcile_account(account=account, now=floor.clock())
        floor.run()

        assert (refused, ordered) == (Why.RECONCILE_DUE, 0)
        assert floor.bot.orders.exists()


class TestNoticesOfOrders:
    @pytest.fixture
    def bot(self, wakened: Wakened) -> Bot:
        bot = running()
        make_order(make_cycle(bot), identifier="dt1-ours", state="open")
        wakened.step()
        return bot

    def test_the_bot_of_the_order_is_woken_at_once(
        self, wakened: Wakened, bot: Bot
    ) -> None:
        running()
        wakened.orders.identifiers = {"dt1-ours", "somebody-else"}

        assert wakened.step(seconds=0.05) == {str(bot.pk)}
        assert wakened.step(seconds=0.05) == set()

    def test_a_stopped_bot_still_hears_of_its_fills(
        self, wakened: Wakened, bot: Bot
    ) -> None:
        Bot.objects.filter(pk=bot.pk).update(state="stopped", next_tick_at=None)
        wakened.orders.identifiers = {"dt1-ours"}

        assert wakened.step(seconds=0.05) == {str(bot.pk)}

    def test_a_held_bot_is_woken_when_its_worker_lets_go(
        self, wakened: Wakened, bot: Bot
    ) -> None:
        Bot.objects.filter(pk=bot.pk).update(lease_until=NOW + timedelta(seconds=30))
        wakened.orders.identifiers = {"dt1-ours"}
        assert wakened.step(seconds=0.05) == set()

        # The worker writes its own appointment, made before the news.
        Bot.objects.filter(pk=bot.pk).update(lease_until=None, next_tick_at=LATER)

        assert wakened.step(seconds=0.05) == {str(bot.pk)}


class TestNoticesOfAcceptance:
    def bot_with_order(self, wakened: Wakened, state: str, **options: Any) -> Bot:
        bot = running(**options)
        make_order(make_cycle(bot), identifier="dt1-ours", state=state)
        wakened.step()
        wakened.orders.accepted = {"dt1-ours", "somebody-else"}
        return bot

    def test_is_no_news_for_who_has_the_answer(self, wakened: Wakened) -> None:
        self.bot_with_order(wakened, "open")

        assert wakened.step(seconds=0.05) == set()

    @pytest.mark.parametrize("state", ["posting", "unknown", "abandoned_watch"])
    def test_wakes_who_never_got_one(self, wakened: Wakened, state: str) -> None:
        bot = self.bot_with_order(wakened, state)

        assert wakened.step(seconds=0.05) == {str(bot.pk)}
        assert wakened.step(seconds=0.05) == set()

    @pytest.mark.parametrize("state", ["open", "unknown"])
    def test_is_judged_when_the_worker_lets_go(
        self, wakened: Wakened, state: str
    ) -> None:
        held_until = NOW + timedelta(seconds=30)
        bot = self.bot_with_order(wakened, "posting", lease_until=held_until)
        assert wakened.step(seconds=0.05) == set()

        bot.orders.update(state=state)
        Bot.objects.filter(pk=bot.pk).update(lease_until=None, next_tick_at=LATER)

        woken = {str(bot.pk)} if state == "unknown" else set()
        assert wakened.step(seconds=0.05) == woken


class TestWhatIsFollowed:
    def test_the_markets_of_active_bots(self, wakened: Wakened) -> None:
        running()
        running(market="KRW-ETH", state="paused")
        running(market="KRW-XRP", state="stopped", next_tick_at=None)
        holder = running(market="KRW-SOL", state="stopped", next_tick_at=None)
        make_cycle(holder, market="KRW-SOL")  # pages show what its coins are worth
        over = running(market="KRW-ADA", state="stopped", next_tick_at=None)
        make_cycle(over, market="KRW-ADA", state="closed")
        wanted: list[set[str]] = []
        wakened.prices.want = wanted.append  # type: ignore[assignment, method-assign]

        wakened.watcher.step()

        assert wanted == [{"KRW-BTC", "KRW-ETH", "KRW-SOL"}]

    def test_the_orders_of_usable_accounts_with_active_bots(
        self, wakened: Wakened
    ) -> None:
        bot = running()
        idle = running(state="draft", next_tick_at=None)
        broken = running()
        broken.account.key_problem = "expired"
        broken.account.save()
        quarantined = running()
        quarantined.account.quarantined_at = NOW
        quarantined.account.save()
        make_account(make_user("bob"))

        wakened.step()

        assert set(wakened.orders.followed) == {bot.account_id}
        assert idle.account_id not in wakened.orders.followed

    def test_an_account_whose_keys_do_not_open_is_left_out(
        self, wakened: Wakened, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        readable, unreadable = running(), running()

        def adapter_for(*, account: ExchangeAccount) -> str:
            if account.pk == unreadable.account_id:
                raise AccountProblem("KEYS_UNREADABLE", "no")
            return "adapter"

        monkeypatch.setattr(watch, "adapter_for", adapter_for)

        wakened.step()

        assert wakened.orders.followed == {readable.account_id: "adapter"}

    def test_between_seconds_only_changed_prices_are_shared(
        self, wakened: Wakened, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        running()
        shared: list[list[Decimal]] = []
        monkeypatch.setattr(
            watch.prices,
            "publish",
            lambda *, host, quotes: shared.append([q.price for q in quotes]),
        )
        wakened.step()

        wakened.step(seconds=0.05)
        wakened.exchange.price = Decimal(99)
        wakened.step(seconds=0.05)
        wakened.step(seconds=1)

        assert shared == [[Decimal(10**8)], [], [Decimal(99)], [Decimal(99)]]


class TestRunning:
    @pytest.mark.parametrize(("took", "at_least"), [(0.01, 0.02), (0.2, 0.25)])
    def test_news_end_the_wait_but_looking_takes_half_of_the_time_at_most(
        self,
        wakened: Wakened,
        monkeypatch: pytest.MonkeyPatch,
        took: float,
        at_least: float,
    ) -> None:
        rang = threading.Event()
        steps: list[float] = []

        def step() -> int:
            steps.append(time.monotonic())
            time.sleep(took)
            rang.set()
            return 0

        monkeypatch.setattr(wakened.watcher, "step", step)

        wakened.watcher.run(stopping=lambda: len(steps) >= 3, rang=rang)

        pauses = [later - first for first, later in pairwise(steps)]
        assert min(pauses) >= at_least

    def test_no_lost_database_ends_the_watch(
        self, wakened: Wakened, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(watch, "DUTY_EVERY", timedelta(milliseconds=10))
        steps: list[int] = []

        def step() -> int:
            steps.append(1)
            raise DatabaseError("gone")

        monkeypatch.setattr(wakened.watcher, "step", step)
        monkeypatch.setattr(watch, "close_old_connections", lambda: None)

        wakened.watcher.run(stopping=lambda: len(steps) >= 3, rang=threading.Event())

        assert len(steps) == 3


class TestShards:
    def test_every_bot_has_one_shard_and_batches_hold_at_most_25(
        self, settings: Any
    ) -> None:
        settings.SHARDS = 3
        ids = [UUID(int=number) for number in range(200)]

        sent = watch.batches(ids)

        assert {len(batch) <= 25 for _, batch in sent} == {True}
        assert sorted(i for _, batch in sent for i in batch) == ids
        assert {shard for shard, _ in sent} == {0, 1, 2}
        for shard, batch in sent:
            assert {watch.shard_of(bot_id) for bot_id in batch} == {shard}
