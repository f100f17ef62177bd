"""Bots: the options of their owner, state, lease and wake-ups."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext as _

from common.wire import Level
from user_project.bots import columns
from user_project.trading import lifecycle
from user_project.trading.plan import Shape

if TYPE_CHECKING:
    from datetime import datetime


class BotQuerySet(models.QuerySet["Bot"]):
    """Many-row filters."""

    def for_user(self, user: Any) -> BotQuerySet:
        """Only what *user* owns."""
        return self.filter(owner=user)

    def active(self) -> BotQuerySet:
        """Bots that may have to act; a stopped one only while it has an appointment."""
        return self.filter(
            Q(state__in=lifecycle.ACTIVE_BOTS) | Q(next_tick_at__isnull=False)
        )

    def free(self, *, now: datetime) -> BotQuerySet:
        """Bots that no worker holds."""
        return self.filter(Q(lease_until__isnull=True) | Q(lease_until__lt=now))


class Bot(models.Model):
    """One staged-buying bot: options of the owner, state, lease and wake-ups."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="bots"
    )
    account = models.ForeignKey(
        "accounts.ExchangeAccount", on_delete=models.PROTECT, related_name="bots"
    )
    name = models.CharField("이름", max_length=60)
    market = models.CharField("마켓", max_length=24, blank=True)
    """Chosen coin; with auto_select the coin of the running cycle, else empty."""
    auto_select = models.BooleanField("자동 선택", default=False)

    budget = models.DecimalField("예산(원)", max_digits=20, decimal_places=0)
    stages = models.PositiveSmallIntegerField("차수", default=7)
    multiplier = models.DecimalField(
        "배수", max_digits=4, decimal_places=2, default=Decimal("1.25")
    )
    shape = models.CharField(
        "금액 배분", max_length=9, choices=columns.SHAPES, default=Shape.GEOMETRIC.value
    )
    level = models.CharField(
        "지지선", max_length=12, choices=columns.LEVELS, default=Level.MODERATE.value
    )
    take_profit = models.DecimalField(
        "익절률(순이익)", max_digits=6, decimal_places=4, default=Decimal("0.015")
    )
    jitter = models.DecimalField(
        "흩뜨림", max_digits=3, decimal_places=2, default=Decimal("0.25")
    )
    stage_cooldown_seconds = models.PositiveIntegerField("차수 간격(초)", default=60)
    cycle_cooldown_seconds = models.PositiveIntegerField(
        "회차 간격(초)", default=21_600
    )

    stage_table = models.JSONField("차수표", null=True, blank=True)
    """Own table in place of shape and spacing: ``[{"drop": "0.03", "weight": "1"}]``."""
    max_depth = models.DecimalField(
        "최대 하락폭", max_digits=3, decimal_places=2, default=Decimal("0.40")
    )
    resting_stages = models.PositiveSmallIntegerField("미리 걸어 둘 차수", default=2)
    trailing = columns.maybe_share("추적 익절 하락률")
    stop_below_last = columns.maybe_share("손절 (마지막 차수 아래)")
    break_even_after = columns.maybe_share("본전 보호 시작 상승률")
    max_hold_hours = models.PositiveIntegerField(
        "최대 보유(시간)", null=True, blank=True
    )
    max_cycles = models.PositiveIntegerField("최대 회차", null=True, blank=True)
    reinvest = models.DecimalField(
        "수익 재투자 비율", max_digits=3, decimal_places=2, default=Decimal(0)
    )
    reentry = models.CharField(
        "재진입", max_length=9, choices=columns.REENTRIES, default="reset"
    )
    crash_brake = models.BooleanField("급락 제동", default=True)

    kill_switch_at = models.DateTimeField("비상 정지", null=True, blank=True)
    live_enabled_at = models.DateTimeField("실전투자 동의", null=True, blank=True)
    """The owner's own switch on a live account; see bots.live."""

    state = models.CharField(
        "상태",
        max_length=10,
        choices=columns.BOT_STATES,
        default=lifecycle.BotState.DRAFT.value,
    )
    reason = models.CharField("지금 하지 않는 이유", max_length=40, blank=True)
    reason_at = models.DateTimeField(null=True, blank=True, editable=False)

    fence = models.BigIntegerField(default=0, editable=False)
    lease_owner = models.CharField(max_length=80, blank=True, editable=False)
    lease_until = models.DateTimeField(null=True, blank=True, editable=False)
    next_tick_at = models.DateTimeField("다음 확인", null=True, blank=True)
    wake_below = columns.maybe_price("이 가격 이하에서 확인")
    wake_above = columns.maybe_price("이 가격 이상에서 확인")
    tick_failures = models.PositiveSmallIntegerField("연속 실패", default=0)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = BotQuerySet.as_manager()

    class Meta:
        verbose_name = "봇"
        verbose_name_plural = "봇"
        ordering = ("created_at", "id")
        indexes = (
            models.Index(fields=("next_tick_at",)),
            models.Index(fields=("market", "wake_below")),
            models.Index(fields=("market", "wake_above")),
        )
        constraints = (
            models.CheckConstraint(
                condition=Q(budget__gt=0), name="bot_budget_positive"
            ),
            models.CheckConstraint(
                condition=Q(stages__gte=1, stages__lte=20), name="bot_stages_1_to_20"
            ),
            models.CheckConstraint(
                condition=Q(auto_select=True) | ~Q(market=""),
                name="bot_market_or_auto",
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} ({self.market or _('자동 선택')})"
