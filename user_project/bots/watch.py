"""Watch prices, orders and the clock, wake the bots that have something to do."""

from __future__ import annotations

import logging
import threading
import time
import uuid
import zlib
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final, Protocol

import redis
from django.conf import settings
from django.db import close_old_connections
from django.db.utils import DatabaseError, InterfaceError
from kombu.exceptions import OperationalError

from user_project.accounts.models import ExchangeAccount
from user_project.accounts.services import AccountProblem, adapter_for
from user_project.bots import minutes, prices, wakeups
from user_project.bots.models import Bot, Cycle
from user_project.bots.order_news import OrderNews
from user_project.exchanges.adapter import ExchangeAdapter
from user_project.exchanges.order_feed import Notices
from user_project.trading.lifecycle import TERMINAL_CYCLES
from user_project.trading.orders import PriceQuote

log = logging.getLogger(__name__)

DUTY_EVERY: Final = timedelta(seconds=1)
FOLLOW_EVERY: Final = timedelta(seconds=5)
COALESCE_SECONDS: Final = 1 / 20
"""News waits for the rest of its batch as long as the last look took, at most so long."""
BATCH: Final = 25
MOST_WAITING: Final = 50
"""Messages a shard may have waiting; what a worker cannot do soon stays in the table."""
BACK_OFF: Final = timedelta(seconds=1)
"""So much later a bot is looked at again whose shard has too much to do."""
GAP: Final = timedelta(seconds=60)
WAKE_AGAIN: Final = timedelta(seconds=5)
"""A message may be lost: a bot that did not run by then is woken again."""
CROSSED_AGAIN: Final = timedelta(seconds=2)
"""A trigger price may stay crossed; the bot then looks this often."""
BITCOIN: Final = "KRW-BTC"
"""Followed always: the crash brake looks at it."""

AWAY: Final = (DatabaseError, InterfaceError, OperationalError, redis.RedisError)
Batch = tuple[int, list[uuid.UUID]]
"""A shard and some of its bots: one message."""


class LivePrices(Protocol):
    """What the watcher needs of a price feed."""

    @property
    def heard_at(self) -> datetime | None: ...
    def want(self, markets: Collection[str], /) -> None: ...
    def take(self) -> dict[str, PriceQuote]: ...
    def quotes(self) -> dict[str, PriceQuote]: ...


class LiveOrders(Protocol):
    """What the watcher needs of an order feed."""

    @property
    def heard_at(self) -> datetime | None: ...
    def follow(self, adapters: Mapping[uuid.UUID, ExchangeAdapter], /) -> None: ...
    def take(self) -> Notices[uuid.UUID]: ...


def shard_of(bot_id: uuid.UUID, /) -> int:
    """Return the shard whose worker runs this bot."""
    return zlib.crc32(bot_id.bytes) % int(settings.SHARDS)


def batches(bot_ids: Iterable[uuid.UUID], /) -> list[Batch]:
    """Group bot ids by shard, at most 25 a message."""
    shards: dict[int, list[uuid.UUID]] = defaultdict(list)
    for bot_id in bot_ids:
        shards[shard_of(bot_id)].append(bot_id)
    return [
        (shard, ids[start : start + BATCH])
        for shard, ids in sorted(shards.items())
        for start in range(0, len(ids), BATCH)
    ]


