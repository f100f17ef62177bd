"""Profit and loss out of the ledger: by Korean day, by coin, by bot."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.db.models import Count, F, Q, QuerySet, Sum
from django.db.models.functions import TruncDate

from user_project.accounts.models import AccountMode
from user_project.bots.models import Cycle, LedgerEntry
from user_project.trading.lifecycle import CycleState

KST: Final = ZoneInfo("Asia/Seoul")
FIRST_YEAR: Final = 2017
"""Upbit's first."""
LAST_YEAR: Final = 2999


class GroupBy(StrEnum):
    """What a line of the report is."""

    DAY = "day"
    COIN = "coin"
    BOT = "bot"


@dataclass(frozen=True, slots=True, kw_only=True)
class PnlRow:
    """One day, coin or bot; amounts in KRW."""

    key: str
    name: str
    profit: Decimal
    """Realised, both fees taken out."""
    fees: Decimal


def report(
    *,
    owner: Any,
    group_by: GroupBy,
    first: date | None = None,
    last: date | None = None,
    mode: AccountMode | None = None,
) -> list[PnlRow]:
    """Return realised profit per Korean day (00:00 to 24:00), coin or bot.

    Days newest first, coins and bots by profit; *first* and *last* are both included.
    *mode*: the kind of money, needed where the owner has both (`choose_money`).
    """
    found = _Rows()
    for entry in _sums(owner, group_by, first=first, last=last, mode=mode):
        key, name = str(entry["key"]), str(entry["name"])
        found.add(key, name, entry["total"], is_profit=entry["account"] == "profit")
    if group_by is GroupBy.DAY:
        return sorted(found.rows(), key=lambda row: row.key, reverse=True)
    return found.sorted()


def by_coin_and_bot(
    *, owner: Any, first: date, last: date, mode: AccountMode | None = None
) -> tuple[list[PnlRow], list[PnlRow]]:
    """Return two reports over the same Korean days for one query."""
    coins, bots = _Rows(), _Rows()
    entries = _entries(owner, ("profit", "fee"), first=first, last=last, mode=mode)
    keyed = entries.values_list(
        "cycle__market", "cycle__bot_id", "cycle__bot__name", "account"
    )
    for market, bot, name, account, total in keyed.annotate(total=Sum("amount")):
        is_profit = account == "profit"
        coins.add(market, market, total, is_profit=is_profit)
        bots.add(str(bot), name, total, is_profit=is_profit)
    return coins.sorted(), bots.sorted()


class _Rows:
    """Sums of profit and fees by key."""

    def __init__(self) -> None:
        self._profit: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
        self._fees: dict[tuple[str, str], Decimal] = defaultdict(Decimal)

    def add(self, key: str, name: str, total: Decimal, /, *, is_profit: bool) -> None:
        """Take one booking, or a sum of them, as the ledger signs it."""
        if is_profit:
            self._profit[key, name] -= total
        else:
            self._fees[key, name] += total

    def rows(self) -> list[PnlRow]:
        """Return the sums."""
        return [
            PnlRow(
                key=key,
                name=name,
                profit=self._profit[key, name],
                fees=self._fees[key, name],
            )
            for key, name in {**self._profit, **self._fees}
        ]

    def sorted(self) -> list[PnlRow]:
        """Return the sums, the largest profit first."""
        return sorted(self.rows(), key=lambda row: (-row.profit, row.key))


def realised_today(*, now: datetime) -> dict[AccountMode, Decimal]:
    """Return the won all bots realised since Korean midnight, both fees taken out.

    Each kind of money apart; no entry where nothing was realised.
    """
    since = midnight(now.astimezone(KST).date())
    entries = LedgerEntry.objects.filter(
        account=LedgerEntry.Account.PROFIT, currency="KRW", at__gte=since
    )
    by_mode = entries.order_by().values_list("cycle__bot__account__mode")
    found = by_mode.annotate(total=Sum("amount"))
    return {AccountMode(mode): -total for mode, total in found}


def closed_rounds(
    *, owner: Any, first: date, last: date, mode: AccountMode | None = None
) -> tuple[int, int]:
    """Return how many rounds were closed on these Korean days, and how many with profit."""
    rounds = Cycle.objects.filter(
        bot__owner=owner,
        state=CycleState.CLOSED,
        closed_at__gte=midnight(first),
        closed_at__lt=midnight(last, days=1),
    )
    if mode is not None:
        rounds = rounds.filter(bot__account__mode=mode)
    found = rounds.aggregate(all=Count("pk"), won=Count("pk", filter=Q(profit__gt=0)))
    return found["all"], found["won"]


NAMES: Final = {
    GroupBy.DAY: (TruncDate("at", tzinfo=KST), F("key")),
    GroupBy.COIN: (F("cycle__market"), F("cycle__market")),
    GroupBy.BOT: (F("cycle__bot_id"), F("cycle__bot__name")),
}
"""What a line is told apart by, and how it is called."""


def profit_by_day(
    *, owner: Any, first: date, last: date, mode: AccountMode | None = None
) -> dict[date, Decimal]:
    """Return the won realised on each Korean day on which there was any."""
    entries = _entries(owner, ("profit",), first=first, last=last, mode=mode)
    days = entries.annotate(key=TruncDate("at", tzinfo=KST)).values_list("key")
    return {day: -total for day, total in days.annotate(total=Sum("amount"))}


def _sums(
    owner: Any,
    group_by: GroupBy,
    /,
    *,
    first: date | None,
    last: date | None,
    mode: AccountMode | None,
) -> Iterator[dict[str, Any]]:
    key, name = NAMES[group_by]
    entries = _entries(owner, ("profit", "fee"), first=first, last=last, mode=mode)
    keyed: Any = entries.annotate(key=key).annotate(name=name)
    yield from keyed.values("account", "key", "name").annotate(total=Sum("amount"))


def _entries(
    owner: Any,
    accounts: Sequence[str],
    /,
    *,
    first: date | None,
    last: date | None,
    mode: AccountMode | None,
) -> QuerySet[LedgerEntry]:
    """Return the bookings of these Korean days in won."""
    found = LedgerEntry.objects.filter(
        account__in=accounts, owner=owner, currency="KRW"
    ).order_by()
    if first is not None:
        found = found.filter(at__gte=midnight(first))
    if last is not None:
        found = found.filter(at__lt=midnight(last, days=1))
    if mode is not None:
        found = found.filter(cycle__bot__account__mode=mode)
    return found


def midnight(day: date, /, *, days: int = 0) -> datetime:
    """Return the beginning of the Korean day *days* after *day*."""
    return datetime(day.year, day.month, day.day, tzinfo=KST) + timedelta(days=days)
