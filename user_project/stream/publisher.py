"""Finds what is new in the database and the prices, and tells each owner's channel.

The diary is asked, not whoever writes it: a bulk insert, the admin and a worker on
another machine are all heard, and no trade ever waits for a page.
"""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

import redis
from django.db import close_old_connections
from django.db.models import Max
from django.db.utils import DatabaseError, InterfaceError

from user_project.bots.holdings import Holding
from user_project.bots.models import BotEvent
from user_project.stream.channel import tell_change, tell_prices, watched_owners
from user_project.stream.figures import figures, holdings

log = logging.getLogger(__name__)

STEP_SECONDS: Final = 0.2
LOOK_BACK: Final = 500
"""Rows asked for again: one may become visible after later ones."""
PRICES_EVERY: Final = timedelta(milliseconds=400)
HOLDINGS_EVERY: Final = timedelta(seconds=5)
AGE_EVERY_MS: Final = 2000
"""An unchanged price is told again so often, for its age."""
AWAY: Final = (DatabaseError, InterfaceError, redis.RedisError)


class Publisher:
    """One supervised process; what it knows can be lost at any time."""

    def __init__(self, *, client: redis.Redis, clock: Callable[[], datetime]) -> None:
        """*client* answers text (``decode_responses``)."""
        self._client = client
        self._clock = clock
        self._seen: set[int] | None = None
        self._newest = 0
        self._holdings: dict[int, list[Holding]] = {}
        self._holdings_at: datetime | None = None
        self._prices_at: datetime | None = None
        self._told: dict[tuple[int, str], dict[str, Any]] = {}

    def run(self, *, stopping: Callable[[], bool]) -> None:
        """Step five times a second until told to stop; no outage ends it."""
        while not stopping():
            try:
                self.step()
            except AWAY as error:
                log.warning("pages are not told at present: %s", error)
                time.sleep(1)
            close_old_connections()
            time.sleep(STEP_SECONDS)

    def step(self) -> None:
        """Tell what has happened since the last step."""
        now = self._clock()
        changed = self._changes()
        for owner, events in changed.items():
            bots = sorted({str(bot) for bot, _ in events})
            kinds = sorted({kind for _, kind in events})
            tell_change(client=self._client, owner_id=owner, bot_ids=bots, kinds=kinds)
        if changed:
            self._holdings_at = None
        if self._prices_at is None or now - self._prices_at >= PRICES_EVERY:
            self._prices_at = now
            self._tell_prices(now)

    def _changes(self) -> dict[int, list[tuple[Any, str]]]:
        """Return new diary lines as owner -> (bot, kind); the past is no news."""
        if self._seen is None:
            self._newest = BotEvent.objects.aggregate(m=Max("pk"))["m"] or 0
        rows = BotEvent.objects.filter(pk__gt=self._newest - LOOK_BACK).order_by("pk")
        found = list(rows.values_list("pk", "bot__owner_id", "bot_id", "kind"))
        known = self._seen
        self._seen = {row[0] for row in found}
        self._newest = max(self._seen, default=self._newest)
        changed: dict[int, list[tuple[Any, str]]] = defaultdict(list)
        for pk, owner, bot, kind in found:
            if known is not None and pk not in known:
                changed[owner].append((bot, kind))
        return changed

    def _tell_prices(self, now: datetime) -> None:
        owners = watched_owners(client=self._client, now=now)
        if owners - self._holdings.keys() or self._holdings_are_old(now):
            self._holdings = holdings(owner_ids=owners)
            self._holdings_at = now
        for owner in owners:
            numbers_of = figures(holdings=self._holdings[owner], now=now)
            new = {
                bot: numbers
                for bot, numbers in numbers_of.items()
                if self._is_news((owner, bot), numbers)
            }
            if new:
                tell_prices(client=self._client, owner_id=owner, bots=new)

    def _holdings_are_old(self, now: datetime) -> bool:
        return self._holdings_at is None or now - self._holdings_at >= HOLDINGS_EVERY

    def _is_news(self, whose: tuple[int, str], numbers: dict[str, Any]) -> bool:
        told = self._told.get(whose)
        if told is not None:
            same = numbers == {**told, "at": numbers["at"]}
            if same and numbers["at"] - told["at"] < AGE_EVERY_MS:
                return False
        self._told[whose] = numbers
        return True
