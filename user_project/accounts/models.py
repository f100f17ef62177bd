"""Exchange accounts, keys encrypted and bound to the row; guesses at passwords and codes."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from user_project.accounts.hosts import host_problem


class AccountMode(models.TextChoices):
    """Paper trades against the simulator's hosts only, live against Upbit's only."""

    PAPER = "paper", _("모의투자")
    LIVE = "live", _("실전투자")


class ExchangeAccountQuerySet(models.QuerySet["ExchangeAccount"]):
    """Many-row filters."""

    def for_user(self, user: Any) -> ExchangeAccountQuerySet:
        """Only what *user* owns."""
        return self.filter(owner=user)

    def usable(self) -> ExchangeAccountQuerySet:
        """Accounts whose orders may be followed."""
        return self.filter(quarantined_at__isnull=True)


class ExchangeAccount(models.Model):
    """One exchange account of one owner."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="accounts"
    )
    name = models.CharField("이름", max_length=60)
    exchange = models.CharField("거래소", max_length=20, default="upbit")
    mode = models.CharField(
        "모드", max_length=5, choices=AccountMode, default=AccountMode.PAPER
    )
    base_url = models.URLField("거래소 주소", max_length=200)
    access_key_last4 = models.CharField("Access key 끝 4자리", max_length=4)
    sealed_keys = models.BinaryField(editable=False)
    """Both keys, AES-256-GCM, bound to owner and row; see accounts.keys."""
    key_expires_at = models.DateTimeField("키 만료", null=True, blank=True)
    key_problem = models.CharField("키 문제", max_length=200, blank=True)
    quarantined_at = models.DateTimeField("격리 시각", null=True, blank=True)
    quarantine_reason = models.CharField("격리 사유", max_length=300, blank=True)
    strange_orders = models.JSONField("낯선 주문", default=list, editable=False)
    """Identifiers for which the account was set apart."""
    accepted_orders = models.JSONField("확인한 주문", default=list, editable=False)
    """Those of them that a person has looked into: they set it apart no more."""
    key_checked_at = models.DateTimeField("마지막 키 점검", null=True, blank=True)
    kill_switch_at = models.DateTimeField("비상 정지", null=True, blank=True)
    kill_switch_reason = models.CharField("비상 정지 사유", max_length=200, blank=True)
    cap_budget = models.DecimalField(
        _("투자 한도(원)"), max_digits=20, decimal_places=0, null=True, blank=True
    )
    """Most won that the budgets of the open rounds may sum to; empty is no cap."""
    cap_coin = models.DecimalField(
        _("코인당 한도(원)"), max_digits=20, decimal_places=0, null=True, blank=True
    )
    cap_cycles = models.PositiveSmallIntegerField(
        _("동시 진행 회차"), null=True, blank=True
    )
    balances = models.JSONField("잔고", default=dict, editable=False)
    """Currency -> (free, locked) as exact text, as the exchange said when last compared."""
    balances_at = models.DateTimeField("잔고 시각", null=True, editable=False)
    reconciled_at = models.DateTimeField("마지막 대조", null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    objects = ExchangeAccountQuerySet.as_manager()

    class Meta:
        verbose_name = "거래소 계정"
        verbose_name_plural = "거래소 계정"
        ordering = ("created_at", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("owner", "name"), name="account_name_once_per_owner"
            ),
        )

    def __str__(self) -> str:
        return f"{self.name} ({self.get_mode_display()})"

    def clean(self) -> None:
        """Refuse an address that the mode may not talk to, wherever it is typed."""
        problem = host_problem(mode=self.mode, base_url=self.base_url)
        if problem:
            raise ValidationError({"base_url": problem})


class Guess(models.Model):
    """A password or code that was wrong, or is being checked right now."""

    what = models.CharField(max_length=200)
    """What was guessed: the password of a name, the code of a person."""
    address = models.CharField(max_length=45, blank=True)
    """From where; empty where guesses from everywhere count together."""
    at = models.DateTimeField()

    class Meta:
        verbose_name = "틀린 비밀번호·코드"
        verbose_name_plural = "틀린 비밀번호·코드"
        ordering = ("-at", "-id")
        indexes = (
            models.Index(fields=("what", "address", "-at"), name="guess_of_one"),
            models.Index(fields=("address", "-at"), name="guess_from_one"),
            models.Index(fields=("at",), name="guess_old"),
        )

    def __str__(self) -> str:
        return f"{self.what} {self.address}"
