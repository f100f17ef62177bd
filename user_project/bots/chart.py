"""What a bot's chart shows: candles, support lines, stages, average, exits, trades."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from django.core.cache import cache
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as _noop

from common.money import plain
from user_project.accounts.services import AccountProblem, adapter_for
from user_project.bots import overview
from user_project.bots.models import Bot, Fill
from user_project.central_api.services import latest_snapshot
from user_project.exchanges.adapter import Candle, ExchangeError

__all__ = ["Candle", "Chart", "Line", "Mark", "chart"]

UNITS: Final = (5, 60, 1440)
"""Minutes of a candle that the chart offers."""
COUNT: Final = 400
NUMBERS: Final = ("opened", "high", "low", "closed", "volume")
KEPT: Final = timedelta(seconds=20)
"""Open pages share what was read; the newest price comes from elsewhere."""
UNREAD_KEPT: Final = timedelta(seconds=5)
"""Nor does every page ask again for what the exchange just refused."""
UNREAD: Final = _noop("거래소에서 캔들을 받지 못했습니다. 잠시 뒤 다시 시도합니다.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One horizontal line: what it is (``support``, ``stage`` …) and whether it is past."""

    kind: str
    label: str
    price: Decimal
    done: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One execution on the chart."""

    at: datetime
    side: str
    label: str
    price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Everything to draw; without candles *problem* says why."""

    market: str
    unit: int
    candles: list[Candle]
    lines: list[Line]
    marks: list[Mark]
    problem: str


def chart(*, bot: Bot, unit: int, now: datetime) -> Chart:
    """Collect the chart of a bot's present coin."""
    view = overview.bot_view(bot=bot, now=now)
    market = view.cycle.market if view.cycle else bot.market
    candles, problem = _candles(bot, market=market, unit=unit)
    return Chart(
        market=market,
        unit=unit,
        candles=candles,
        lines=[*_supports(market), *_own(view)],
        marks=_marks(view, since=candles[0].started_at if candles else now),
        problem=problem,
    )


def _candles(bot: Bot, *, market: str, unit: int) -> tuple[list[Candle], str]:
    if not market:
        return [], _("코인이 정해지면 차트가 나옵니다.")
    key = f"candles:{bot.account.base_url}:{market}:{unit}"
    known = cache.get(key)
    if known is not None:
        return [_read(row) for row in known], "" if known else _(UNREAD)
    try:
        adapter = adapter_for(account=bot.account)
        found = adapter.get_candles(market=market, unit=unit, count=COUNT)
    except (AccountProblem, ExchangeError):
        cache.set(key, [], UNREAD_KEPT.total_seconds())
        return [], _(UNREAD)
    cache.set(key, [_written(candle) for candle in found], KEPT.total_seconds())
    return found, ""


def _written(candle: Candle, /) -> list[str]:
    return [
        value.isoformat() if isinstance(value, datetime) else plain(value)
        for value in astuple(candle)
    ]


def _read(row: list[str], /) -> Candle:
    started_at, *numbers = row
    return Candle(
        started_at=datetime.fromisoformat(started_at),
        **dict(zip(NUMBERS, map(Decimal, numbers), strict=True)),
    )


def _supports(market: str, /) -> Iterator[Line]:
    snapshot = latest_snapshot()
    levels = snapshot.bundle.support_levels.get(market) if snapshot else None
    for level in levels.levels.values() if levels else ():
        if level.price is not None:
            label = _("지지 %(horizon_days)s일") % {"horizon_days": level.horizon_days}
            yield Line(kind="support", label=label, price=level.price)


def _own(view: overview.BotView, /) -> Iterator[Line]:
    for stage in view.stages:
        done = stage.state == "filled"
        label = _("%(stage)s차") % {"stage": stage.stage}
        yield Line(kind="stage", label=label, price=stage.price, done=done)
    named: list[tuple[str, str, Decimal | None]] = [
        ("average", _("평단"), view.average),
        ("take_profit", _("익절"), view.take_profit_price),
        ("stop", _("손절"), view.stop_price),
    ]
    for kind, label, price in named:
        if price is not None:
            yield Line(kind=kind, label=label, price=price)


def _marks(view: overview.BotView, /, *, since: datetime) -> list[Mark]:
    if view.cycle is None:
        return []
    fills: Any = Fill.objects.filter(order__cycle=view.cycle, traded_at__gte=since)
    return [
        Mark(
            at=fill.traded_at,
            side=fill.order.side,
            label=fill.order.stage_name,
            price=fill.price,
        )
        for fill in fills.select_related("order").order_by("traded_at")
    ]
