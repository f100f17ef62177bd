"""Coins that an account should hold for its rounds, and does not.

The owner may have sold or withdrawn them by hand. A fill that is not booked yet looks
the same for a moment, so a deficit is believed when two looks apart see it.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from user_project.accounts.models import ExchangeAccount
from user_project.bots.models import Cycle
from user_project.trading.lifecycle import TERMINAL_CYCLES
from user_project.trading.orders import Balance

log = logging.getLogger(__name__)

LOOK_AGAIN: Final = timedelta(seconds=20)


def note(
    *, account: ExchangeAccount, balances: Mapping[str, Balance], now: datetime
) -> set[UUID]:
    """Write deficits that last, clear those that are over; return the bots concerned."""
    by_market: dict[str, list[Cycle]] = defaultdict(list)
    running = Cycle.objects.filter(bot__account=account, volume__gt=0)
    for cycle in running.exclude(state__in=TERMINAL_CYCLES):
        by_market[cycle.market].append(cycle)
    return {
        cycle.bot_id
        for market, cycles in by_market.items()
        for cycle in _short(cycles, held=_held(balances, market), now=now)
    }


def _held(balances: Mapping[str, Balance], market: str) -> Decimal:
    balance = balances.get(market.partition("-")[2])
    return Decimal(0) if balance is None else balance.free + balance.locked


def _short(cycles: list[Cycle], *, held: Decimal, now: datetime) -> list[Cycle]:
    """Judge one coin's rounds together: nobody can say whose coins are gone."""
    missing = sum((cycle.volume for cycle in cycles), Decimal(0)) - held
    changed = []
    for cycle in cycles:
        rows = Cycle.objects.filter(pk=cycle.pk, volume=cycle.volume)
        if missing <= 0:
            if cycle.deficit_seen_at is not None:
                rows.update(deficit=None, deficit_seen_at=None)
                changed.append(cycle)
        elif cycle.deficit_seen_at is None:
            rows.update(deficit_seen_at=now)
        elif cycle.deficit is None and now - cycle.deficit_seen_at >= LOOK_AGAIN:
            log.error("round %s: the account lacks %s coins", cycle.pk, missing)
            if rows.update(deficit=min(missing, cycle.volume)):
                changed.append(cycle)
    return changed
