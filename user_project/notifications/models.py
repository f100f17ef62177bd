"""Where an owner is told, of what, and how far he has been told."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _lazy


class Kind(models.TextChoices):
    """What an owner may be told of."""

    FILL = "fill", _lazy("체결")
    CLOSED = "closed", _lazy("회차 종료 (익절, 손절)")
    TROUBLE = "trouble", _lazy("문제 (멈춤, 거부, 격리)")
    STALE = "stale", _lazy("본사 분석이 끊김")
    KEYS = "keys", _lazy("키 만료")
    DAILY = "daily", _lazy("매일 9시 요약")
    HEARTBEAT = "heartbeat", _lazy("매일 21시 살아 있음")


class TargetQuerySet(models.QuerySet["Target"]):
    """Many-row filters."""

    def for_user(self, user: Any) -> TargetQuerySet:
        """Only what *user* owns."""
        return self.filter(owner=user)


class Target(models.Model):
    """One place, such as a chat; its address is sealed because it is a key."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="targets"
    )
    name = models.CharField(_lazy("이름"), max_length=60)
    service = models.CharField(_lazy("서비스"), max_length=30)
    sealed_address = models.BinaryField(editable=False)
    kinds = models.JSONField(_lazy("알릴 것"), default=list)
    is_on = models.BooleanField(_lazy("켜짐"), default=True)
    last_event_id = models.BigIntegerField(default=0, editable=False)
    """Newest line of the bots' diary that was told or passed over."""
    told = models.JSONField(default=dict, editable=False)
    """Kind -> for which day or state it was told last; nothing is told twice."""
    next_try_at = models.DateTimeField(_lazy("다음 시도"), null=True, blank=True)
    failures = models.PositiveIntegerField(_lazy("연속 실패"), default=0)
    last_error = models.CharField(_lazy("마지막 문제"), max_length=200, blank=True)
    last_sent_at = models.DateTimeField(_lazy("마지막 전송"), null=True, blank=True)
    created_at = models.DateTimeField(_lazy("만든 시각"), auto_now_add=True)

    objects = TargetQuerySet.as_manager()

    class Meta:
        verbose_name = _lazy("알림 대상")
        verbose_name_plural = _lazy("알림 대상")
        ordering = ("created_at", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("owner", "name"), name="target_name_once_per_owner"
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} ({self.service})"


class OwnLanguage(models.Model):
    """The language an owner chose to be told in; without a row it is Korean."""

    owner = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        primary_key=True,
        related_name="own_language",
    )
    language = models.CharField(_lazy("언어"), max_length=5, choices=settings.LANGUAGES)

    class Meta:
        verbose_name = _lazy("알림 언어")
        verbose_name_plural = _lazy("알림 언어")

    def __str__(self) -> str:
        return f"{self.owner_id} {self.language}"
