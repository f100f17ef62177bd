"""What a target has not been told yet: sentences, and what to remember once told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

from django.utils.translation import gettext as _

from user_project.accounts.models import AccountMode, ExchangeAccount
from user_project.bots import overview, pnl
from user_project.bots.models import Bot, BotEvent, Cycle
from user_project.bots.money_kind import choose_money, won_by_mode
from user_project.notifications.models import Kind, Target
from user_project.trading.lifecycle import TERMINAL_CYCLES, BotState

EVENTS: Final = {
    "order.fill": Kind.FILL,
    "cycle.closed": Kind.CLOSED,
    "bot.halted": Kind.TROUBLE,
    "order.refused": Kind.TROUBLE,
    "order.abandoned": Kind.TROUBLE,
    "order.mismatch": Kind.TROUBLE,
    "cycle.frozen": Kind.TROUBLE,
    "cycle.held_long": Kind.TROUBLE,
    "switch.on": Kind.TROUBLE,
    "account.quarantined": Kind.TROUBLE,
}
"""Kind of a line in the diary -> what it is to an owner."""
SETTLED: Final = timedelta(seconds=3)
"""A line may be committed a moment after a later one: younger lines wait."""
AT_ONCE: Final = 20
"""Lines of one message; the rest follows in the next."""
KEY_DAYS: Final = (30, 7, 1)
DAILY_HOUR, HEARTBEAT_HOUR = 9, 21


@dataclass(slots=True, kw_only=True)
class News:
    """Lines to tell, and the target's memory after they were told."""

    lines: list[str] = field(default_factory=list)
    last_event_id: int
    told: dict[str, str]


def news_for(*, target: Target, now: datetime) -> News:
    """Collect what happened since the target was told last, in the active language."""
    news = News(last_event_id=target.last_event_id, told=dict(target.told))
    for event in _events(target, now=now):
        news.last_event_id = event.pk
        if EVENTS.get(event.kind) in target.kinds:
            line = _line(event)
            if line not in news.lines:
                news.lines.append(line)
    for kind, key, line in _states(target, now=now):
        if kind in target.kinds and news.told.get(kind) != key:
            news.told[kind] = key
            if line:
                news.lines.append(line)
    return news


def _line(event: BotEvent, /) -> str:
    """What concerns an account stands in the diary of each of its bots."""
    of_account = event.kind.startswith("account.")
    return event.sentence if of_account else f"[{event.bot.name}] {event.sentence}"


def _events(target: Target, *, now: datetime) -> Iterator[BotEvent]:
    owner = target.owner_id
    events = BotEvent.objects.filter(bot__owner_id=owner, pk__gt=target.last_event_id)
    settled = events.filter(at__lte=now - SETTLED).select_related("bot")
    yield from settled.order_by("pk")[:AT_ONCE]


def _states(target: Target, *, now: datetime) -> Iterator[tuple[Kind, str, str]]:
    """Yield kind, what it is told for, and the line; nothing to say is an empty line."""
    yield _stale(now=now)
    yield _keys(target, now=now)
    local = now.astimezone(pnl.KST)
    today = local.date().isoformat()
    if local.hour >= DAILY_HOUR:
        yield Kind.DAILY, today, _summary(target, now=now)
    if local.hour >= HEARTBEAT_HOUR:
        yield (
            Kind.HEARTBEAT,
            today,
            (_("단타로가 돌아가고 있습니다. %(target)s") % {"target": _counts(target)}),
        )


def _stale(*, now: datetime) -> tuple[Kind, str, str]:
    central = overview.central_view(now=now)
    bad = central.level in ("stale", "none")
    return Kind.STALE, "bad" if bad else "", central.message if bad else ""


def _keys(target: Target, *, now: datetime) -> tuple[Kind, str, str]:
    soon: list[str] = []
    accounts = ExchangeAccount.objects.filter(owner_id=target.owner_id)
    for pk, expires_at in accounts.values_list("pk", "key_expires_at"):
        if expires_at is None:
            continue
        left = (expires_at - now).days
        reached = [days for days in KEY_DAYS if left <= days]
        if reached:
            soon.append(f"{pk}:{min(reached)}")
    line = (
        _("거래소 키가 곧 만료됩니다. 계정 화면에서 새 키로 바꾸세요.") if soon else ""
    )
    return Kind.KEYS, ",".join(soon), line


def _summary(target: Target, *, now: datetime) -> str:
    local = now.astimezone(pnl.KST)
    yesterday = local.date() - timedelta(days=1)
    profit = {
        mode.value: _earned_on(yesterday, target, mode=mode)
        for mode in choose_money(owner=target.owner).modes
    }
    return _("어제 실현손익 %(profit)s. %(target)s") % {
        "profit": won_by_mode(profit),
        "target": _counts(target),
    }


def _earned_on(day: date, target: Target, /, *, mode: AccountMode) -> Decimal:
    days = pnl.profit_by_day(owner=target.owner, first=day, last=day, mode=mode)
    return days.get(day, Decimal(0))


def _counts(target: Target, /) -> str:
    bots = Bot.objects.filter(owner_id=target.owner_id)
    running = bots.filter(state__in=(BotState.RUNNING, BotState.FINISHING)).count()
    halted = bots.filter(state=BotState.HALTED).count()
    rounds = Cycle.objects.filter(bot__in=bots).exclude(state__in=TERMINAL_CYCLES)
    return _(
        "실행 중인 봇 %(running)s개, 확인이 필요한 봇 %(halted)s개, 진행 중인 회차 %(count)s개."
    ) % {"running": running, "halted": halted, "count": rounds.count()}
