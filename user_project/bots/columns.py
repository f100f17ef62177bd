"""Columns and choices of the bots' tables: exact decimals, states in Korean."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.db import models

from common.wire import Level
from user_project.trading import lifecycle
from user_project.trading.facts import ExitReason
from user_project.trading.orders import OrderKind, Side
from user_project.trading.plan import Shape

if TYPE_CHECKING:
    # Not generic at run time.
    Amount = models.DecimalField[Decimal, Decimal]
    MaybeAmount = models.DecimalField[Decimal | None, Decimal | None]


def _choices(labels: dict[str, str]) -> list[tuple[str, str]]:
    return list(labels.items())


BOT_STATES = _choices(
    {
        lifecycle.BotState.DRAFT: "준비",
        lifecycle.BotState.RUNNING: "실행 중",
        lifecycle.BotState.PAUSED: "일시정지",
        lifecycle.BotState.FINISHING: "이번 회차까지",
        lifecycle.BotState.STOPPED: "정지",
        lifecycle.BotState.HALTED: "확인 필요",
    }
)
CYCLE_STATES = _choices(
    {
        lifecycle.CycleState.PLANNED: "계획",
        lifecycle.CycleState.OPENING: "첫 매수 중",
        lifecycle.CycleState.OPEN: "보유 중",
        lifecycle.CycleState.CLOSING: "정리 중",
        lifecycle.CycleState.FROZEN: "동결",
        lifecycle.CycleState.CLOSED: "종료",
        lifecycle.CycleState.ABORTED: "취소",
    }
)
ORDER_STATES = _choices(
    {
        lifecycle.OrderState.INTENT: "보내기 전",
        lifecycle.OrderState.POSTING: "보내는 중",
        lifecycle.OrderState.UNKNOWN: "확인 중",
        lifecycle.OrderState.OPEN: "미체결",
        lifecycle.OrderState.CANCELLING: "취소 중",
        lifecycle.OrderState.ABANDONED_WATCH: "감시 중",
        lifecycle.OrderState.FILLED: "체결",
        lifecycle.OrderState.CANCELLED: "취소됨",
        lifecycle.OrderState.REFUSED: "거부됨",
        lifecycle.OrderState.BURNED: "접수 안 됨",
    }
)
SIDES = _choices({Side.BID: "매수", Side.ASK: "매도"})
KINDS = _choices({OrderKind.LIMIT: "지정가", OrderKind.MARKET: "시장가"})
SHAPES = _choices({Shape.GEOMETRIC: "배수", Shape.EQUAL: "균등", Shape.LINEAR: "선형"})
LEVELS = _choices(
    {
        Level.AGGRESSIVE: "공격적 (7일)",
        Level.MODERATE: "보통 (30일)",
        Level.CONSERVATIVE: "보수적 (90일)",
    }
)
REENTRIES = _choices(
    {
        "reset": "쉬는 시간 뒤 바로",
        "last_sell": "지난 매도가 이하에서",
        "last_buy": "지난 첫 매수가 이하에서",
        "support": "지지선 가까이에서",
    }
)
EXIT_REASONS = _choices(
    {
        ExitReason.TAKE_PROFIT: "익절",
        ExitReason.TRAILING: "추적 익절",
        ExitReason.STOP_LOSS: "손절",
        ExitReason.BREAK_EVEN: "본전 보호",
        ExitReason.MAX_HOLD: "보유 기한",
        ExitReason.OWNER: "소유자 매도",
        ExitReason.EMERGENCY: "비상 매도",
        ExitReason.RELEASED: "코인 이관",
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
