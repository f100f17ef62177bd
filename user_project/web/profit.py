"""Profit by Korean day as a calendar, by month, coin and bot."""

from __future__ import annotations

import calendar
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Final

from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from user_project.bots import exports, pnl
from user_project.bots.money_kind import choose_money
from user_project.bots.pnl import GroupBy
from user_project.web.drawing import Bar, draw_bars
from user_project.web.pages import LOOKS, owner_page, show

BACK: Final = timedelta(days=366)
SHOWN_ROWS: Final = 30
"""Coins and bots in a table; all of them are in the CSV."""
WEEKDAYS: Final = (_("일"), _("월"), _("화"), _("수"), _("목"), _("금"), _("토"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One day of the calendar; None where nothing was realised."""

    date: date
    profit: Decimal | None
    is_other: bool
    """It belongs to the month before or after."""


@owner_page(*LOOKS)
def profit(
    request: HttpRequest, year: int | None = None, month: int | None = None
) -> HttpResponse:
    """Show a month; without one the present month in Korea."""
    today = timezone.now().astimezone(pnl.KST).date()
    first = _first(year or today.year, month or today.month)
    weeks = calendar.Calendar(firstweekday=6).monthdatescalendar(
        first.year, first.month
    )
    start, end = weeks[0][0], weeks[-1][-1]
    last = _after(first) - timedelta(days=1)
    owner: Any = request.user
    until = min(last, today)
    money = choose_money(owner=owner, wanted=request.GET.get("mode", ""))
    mode = money.narrows_to
    by_day = pnl.profit_by_day(
        owner=owner, first=min(start, until - BACK), last=max(end, until), mode=mode
    )
    coins, bots = pnl.by_coin_and_bot(owner=owner, first=first, last=last, mode=mode)
    closed, won = pnl.closed_rounds(owner=owner, first=first, last=last, mode=mode)
    return show(
        request,
        "web/profit.html",
        money=money,
        first=first,
        closed=closed,
        won=Decimal(won) / closed if closed else None,
        charts=_charts(by_day, until=until),
        weeks=[_week(week, by_day, first) for week in weeks],
        total=sum((row.profit for row in coins), Decimal(0)),
        fees=sum((row.fees for row in coins), Decimal(0)),
        coins=coins[:SHOWN_ROWS],
        bots=bots[:SHOWN_ROWS],
        hidden_coins=max(len(coins) - SHOWN_ROWS, 0),
        hidden_bots=max(len(bots) - SHOWN_ROWS, 0),
        before=_before(first),
        after=_after(first) if _after(first) <= today else None,
        today=today,
        weekdays=WEEKDAYS,
    )


@owner_page(*LOOKS)
def profit_csv(request: HttpRequest, year: int, month: int, kind: str) -> HttpResponse:
    """Return a month by day, coin or bot for a spreadsheet."""
    if kind not in [group.value for group in GroupBy]:
        raise Http404("no such report")
    first = _first(year, month)
    last = _after(first) - timedelta(days=1)
    money = choose_money(owner=request.user, wanted=request.GET.get("mode", ""))
    rows = pnl.report(
        owner=request.user,
        group_by=GroupBy(kind),
        first=first,
        last=last,
        mode=money.narrows_to,
    )
    answer = HttpResponse(
        exports.report_csv(rows=rows), content_type="text/csv; charset=utf-8"
    )
    name = f"dantaro-{kind}-{first:%Y-%m}{money.mark}.csv"
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    return answer


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Bars of one length of time."""

    name: Any
    bars: list[Bar]


def _charts(by_day: Mapping[date, Decimal], /, *, until: date) -> list[Chart]:
    """Return the last 30 days, 12 weeks and 12 months up to *until*."""
    days = [until - timedelta(days=n) for n in range(29, -1, -1)]
    weeks = [until - timedelta(days=7 * n) for n in range(11, -1, -1)]
    return [
        Chart(name=_("일별"), bars=_bars(by_day, [(f"{d:%m-%d}", d, d) for d in days])),
        Chart(
            name=_("주별"),
            bars=_bars(
                by_day, [(f"~{w:%m-%d}", w - timedelta(days=6), w) for w in weeks]
            ),
        ),
        Chart(name=_("월별"), bars=_bars(by_day, _months(until))),
    ]


def _months(until: date, /) -> list[tuple[str, date, date]]:
    first, found = until.replace(day=1), []
    for _number in range(12):
        found.append((f"{first:%y-%m}", first, _after(first) - timedelta(days=1)))
        first = _before(first)
    return found[::-1]


def _bars(
    by_day: Mapping[date, Decimal], spans: Sequence[tuple[str, date, date]], /
) -> list[Bar]:
    return draw_bars([(label, _sum(by_day, *days)) for label, *days in spans])


def _sum(by_day: Mapping[date, Decimal], first: date, last: date, /) -> Decimal:
    days = (first + timedelta(days=n) for n in range((last - first).days + 1))
    return sum((by_day.get(day, Decimal(0)) for day in days), Decimal(0))


def _first(year: int, month: int, /) -> date:
    if not pnl.FIRST_YEAR <= year <= pnl.LAST_YEAR or not 1 <= month <= 12:
        raise Http404("no such month")
    return date(year, month, 1)


def _before(first: date, /) -> date:
    return (first - timedelta(days=1)).replace(day=1)


def _after(first: date, /) -> date:
    return (first + timedelta(days=32)).replace(day=1)


def _week(
    week: Sequence[date], by_day: Mapping[date, Decimal], first: date, /
) -> dict[str, Any]:
    days = [
        Day(date=day, profit=by_day.get(day), is_other=day.month != first.month)
        for day in week
    ]
    return {"days": days, "total": sum(day.profit or Decimal(0) for day in days)}
