"""The pages: translate, make one call inward, render."""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import accumulate
from typing import Any, Final, cast
from urllib.parse import urlencode

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from user_project.bots import overview, pnl, services
from user_project.bots.assets import assets_of
from user_project.bots.models import Bot, BotEvent
from user_project.bots.money_kind import MoneyKind, choose_money
from user_project.bots.problems import BotProblem
from user_project.web.cards import SHOWN, SORTS, add_up, choose, make_card
from user_project.web.drawing import Line, draw_line
from user_project.web.first_steps import first_steps
from user_project.web.pages import LOOKS, own_bot, owner_page, show
from user_project.web.paging import NewestRows

ACTIONS: Final = {
    "start": (services.start_bot, _("시작했습니다.")),
    "pause": (services.pause_bot, _("일시정지했습니다. 새로 사지 않습니다.")),
    "resume": (services.resume_bot, _("재개했습니다.")),
    "finish": (services.finish_bot, _("이번 회차가 끝나면 정지합니다.")),
    "stop": (services.stop_bot, _("정지했습니다. 산 코인은 그대로 둡니다.")),
}
CHART_UNITS: Final = ((5, _("5분")), (60, _("1시간")), (1440, _("1일")))
SHOWN_ON_HOME: Final = 8
SHOWN_EVENTS: Final = 30
SHOWN_ORDERS: Final = 20
SHOWN_CYCLES: Final = 20
EVENTS_A_PAGE: Final = 100
LINE_NUMBER: Final = re.compile(r"[0-9]{1,18}")
CARDS_A_PAGE: Final = 9
EQUITY_DAYS: Final = 90


@owner_page(*LOOKS)
def home(request: HttpRequest) -> HttpResponse:
    """Show totals of all the owner's bots, and a page of them as cards."""
    now, owner = timezone.now(), cast("Any", request.user)
    central, ranking = overview.recommendations_view(now=now)
    names = {coin.symbol: coin.korean_name for coin in ranking}
    events = BotEvent.objects.filter(bot__owner=owner).select_related("bot")
    money = choose_money(owner=owner, wanted=request.GET.get("mode", ""))
    today, earned, line = _equity(owner, now, money)
    context = {
        "central": central,
        "money": money,
        "assets": assets_of(owner=owner, mode=money.narrows_to),
        "earned": earned,
        "equity": line,
        "steps": first_steps(owner=owner, central=central),
        "today": today,
        "events": events[:SHOWN_ON_HOME],
        **_cards(request, money, names=names, now=now),
    }
    return render(request, "web/home.html", context)


def _cards(
    request: HttpRequest,
    money: MoneyKind,
    /,
    *,
    names: Mapping[str, str],
    now: datetime,
) -> dict[str, Any]:
    """Return totals of all bots, and those of one page in the order asked for."""
    bots = Bot.objects.for_user(request.user)
    if money.narrows_to:
        bots = bots.filter(account__mode=money.narrows_to)
    briefs = overview.briefs(bots=bots)
    sort, shown = request.GET.get("sort", ""), request.GET.get("shown", "")
    chosen = choose(briefs, sort=sort, shown=shown)
    page = Paginator(chosen, CARDS_A_PAGE).get_page(request.GET.get("page"))
    rows = bots.select_related("account").in_bulk(list(page))
    views = overview.bot_views(bots=[rows[pk] for pk in page], now=now, told=briefs)
    return {
        "page": page,
        "cards": [make_card(view=view, names=names) for view in views],
        "totals": add_up(briefs),
        "query": urlencode({"sort": sort, "shown": shown, "mode": money.mode}),
        "sorts": {key: name for key, (name, _key) in SORTS.items()},
        "filters": {key: name for key, (name, _states) in SHOWN.items()},
        "sort": sort,
        "shown": shown,
    }


def _equity(
    owner: Any, now: datetime, money: MoneyKind, /
) -> tuple[Decimal, Decimal, Line | None]:
    """Return what was earned today and in the last days, and the line adding it up."""
    today = now.astimezone(pnl.KST).date()
    first = today - timedelta(days=EQUITY_DAYS - 1)
    by_day = pnl.profit_by_day(
        owner=owner, first=first, last=today, mode=money.narrows_to
    )
    days = [first + timedelta(days=n) for n in range(EQUITY_DAYS)]
    sums = list(accumulate(by_day.get(day, Decimal(0)) for day in days))
    line = draw_line(sums) if by_day else None
    return by_day.get(today, Decimal(0)), sums[-1], line


@owner_page(*LOOKS)
def events(request: HttpRequest, bot_id: uuid.UUID) -> HttpResponse:
    """Show a bot's whole diary, a page at a time, each stretch of pages from a line on."""
    row = own_bot(request, bot_id)
    lines, before = row.events.all(), request.GET.get("before", "")
    if LINE_NUMBER.fullmatch(before):
        lines = lines.filter(pk__lt=int(before))
    else:
        before = ""
    pages = NewestRows(lines, EVENTS_A_PAGE)
    page = pages.get_page(request.GET.get("page"))
    cut_here = pages.is_cut and not page.has_next()
    return show(
        request,
        "web/events.html",
        bot=row,
        page=page,
        before=before,
        older=page[-1].pk if cut_here else None,
        query=urlencode({"before": before}) if before else "",
    )


@owner_page(*LOOKS)
def bot(request: HttpRequest, bot_id: uuid.UUID) -> HttpResponse:
    """Show one bot: numbers with their age, stages, orders, events, rounds."""
    now = timezone.now()
    row = own_bot(request, bot_id)
    view = overview.bot_view(bot=row, now=now)
    central, ranking = overview.recommendations_view(now=now)
    names = {coin.symbol: coin.korean_name for coin in ranking}
    context: dict[str, Any] = {
        "central": central,
        "card": make_card(view=view, names=names),
        "orders": row.orders.all()[:SHOWN_ORDERS],
        "events": row.events.all()[:SHOWN_EVENTS],
        "cycles": row.cycles.all()[:SHOWN_CYCLES],
        "chart_units": CHART_UNITS,
    }
    return render(request, "web/bot.html", context)


@owner_page("POST")
def act(request: HttpRequest, bot_id: uuid.UUID, action: str) -> HttpResponse:
    """Start, pause, resume, finish or stop one bot."""
    if action not in ACTIONS:
        raise Http404(action)
    change, done = ACTIONS[action]
    try:
        change(bot=own_bot(request, bot_id), now=timezone.now())
    except BotProblem as problem:
        messages.error(request, problem.message)
    else:
        messages.success(request, done)
    return redirect("bot", bot_id=bot_id)
