"""The operator's first page: does every part live, and which bots need a person."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django.db.models import Count, Q, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from user_project.accounts.models import AccountMode, ExchangeAccount
from user_project.bots import doctor, overview, pnl, switches
from user_project.bots.models import Bot, BotEvent, Cycle, EmergencyStop, Order
from user_project.trading.lifecycle import DOUBTFUL_ORDERS, TERMINAL_CYCLES, BotState

EVENTS_SHOWN: Final = 10
STOPS_SHOWN: Final = 3
NAMES: Final = {
    "database": "PostgreSQL",
    "redis": "Redis",
    "central": "본사",
    "orders": "주문 결과",
    "kill switch": "서버 비상 정지",
    "brake": "급락 제동",
    "live trading": "실전투자",
    "accounts": "거래소 계정",
}
"""What the doctor calls a part -> what the page calls it."""


def fill(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Add what the home page shows; django-unfold calls this."""
    return {**context, **_state(request)}


def live(request: HttpRequest) -> HttpResponse:
    """Answer the part of the home page that refreshes itself."""
    return render(request, "console/live.html", _state(request))


def _state(request: HttpRequest, /) -> dict[str, Any]:
    now = timezone.now()
    person: Any = request.user
    return {
        "now": now,
        "counts": _counts(),
        "today": _today(now),
        "central": overview.central_view(now=now),
        "lights": _lights(now),
        "switch": switches.server_switch(),
        "accounts": _accounts(now),
        "halted": Bot.objects.filter(state=BotState.HALTED).select_related("account"),
        "events": BotEvent.objects.select_related("bot")[:EVENTS_SHOWN],
        "stops": EmergencyStop.objects.select_related("owner", "by")[:STOPS_SHOWN],
        "may_stop": person.has_perm("bots.add_emergencystop"),
        "may_switch_server": person.is_superuser,
        "may_switch_account": person.has_perm("accounts.change_exchangeaccount"),
    }


def _counts() -> dict[str, Any]:
    bots = Bot.objects.aggregate(
        running=Count("pk", filter=Q(state__in=(BotState.RUNNING, BotState.FINISHING))),
        paused=Count("pk", filter=Q(state=BotState.PAUSED)),
        halted=Count("pk", filter=Q(state=BotState.HALTED)),
        all=Count("pk"),
    )
    rounds = Cycle.objects.exclude(state__in=TERMINAL_CYCLES).order_by()
    by_mode = rounds.values_list("bot__account__mode").annotate(
        Count("pk"), Sum("cost")
    )
    held = {mode: (count, cost) for mode, count, cost in by_mode}
    orders = Order.objects.live().aggregate(
        orders=Count("pk"),
        doubtful=Count("pk", filter=Q(state__in=DOUBTFUL_ORDERS)),
    )
    return {
        **bots,
        **orders,
        "rounds": sum(count for count, _cost in held.values()),
        "held": {mode: cost for mode, (_count, cost) in held.items()},
    }


def _today(now: datetime, /) -> list[tuple[str, Decimal]]:
    """Return what was realised with each kind of money there is, by its name."""
    modes = set(ExchangeAccount.objects.order_by().values_list("mode", flat=True))
    found = pnl.realised_today(now=now)
    return [(str(m.label), found.get(m, Decimal(0))) for m in AccountMode if m in modes]


def _lights(now: datetime, /) -> list[dict[str, str]]:
    """Return every part but the accounts, which have a table of their own."""
    return [
        {
            "name": _name(check.name),
            "colour": doctor.LEVELS[check.level],
            "text": check.text,
        }
        for check in doctor.examine(now=now, asking=False)
        if not check.name.startswith("account ")
    ]


def _name(part: str, /) -> str:
    if part.startswith("queue "):
        return f"작업 큐 {part.removeprefix('queue ')}"
    return NAMES.get(part, part)


def _accounts(now: datetime, /) -> list[dict[str, Any]]:
    rows = ExchangeAccount.objects.select_related("owner").annotate(
        bot_count=Count("bots")
    )
    lines = []
    for account in rows:
        level, words = doctor.account_health(account=account, now=now)
        lines.append(
            {"account": account, "colour": doctor.LEVELS[level], "words": words}
        )
    return lines
