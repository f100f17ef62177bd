"""Watch prices and the clock, wake the bots that have something to do."""

from __future__ import annotations

import logging
import time
import uuid
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db import close_old_connections
from django.db.utils import DatabaseError, InterfaceError
from kombu.exceptions import OperationalError

from user_project.accounts.models import ExchangeAccount
from user_project.bots import prices
from user_project.bots.models import Bot
from user_project.exchanges.adapter import ExchangeAdapter, ExchangeError
from user_project.trading.orders import PriceQuote

log = logging.getLogger(__name__)

PERIOD_SECONDS: Final = 1.0
BATCH: Final = 25
GAP: Final = timedelta(seconds=60)
WAKE_AGAIN: Final = timedelta(seconds=5)
"""A message may be lost: a bot that did not run by then is woken again."""
CROSSED_AGAIN: Final = timedelta(seconds=2)
"""A trigger price may stay crossed; the bot then looks this often."""


def shard_of(bot_id: uuid.UUID, /) -> int:
    """Return the shard whose worker runs this bot."""
    return zlib.crc32(bot_id.bytes) % int(settings.SHARDS)


def batches(bot_ids: Iterable[uuid.UUID], /) -> list[tuple[int, list[str]]]:
    """Group bot ids by shard, at most 25 a message."""
    shards: dict[int, list[str]] = defaultdict(list)
    for bot_id in bot_ids:
        shards[shard_of(bot_id)].append(str(bot_id))
    return [
        (shard, ids[start : start + BATCH])
        for shard, ids in sorted(shards.items())
        for start in range(0, len(ids), BATCH)
    ]


class Watcher:
    """One supervised process: prices in, wake-ups out; all state is in the database."""

    def __init__(
        self,
        *,
        quotes: ExchangeAdapter,
        wake: Callable[[int, list[str]], None],
        reconcile: Callable[[], object],
        clock: Callable[[], datetime],
    ) -> None:
        self._quotes = quotes
        self._wake = wake
        self._reconcile = reconcile
        self._clock = clock
        self._last_step_at: datetime | None = None
        self._crossed_at: dict[uuid.UUID, datetime] = {}

    def run(self, *, stopping: Callable[[], bool]) -> None:
        """Step once a second until told to stop; no failure ends the watch."""
        while not stopping():
            started = time.monotonic()
            try:
                self.step()
            except (DatabaseError, InterfaceError, OperationalError) as error:
                log.warning("database or broker away, trying again: %s", error)
                close_old_connections()
            time.sleep(max(0.0, PERIOD_SECONDS - (time.monotonic() - started)))

    def step(self) -> int:
        """Read prices once, wake what is due; return how many bots were woken."""
        now = self._clock()
        self._mind_gap(now)
        quotes = self._read_prices()
        prices.publish(host=settings.UPBIT_BASE_URL, quotes=quotes.values())
        due = Bot.objects.to_wake(
            prices={market: quote.price for market, quote in quotes.items()}, now=now
        ).values_list("pk", "next_tick_at")
        ready = [pk for pk, tick_at in due if not self._just_crossed(pk, tick_at, now)]
        Bot.objects.filter(pk__in=ready).update(next_tick_at=now + WAKE_AGAIN)
        for shard, bot_ids in batches(ready):
            self._wake(shard, bot_ids)
        return len(ready)

    def _mind_gap(self, now: datetime) -> None:
        """After a start or a pause (laptop asleep) nothing is ordered before a look."""
        last, self._last_step_at = self._last_step_at, now
        if last is None or now - last > GAP:
            log.info("start or gap: every account is reconciled before new orders")
            ExchangeAccount.objects.update(reconciled_at=None)
            self._reconcile()

    def _read_prices(self) -> dict[str, PriceQuote]:
        markets = (
            Bot.objects.active().exclude(market="").values_list("market", flat=True)
        )
        wanted = sorted(set(markets))
        if not wanted:
            return {}
        try:
            return self._quotes.get_prices(markets=wanted)
        except ExchangeError as error:
            log.warning("no prices: %s", error)
            return {}

    def _just_crossed(
        self, bot_id: uuid.UUID, tick_at: datetime | None, now: datetime
    ) -> bool:
        """Tell whether only a price wakes this bot, and did so a moment ago."""
        if tick_at is not None and tick_at <= now:
            return False
        last = self._crossed_at.get(bot_id)
        if last is not None and now - last < CROSSED_AGAIN:
            return True
        self._crossed_at[bot_id] = now
        return False
