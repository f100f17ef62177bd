"""Kill switch, emergency stops, crash brake and the pulse of the queues."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.db.models import Q

from common.money import plain
from user_project.bots import columns


class ServerSwitch(models.Model):
    """One row: the kill switch of the whole server."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    kill_switch_at = models.DateTimeField("비상 정지", null=True, blank=True)
    kill_switch_reason = models.CharField("비상 정지 사유", max_length=200, blank=True)

    class Meta:
        verbose_name = "서버 비상 정지"
        verbose_name_plural = "서버 비상 정지"
        constraints = (
            models.CheckConstraint(condition=Q(id=1), name="server_switch_single_row"),
        )

    def __str__(self) -> str:
        return "켜짐" if self.kill_switch_at else "꺼짐"


class EmergencyStop(models.Model):
    """One emergency stop: whose bots, with or without selling, what it set out to do."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="emergency_stops",
    )
    """Empty: every owner's bots, ordered by the operator."""
    account = models.ForeignKey(
        "accounts.ExchangeAccount",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="emergency_stops",
    )
    sell_all = models.BooleanField("시장가 매도", default=False)
    effects = models.JSONField("대상", default=list)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
    )
    at = models.DateTimeField("시각", auto_now_add=True)

    class Meta:
        verbose_name = "비상 정지 기록"
        verbose_name_plural = "비상 정지 기록"
        ordering = ("-at", "id")

    def __str__(self) -> str:
        return f"{self.at:%m-%d %H:%M} {'매도' if self.sell_all else '정지'}"


class PriceSample(models.Model):
    """A market's price once a minute, for the crash brake; kept for an hour or so."""

    host = models.CharField(max_length=200)
    market = models.CharField(max_length=24)
    at = models.DateTimeField()
    """The minute."""
    price = columns.price("가격")

    class Meta:
        verbose_name = "분당 시세"
        verbose_name_plural = "분당 시세"
        ordering = ("-at", "market")
        constraints = (
            models.UniqueConstraint(
                fields=("host", "at", "market"), name="price_sample_once_a_minute"
            ),
        )

    def __str__(self) -> str:
        return f"{self.market} {plain(self.price)}"


class Brake(models.Model):
    """Whether an exchange's market fell so fast that no new stages are bought."""

    host = models.CharField("거래소 주소", max_length=200, primary_key=True)
    until = models.DateTimeField("까지", null=True, blank=True)
    reason = models.CharField("사유", max_length=200, blank=True)
    updated_at = models.DateTimeField("확인 시각")

    class Meta:
        verbose_name = "급락 제동"
        verbose_name_plural = "급락 제동"

    def __str__(self) -> str:
        return self.reason or "없음"


class QueueHeartbeat(models.Model):
    """When a queue's worker last did what it was sent; see bots.canary."""

    queue = models.CharField("큐", max_length=40, primary_key=True)
    worker = models.CharField("작업자", max_length=120)
    seen_at = models.DateTimeField("마지막 응답")

    class Meta:
        verbose_name = "작업 큐"
        verbose_name_plural = "작업 큐"

    def __str__(self) -> str:
        return self.queue
