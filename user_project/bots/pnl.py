"""Profit and loss out of the ledger: by Korean day, by coin, by bot; a year as CSV."""

from __future__ import annotations

import csv
import heapq
import io
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from operator import itemgetter
from typing import Any, Final
from zoneinfo import ZoneInfo

from django.db.models import F, QuerySet, Sum
from django.db.models.functions import TruncDate
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as _noop

from common.money import plain
from user_project.bots.models import Adjustment, Cycle, Fill, LedgerEntry
from user_project.trading.lifecycle import CycleState

KST: Final = ZoneInfo("Asia/Seoul")
FIRST_YEAR: Final = 2017
"""Upbit's first."""
LAST_YEAR: Final = 2999
FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes text that begins so for a formula."""
HEADER: Final = (
    *(
        _noop("체결 시각(KST)"),
        _noop("봇"),
        _noop("회차"),
        _noop("마켓"),
        _noop("구분"),
        _noop("체결가"),
        _noop("수량"),
    ),
    *(
        _noop("금액(원)"),
        _noop("수수료(원)"),
        _noop("실현손익(원)"),
        _noop("주문번호"),
        _noop("체결번호"),
    ),
)

REPORT_HEADER: Final = (
    _noop("구분"),
    _noop("이름"),
    _noop("실현손익(원)"),
    _noop("수수료(원)"),
)


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
) -> list[PnlRow]:
    """Return realised profit per Korean day (00:00 to 24:00), coin or bot.

    Days newest first, coins and bots by profit; *first* and *last* are both included.
    """
    found = _Rows()
    for entry in _sums(owner, group_by, first=first, last=last):
        key, name = str(entry["key"]), str(entry["name"])
        found.add(key, name, entry["total"], is_profit=entry["account"] == "profit")
    if group_by is GroupBy.DAY:
        return sorted(found.rows(), key=lambda row: row.key, reverse=True)
    return found.sorted()


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Some Korean days from every side; `report` in one query instead of three."""

    days: dict[date, Decimal]
    """Profit of each day on which there was any."""
    coins: list[PnlRow]
    bots: list[PnlRow]


def span(*, owner: Any, shown: tuple[date, date], summed: tuple[date, date]) -> Span:
    """Return the days *shown*, and coins and bots over the days *summed* within them."""
    days: dict[date, Decimal] = defaultdict(Decimal)
    coins, bots = _Rows(), _Rows()
    for day, market, bot, name, account, total in _cells_of(owner, *shown):
        is_profit = account == "profit"
        if is_profit:
            days[day] -= total
        if summed[0] <= day <= summed[1]:
            coins.add(market, market, total, is_profit=is_profit)
            bots.add(str(bot), name, total, is_profit=is_profit)
    return Span(days=dict(days), coins=coins.sorted(), bots=bots.sorted())


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


def realised_today(*, now: datetime, owner: Any = None) -> Decimal:
    """Return the won realised since Korean midnight, both fees taken out.

    No *owner*: of every bot on the server.
    """
    since = _midnight(now.astimezone(KST).date())
    entries = LedgerEntry.objects.filter(
        account=LedgerEntry.Account.PROFIT, currency="KRW"
    )
    if owner is not None:
        entries = entries.filter(cycle__bot__owner=owner)
    parts = (
        entries.filter(fill__traded_at__gte=since),
        entries.filter(adjustment__at__gte=since),
    )
    sums = (part.aggregate(total=Sum("amount"))["total"] for part in parts)
    return -sum((total or Decimal(0) for total in sums), Decimal(0))


def year_csv(*, owner: Any, year: int) -> Iterator[str]:
    """Yield every fill of a Korean calendar year as CSV lines, oldest first.

    Between them, coins that left a round without a sale: handed over to the owner, or
    gone with their cost, which is a loss. So the profits sum to what the pages show.
    The first line begins with the mark by which Excel knows UTF-8.
    """
    yield "\ufeff" + _line(map(_, HEADER))
    fills = _fills(owner, year).iterator(chunk_size=1000)
    gone = _adjustments(owner, year).iterator(chunk_size=1000)
    rows = heapq.merge(
        ((fill.traded_at, _cells(fill)) for fill in fills),
        ((row.at, _cells_without_trade(row)) for row in gone),
        key=itemgetter(0),
    )
    for _at, cells in rows:
        yield _line(cells)


def closed_rounds(*, owner: Any, first: date, last: date) -> tuple[int, int]:
    """Return how many rounds were closed on these Korean days, and how many with profit."""
    rounds = Cycle.objects.filter(
        bot__owner=owner,
        state=CycleState.CLOSED,
        closed_at__gte=_midnight(first),
        closed_at__lt=_midnight(last, days=1),
    )
    return rounds.count(), rounds.filter(profit__gt=0).count()


def report_csv(*, rows: Iterable[PnlRow]) -> Iterator[str]:
    """Yield the lines of a report as CSV, for Excel as well."""
    yield "\ufeff" + _line(map(_, REPORT_HEADER))
    for row in rows:
        yield _line((row.key, row.name, plain(row.profit), plain(row.fees)))


