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

from user_project.bots import pnl
from user_project.bots.pnl import GroupBy, PnlRow
from user_project.web.pages import LOOKS, owner_page, show

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
    days = _report(request, GroupBy.DAY, first=start, last=end)
    by_day = {date.fromisoformat(row.key): row.profit for row in days}
    last = _after(first) - timedelta(days=1)
    coins = _report(request, GroupBy.COIN, first=first, last=last)
    return show(
        request,
        "web/profit.html",
        first=first,
        weeks=[_week(week, by_day, first) for week in weeks],
        total=sum((row.profit for row in coins), Decimal(0)),
        fees=sum((row.fees for row in coins), Decimal(0)),
        coins=coins,
        bots=_report(request, GroupBy.BOT, first=first, last=last),
        before=_before(first),
        after=_after(first) if _after(first) <= today else None,
        today=today,
        weekdays=WEEKDAYS,
    )


def _first(year: int, month: int, /) -> date:
    if not pnl.FIRST_YEAR <= year <= pnl.LAST_YEAR or not 1 <= month <= 12:
        raise Http404("no such month")
    return date(year, month, 1)


def _before(first: date, /) -> date:
    return (first - timedelta(days=1)).replace(day=1)


def _after(first: date, /) -> date:
    return (first + timedelta(days=32)).replace(day=1)


def _report(
    request: HttpRequest, group_by: GroupBy, /, *, first: date, last: date
) -> list[PnlRow]:
    owner: Any = request.user
    return pnl.report(owner=owner, group_by=group_by, first=first, last=last)


def _week(
    week: Sequence[date], by_day: Mapping[date, Decimal], first: date, /
) -> dict[str, Any]:
    days = [
        Day(date=day, profit=by_day.get(day), is_other=day.month != first.month)
        for day in week
    ]
    return {"days": days, "total": sum(day.profit or Decimal(0) for day in days)}