class Watcher:
    """One supervised process: news in, wake-ups out; all state is in the database."""

    def __init__(
        self,
        *,
        live_prices: LivePrices,
        live_orders: LiveOrders,
        wake: Callable[[int, list[str]], None],
        waiting: Callable[[Collection[int]], Mapping[int, int]],
        reconcile: Callable[[], object],
        reconcile_account: Callable[[uuid.UUID], object],
        clock: Callable[[], datetime],
    ) -> None:
        """*waiting* counts the messages in the queues of some shards."""
        self._prices = live_prices
        self._orders = live_orders
        self._wake = wake
        self._waiting = waiting
        self._reconcile = reconcile
        self._news = OrderNews(reconcile_account=reconcile_account)
        self._clock = clock
        self._last_step_at: datetime | None = None
        self._heard_at: datetime | None = None
        self._duty_at: datetime | None = None
        self._followed_at: datetime | None = None
        self._minute: datetime | None = None
        self._crossed_at: dict[uuid.UUID, datetime] = {}

    def run(self, *, stopping: Callable[[], bool], rang: threading.Event) -> None:
        """Step at least once a second until told to stop; no failure ends the watch.

        *rang* tells that something came in meanwhile.
        """
        while not stopping():
            started = time.monotonic()
            try:
                self.step()
            except AWAY as error:
                log.warning("database or broker away, trying again: %s", error)
                close_old_connections()
                time.sleep(DUTY_EVERY.total_seconds())
            took = time.monotonic() - started
            ended = started + took
            if rang.wait(max(0, DUTY_EVERY.total_seconds() - took)):
                # Never more than half of the time, never later than a batch may be.
                rested = time.monotonic() - ended
                time.sleep(max(0, min(took, COALESCE_SECONDS) - rested))
                rang.clear()

    def step(self) -> int:
        """Take what is new, wake what has to act; return how many bots were woken."""
        now = self._clock()
        self._mind_gap(now)
        changed = self._prices.take()
        if self._duty_at is None or now - self._duty_at >= DUTY_EVERY:
            self._duty_at = now
            self._follow(now)
            changed = self._prices.quotes()
            self._keep_minute(changed, now)
        prices.publish(host=settings.UPBIT_BASE_URL, quotes=changed.values())
        self._news.mind(self._orders.take(), now=now)
        return self._wake_due(changed, now)

    def _keep_minute(self, quotes: Mapping[str, PriceQuote], now: datetime) -> None:
        minute = now.replace(second=0, microsecond=0)
        if quotes and minute != self._minute:
            minutes.keep(host=settings.UPBIT_BASE_URL, quotes=quotes, now=now)
            self._minute = minute

    def _wake_due(self, quotes: Mapping[str, PriceQuote], now: datetime) -> int:
        """Claim and wake; a shard with too much to do gets the rest later."""
        self._crossed_at = {
            bot_id: at
            for bot_id, at in self._crossed_at.items()
            if now - at < CROSSED_AGAIN
        }
        found = wakeups.find(
            prices={market: quote.price for market, quote in quotes.items()}, now=now
        )
        crossed = found.crossed - self._crossed_at.keys()
        messages, later = self._fit(batches(found.due | crossed))
        woken = [bot_id for _, ids in messages for bot_id in ids]
        wakeups.claim(woken, until=now + WAKE_AGAIN)
        wakeups.claim(later, until=now + BACK_OFF)
        self._crossed_at |= dict.fromkeys(crossed.difference(later), now)
        for shard, bot_ids in messages:
            self._wake(shard, [str(bot_id) for bot_id in bot_ids])
        return len(woken)

    def _fit(self, messages: list[Batch]) -> tuple[list[Batch], list[uuid.UUID]]:
        """Split into what the shards' queues have room for and the bots of the rest."""
        shards = {shard for shard, _ in messages}
        waiting = self._waiting(sorted(shards)) if shards else {}
        room = {shard: MOST_WAITING - waiting[shard] for shard in shards}
        fitting, later = [], list[uuid.UUID]()
        for shard, bot_ids in messages:
            if room[shard] > 0:
                room[shard] -= 1
                fitting.append((shard, bot_ids))
            else:
                later += bot_ids
        return fitting, later

    def _mind_gap(self, now: datetime) -> None:
        """After a start, a pause (laptop asleep) or an exchange that said nothing for
        a minute, nothing is ordered before a look."""
        last, self._last_step_at = self._last_step_at, now
        silent_since, self._heard_at = self._heard_at, self._last_heard()
        was_away = last is None or abs(now - last) > GAP
        was_silent = (
            silent_since is not None
            and self._heard_at is not None
            and self._heard_at - silent_since > GAP
        )
        if last is not None and now < last:
            self._turn_back(now, far=was_away)
        if was_away or was_silent:
            log.info("start or gap: every account is reconciled before new orders")
            ExchangeAccount.objects.update(reconciled_at=None)
            self._reconcile()

    def _turn_back(self, now: datetime, *, far: bool) -> None:
        """The clock was set back: what was noted by it lies in the future now."""
        self._duty_at = self._followed_at = None
        self._crossed_at.clear()
        if far:
            wakeups.bring_forward(now=now)

    def _last_heard(self) -> datetime | None:
        heard = (self._prices.heard_at, self._orders.heard_at)
        return max((at for at in heard if at is not None), default=None)

    def _follow(self, now: datetime) -> None:
        """Listen to what active bots need: their markets, their accounts' orders.

        And to the prices of coins that a stopped bot holds: pages and sums show them.
        """
        if self._followed_at is not None and now - self._followed_at < FOLLOW_EVERY:
            return
        self._followed_at = now
        active = Bot.objects.active()
        named = active.exclude(market="").order_by("market").distinct()
        markets = set(named.values_list("market", flat=True))
        held = Cycle.objects.exclude(state__in=TERMINAL_CYCLES).order_by("market")
        held_markets = set(held.values_list("market", flat=True).distinct())
        self._prices.want(markets | held_markets | {BITCOIN})
        accounts = ExchangeAccount.objects.usable().filter(
            bots__in=active, key_problem=""
        )
        self._orders.follow(_adapters(accounts.distinct()))
        if not markets:
            self._heard_at = None  # nobody waits for news: silence is no gap


def _adapters(
    accounts: Iterable[ExchangeAccount],
) -> dict[uuid.UUID, ExchangeAdapter]:
    adapters = {}
    for account in accounts:
        try:
            adapters[account.pk] = adapter_for(account=account)
        except AccountProblem as problem:
            log.debug("account %s has no line: %s", account.pk, problem.code)
    return adapters
