"""Columns and choices of the bots' tables: exact decimals, states in Korean."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db import models
from django.utils.translation import gettext_lazy
from django.utils.translation import gettext_noop as _noop

from common.wire import Level
from user_project.trading import lifecycle
from user_project.trading.facts import ExitReason
from user_project.trading.orders import OrderKind, Side
from user_project.trading.plan import Shape

if TYPE_CHECKING:
    # Not generic at run time.
    Amount = models.DecimalField[Decimal, Decimal]
    MaybeAmount = models.DecimalField[Decimal | None, Decimal | None]


def _choices(labels: dict[str, str]) -> list[tuple[str, Any]]:
    return [(value, gettext_lazy(label)) for value, label in labels.items()]


BOT_STATES = _choices(
    {
        lifecycle.BotState.DRAFT: _noop("준비"),
        lifecycle.BotState.RUNNING: _noop("실행 중"),
        lifecycle.BotState.PAUSED: _noop("일시정지"),
        lifecycle.BotState.FINISHING: _noop("이번 회차까지"),
        lifecycle.BotState.STOPPED: _noop("정지"),
        lifecycle.BotState.HALTED: _noop("확인 필요"),
    }
)
CYCLE_STATES = _choices(
    {
        lifecycle.CycleState.PLANNED: _noop("계획"),
        lifecycle.CycleState.OPENING: _noop("첫 매수 중"),
        lifecycle.CycleState.OPEN: _noop("보유 중"),
        lifecycle.CycleState.CLOSING: _noop("정리 중"),
        lifecycle.CycleState.FROZEN: _noop("동결"),
        lifecycle.CycleState.CLOSED: _noop("종료"),
        lifecycle.CycleState.ABORTED: _noop("취소"),
    }
)
ORDER_STATES = _choices(
    {
        lifecycle.OrderState.INTENT: _noop("보내기 전"),
        lifecycle.OrderState.POSTING: _noop("보내는 중"),
        lifecycle.OrderState.UNKNOWN: _noop("확인 중"),
        lifecycle.OrderState.OPEN: _noop("미체결"),
        lifecycle.OrderState.CANCELLING: _noop("취소 중"),
        lifecycle.OrderState.ABANDONED_WATCH: _noop("감시 중"),
        lifecycle.OrderState.FILLED: _noop("체결"),
        lifecycle.OrderState.CANCELLED: _noop("취소됨"),
        lifecycle.OrderState.REFUSED: _noop("거부됨"),
        lifecycle.OrderState.BURNED: _noop("접수 안 됨"),
    }
)
SIDES = _choices({Side.BID: _noop("매수"), Side.ASK: _noop("매도")})
KINDS = _choices({OrderKind.LIMIT: _noop("지정가"), OrderKind.MARKET: _noop("시장가")})
SHAPES = _choices(
    {
        Shape.GEOMETRIC: _noop("배수"),
        Shape.EQUAL: _noop("균등"),
        Shape.LINEAR: _noop("선형"),
    }
)
LEVELS = _choices(
    {
        Level.AGGRESSIVE: _noop("공격적 (7일)"),
        Level.MODERATE: _noop("보통 (30일)"),
        Level.CONSERVATIVE: _noop("보수적 (90일)"),
    }
)
REENTRIES = _choices(
    {
        "reset": _noop("쉬는 시간 뒤 바로"),
        "last_sell": _noop("지난 매도가 이하에서"),
        "last_buy": _noop("지난 첫 매수가 이하에서"),
        "support": _noop("지지선 가까이에서"),
    }
)
EXIT_REASONS = _choices(
    {
        ExitReason.TAKE_PROFIT: _noop("익절"),
        ExitReason.TRAILING: _noop("추적 익절"),
        ExitReason.STOP_LOSS: _noop("손절"),
        ExitReason.BREAK_EVEN: _noop("본전 보호"),
        ExitReason.MAX_HOLD: _noop("보유 기한"),
        ExitReason.OWNER: _noop("소유자 매도"),
        ExitReason.EMERGENCY: _noop("비상 매도"),
        ExitReason.RELEASED: _noop("코인 이관"),
    }
)


def price(label: str, *, default: Decimal | None = None) -> Amount:
    """A price or a coin volume: 8 places."""
    return models.DecimalField(
        label, max_digits=30, decimal_places=8, **_default(default)
    )


def won(label: str, *, default: Decimal | None = None) -> Amount:
    """KRW: price (8 places) x volume (8) x fee (4), so nothing is ever rounded."""
    return models.DecimalField(
        label, max_digits=40, decimal_places=20, **_default(default)
    )


def maybe_price(label: str) -> MaybeAmount:
    """A price or volume that not every row has."""
    return models.DecimalField(
        label, max_digits=30, decimal_places=8, null=True, blank=True
    )


def maybe_won(label: str) -> MaybeAmount:
    """KRW that not every row has."""
    return models.DecimalField(
        label, max_digits=40, decimal_places=20, null=True, blank=True
    )


def maybe_share(label: str) -> MaybeAmount:
    """A share (0.015 = 1.5 %) that not every row has."""
    return models.DecimalField(
        label, max_digits=6, decimal_places=4, null=True, blank=True
    )


def _default(value: Decimal | None) -> dict[str, Any]:
    return {} if value is None else {"default": value}