NAMES: Final = {
    GroupBy.DAY: (TruncDate("at", tzinfo=KST), F("key")),
    GroupBy.COIN: (F("cycle__market"), F("cycle__market")),
    GroupBy.BOT: (F("cycle__bot_id"), F("cycle__bot__name")),
}
"""What a line is told apart by, and how it is called."""


def profit_by_day(*, owner: Any, first: date, last: date) -> dict[date, Decimal]:
    """Return the won realised on each Korean day on which there was any."""
    found: dict[date, Decimal] = defaultdict(Decimal)
    for entries in _timed(owner, ("profit",), first=first, last=last):
        days = entries.annotate(key=TruncDate("at", tzinfo=KST))
        for day, total in days.values_list("key").annotate(total=Sum("amount")):
            found[day] -= total
    return dict(found)


def _sums(
    owner: Any, group_by: GroupBy, /, *, first: date | None, last: date | None
) -> Iterator[dict[str, Any]]:
    key, name = NAMES[group_by]
    for entries in _timed(owner, ("profit", "fee"), first=first, last=last):
        keyed: Any = entries.annotate(key=key).annotate(name=name)
        yield from keyed.values("account", "key", "name").annotate(total=Sum("amount"))


def _cells_of(
    owner: Any, first: date, last: date, /
) -> Iterator[tuple[date, str, Any, str, str, Decimal]]:
    """Yield day, market, bot, its name, account and sum."""
    for entries in _timed(owner, ("profit", "fee"), first=first, last=last):
        keyed: Any = entries.annotate(key=TruncDate("at", tzinfo=KST))
        yield from keyed.values_list(
            "key", "cycle__market", "cycle__bot_id", "cycle__bot__name", "account"
        ).annotate(total=Sum("amount"))


def _timed(
    owner: Any, accounts: Sequence[str], /, *, first: date | None, last: date | None
) -> Iterator[QuerySet[LedgerEntry]]:
    """Yield the bookings of fills, then of adjustments, each with its time ``at``.

    Apart, because each has an index for its time and both together have none.
    """
    entries = LedgerEntry.objects.filter(
        account__in=accounts, cycle__bot__owner=owner, currency="KRW"
    ).order_by()
    for at in ("fill__traded_at", "adjustment__at"):
        found = entries.filter(**{f"{at}__isnull": False})
        if first is not None:
            found = found.filter(**{f"{at}__gte": _midnight(first)})
        if last is not None:
            found = found.filter(**{f"{at}__lt": _midnight(last, days=1)})
        yield found.annotate(at=F(at))


def _midnight(day: date, *, days: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=KST) + timedelta(days=days)


def _fills(owner: Any, year: int) -> QuerySet[Fill]:
    return (
        Fill.objects.filter(
            order__bot__owner=owner,
            traded_at__gte=_midnight(date(year, 1, 1)),
            traded_at__lt=_midnight(date(year + 1, 1, 1)),
        )
        .select_related("order__cycle__bot")
        .prefetch_related("entries")
        .order_by("traded_at", "id")
    )


def _adjustments(owner: Any, year: int) -> QuerySet[Adjustment]:
    return (
        Adjustment.objects.filter(
            cycle__bot__owner=owner,
            at__gte=_midnight(date(year, 1, 1)),
            at__lt=_midnight(date(year + 1, 1, 1)),
        )
        .select_related("cycle__bot")
        .prefetch_related("entries")
        .order_by("at", "id")
    )


def _cells(fill: Fill) -> Iterable[str]:
    order, profit = fill.order, _profit(fill)
    return (
        _second(fill.traded_at),
        order.cycle.bot.name,
        str(order.cycle.seq),
        order.market,
        order.get_side_display(),
        *map(plain, (fill.price, fill.volume, fill.funds, fill.fee, profit)),
        order.exchange_uuid or "",
        fill.trade_uuid,
    )


def _cells_without_trade(row: Adjustment) -> Iterable[str]:
    """Return a line without price, money and numbers of the exchange: none moved."""
    return (
        _second(row.at),
        row.cycle.bot.name,
        str(row.cycle.seq),
        row.cycle.market,
        row.get_kind_display(),
        "",
        plain(row.volume),
        *("0", "0", plain(_profit(row)), "", ""),
    )


def _profit(row: Fill | Adjustment) -> Decimal:
    earned = (e.amount for e in row.entries.all() if e.account == "profit")
    return -sum(earned, Decimal(0))


def _second(at: datetime) -> str:
    return f"{at.astimezone(KST):%Y-%m-%d %H:%M:%S}"


def _line(cells: Iterable[str]) -> str:
    text = io.StringIO()
    csv.writer(text).writerow([_harmless(cell) for cell in cells])
    return text.getvalue()


def _harmless(cell: str) -> str:
    """Keep numbers as they are; text that a spreadsheet would run gets a quote."""
    if not cell.startswith(FORMULA):
        return cell
    try:
        Decimal(cell)
    except ArithmeticError:
        return "'" + cell
    return cell
