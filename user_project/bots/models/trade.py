"""Cycles, orders, fills, the double-entry ledger and the diary."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Final

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from common.money import plain
from user_project.bots import columns
from user_project.bots.models.bot import Bot
from user_project.trading import lifecycle
from user_project.trading.facts import FIRST_MANUAL_STAGE

SIDE_NAMES: Final = dict(columns.SIDES)
STATE_NAMES: Final = dict(columns.ORDER_STATES)


class Cycle(models.Model):
    """One round: planned once, parameters frozen, until sold or aborted."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    bot = models.ForeignKey(Bot, on_delete=models.PROTECT, related_name="cycles")
    seq = models.PositiveIntegerField("회차")
    market = models.CharField("마켓", max_length=24)
    state = models.CharField(
        "상태",
        max_length=8,
        choices=columns.CYCLE_STATES,
        default=lifecycle.CycleState.PLANNED.value,
    )
    plan = models.JSONField("계획")
    """The stages and everything they were computed from; see bots.planning."""
    budget = models.DecimalField("예산(원)", max_digits=20, decimal_places=0)
    reserved = columns.won("주문 중(원)", default=Decimal(0))
    spent = columns.won("매수(원, 수수료 포함)", default=Decimal(0))
    received = columns.won("매도(원, 수수료 뺀 금액)", default=Decimal(0))
    volume = columns.price("보유 수량", default=Decimal(0))
    cost = columns.won("보유분 원가(원)", default=Decimal(0))
    profit = columns.won("실현손익(원)", default=Decimal(0))
    last_buy_at = models.DateTimeField("마지막 매수", null=True, blank=True)
    start_at = models.DateTimeField("첫 매수 예정", null=True, blank=True)
    peak_price = columns.maybe_price("고점")
    """Highest price seen since the last buy, where an option needs it."""
    exit_reason = models.CharField(
        "종료 사유", max_length=12, blank=True, choices=columns.EXIT_REASONS
    )
    owner_changes = models.JSONField("소유자의 변경", default=dict, blank=True)
    """``take_profit``, ``skipped`` stages, ``manual_buys``; see bots.owner_actions."""
    deficit = columns.maybe_price("부족 수량")
    """Coins the account lacks for this round, as the last reconciliation saw it."""
    deficit_seen_at = models.DateTimeField(null=True, blank=True, editable=False)
    held_alerts = models.PositiveSmallIntegerField(default=0, editable=False)
    opened_at = models.DateTimeField("시작", auto_now_add=True)
    closed_at = models.DateTimeField("종료", null=True, blank=True)

    class Meta:
        verbose_name = "회차"
        verbose_name_plural = "회차"
        ordering = ("-opened_at", "-seq")
        constraints = (
            models.UniqueConstraint(fields=("bot", "seq"), name="cycle_seq_once"),
            models.UniqueConstraint(
                fields=("bot",),
                condition=~Q(state__in=sorted(lifecycle.TERMINAL_CYCLES)),
                name="cycle_one_open_per_bot",
            ),
            models.CheckConstraint(
                condition=Q(reserved__gte=0, spent__gte=0)
                & Q(budget__gte=F("reserved") + F("spent")),
                name="cycle_within_budget",
            ),
            models.CheckConstraint(
                condition=Q(volume__gte=0), name="cycle_volume_not_negative"
            ),
        )
        indexes = (
            # What a bot has earned in all, without reading a single round.
            models.Index(fields=("bot",), include=("profit",), name="cycle_earned"),
        )

    def __str__(self) -> str:
        return f"{self.bot.name} {self.seq}회차"


class OrderQuerySet(models.QuerySet["Order"]):
    """Many-row filters."""

    def live(self) -> OrderQuerySet:
        """Orders that exist or may exist on the exchange, or are about to."""
        return self.filter(state__in=lifecycle.LIVE_ORDERS)


class Order(models.Model):
    """One order intent, committed before anything is sent."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    bot = models.ForeignKey(Bot, on_delete=models.PROTECT, related_name="orders")
    cycle = models.ForeignKey(Cycle, on_delete=models.PROTECT, related_name="orders")
    stage = models.PositiveSmallIntegerField("차수")
    """1..n for stage buys, 0 for the cycle itself (take profit, exit)."""
    side = models.CharField("구분", max_length=3, choices=columns.SIDES)
    attempt = models.PositiveIntegerField("시도")
    identifier = models.CharField("식별자", max_length=36, unique=True)
    market = models.CharField("마켓", max_length=24)
    kind = models.CharField("종류", max_length=6, choices=columns.KINDS)
    price = columns.maybe_price("가격")
    requested_volume = columns.maybe_price("주문 수량")
    funds = columns.maybe_won("주문 금액(원)")
    reserved = columns.won("묶인 금액(원)", default=Decimal(0))
    """KRW of the budget this order still holds; 0 once it is closed."""
    decision_price = columns.maybe_price("결정 시 시세")
    """Last price when a market order was decided; guards sending it again later."""
    body_sha256 = models.CharField(max_length=64, editable=False)
    decided_on = models.JSONField(null=True, blank=True, editable=False)
    """The facts that the decision rested on; `replay` decides again from them."""
    state = models.CharField(
        "상태",
        max_length=15,
        choices=columns.ORDER_STATES,
        default=lifecycle.OrderState.INTENT.value,
    )
    fence = models.BigIntegerField(editable=False)
    posted_at = models.DateTimeField("보낸 시각", null=True, blank=True)
    post_count = models.PositiveSmallIntegerField("보낸 횟수", default=0)
    not_found_count = models.PositiveSmallIntegerField(default=0)
    """Look-ups since the last POST that said the exchange knows no such order."""
    looked_up_at = models.DateTimeField(null=True, blank=True)
    exchange_uuid = models.CharField(
        "거래소 주문번호",
        max_length=64,
        null=True,
        blank=True,
        unique=True,
    )
    cancel_asked_at = models.DateTimeField(null=True, blank=True, editable=False)
    executed_volume = columns.price("체결 수량", default=Decimal(0))
    executed_funds = columns.won("체결 금액(원)", default=Decimal(0))
    paid_fee = columns.won("수수료(원)", default=Decimal(0))
    verdict = models.CharField("결과", max_length=200, blank=True)
    created_at = models.DateTimeField("생성", auto_now_add=True)
    closed_at = models.DateTimeField("종료", null=True, blank=True)

    objects = OrderQuerySet.as_manager()

    class Meta:
        verbose_name = "주문"
        verbose_name_plural = "주문"
        ordering = ("-created_at", "id")
        constraints = (
            models.UniqueConstraint(
                fields=("cycle", "stage", "side", "attempt"), name="order_attempt_once"
            ),
            models.UniqueConstraint(
                fields=("cycle", "stage", "side"),
                condition=Q(state__in=sorted(lifecycle.LIVE_ORDERS)),
                name="order_one_live_per_stage",
            ),
        )
        indexes = (
            models.Index(fields=("state", "looked_up_at")),
            models.Index(fields=("-created_at", "id")),
            models.Index(fields=("bot", "-created_at")),
            models.Index(fields=("market", "-created_at", "id")),
        )

    def __str__(self) -> str:
        return f"{self.cycle} {self.stage_name}"

    # Django's own get_..._display translates every choice for each row of a list.
    @property
    def side_name(self) -> str:
        """Return ``매수`` or ``매도``."""
        return str(SIDE_NAMES[self.side])

    @property
    def state_name(self) -> str:
        """Return the state as pages write it: ``미체결``, ``체결`` …"""
        return str(STATE_NAMES[self.state])

    @property
    def stage_name(self) -> str:
        """Return ``3차 매수``, ``익절``, ``시장가 매도`` or ``추가 매수 1``."""
        if self.stage == 0:
            return _("익절") if self.price is not None else _("시장가 매도")
        if self.stage >= FIRST_MANUAL_STAGE:
            return _("추가 매수 %(n)s") % {"n": self.stage - FIRST_MANUAL_STAGE + 1}
        return _("%(n)s차 %(side)s") % {
            "n": self.stage,
            "side": self.side_name,
        }


class Fill(models.Model):
    """One execution as the exchange reported it."""

    trade_uuid = models.CharField("체결번호", max_length=64)
    order = models.ForeignKey(Order, on_delete=models.PROTECT, related_name="fills")
    price = columns.price("체결가")
    volume = columns.price("수량")
    funds = columns.won("금액(원)")
    fee = columns.won("수수료(원)")
    traded_at = models.DateTimeField("체결 시각")

    class Meta:
        verbose_name = "체결"
        verbose_name_plural = "체결"
        ordering = ("-traded_at", "-id")
        constraints = (
            # One trade may have an order of ours on both of its sides.
            models.UniqueConstraint(
                fields=("order", "trade_uuid"), name="fill_trade_once_per_order"
            ),
        )
        indexes = (models.Index(fields=("-traded_at", "-id")),)

    def __str__(self) -> str:
        return f"{self.order} {plain(self.volume)} @ {plain(self.price)}"


class Adjustment(models.Model):
    """Coins that left a round without a trade: handed to the owner, or gone."""

    class Kind(models.TextChoices):
        """Why."""

        RELEASED = "released", _lazy("소유자에게 이관")
        LOST = "lost", _lazy("계정에서 사라짐")

    cycle = models.ForeignKey(
        Cycle, on_delete=models.PROTECT, related_name="adjustments"
    )
    kind = models.CharField("종류", max_length=8, choices=Kind)
    volume = columns.price("수량")
    cost = columns.won("원가(원)")
    note = models.CharField("사유", max_length=200, blank=True)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
    )
    at = models.DateTimeField("시각", auto_now_add=True)

    class Meta:
        verbose_name = "조정"
        verbose_name_plural = "조정"
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.cycle} {self.get_kind_display()} {plain(self.volume)}"


class LedgerEntry(models.Model):
    """One leg of a booking; the legs of a fill sum to zero per currency."""

    class Account(models.TextChoices):
        """Where value sits."""

        CASH = "cash", "현금"
        POSITION = "position", "보유"
        FEE = "fee", "수수료"
        PROFIT = "profit", "손익"
        MARKET = "market", "거래 상대"
        OWNER = "owner", "소유자"

    fill = models.ForeignKey(
        Fill, on_delete=models.PROTECT, null=True, blank=True, related_name="entries"
    )
    adjustment = models.ForeignKey(
        Adjustment,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="entries",
    )
    cycle = models.ForeignKey(Cycle, on_delete=models.PROTECT, related_name="entries")
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        verbose_name="소유자",
    )
    """The bot's. With `at` it lets one index answer what somebody earned, which every
    look at the home page asks: neither rounds nor causes have to be looked up."""
    account = models.CharField("계정", max_length=8, choices=Account)
    currency = models.CharField("통화", max_length=20)
    amount = columns.won("금액")
    at = models.DateTimeField("시각")
    """When its fill was traded or its adjustment made."""

    class Meta:
        verbose_name = "원장"
        verbose_name_plural = "원장"
        ordering = ("id",)
        constraints = (
            models.CheckConstraint(
                condition=Q(fill__isnull=True) ^ Q(adjustment__isnull=True),
                name="ledger_entry_has_one_cause",
            ),
        )
        indexes = (
            models.Index(
                fields=("account", "at"),
                include=("owner", "cycle", "amount"),
                condition=Q(account__in=("profit", "fee"), currency="KRW"),
                name="ledger_earned",
            ),
        )

    def __str__(self) -> str:
        return f"{self.account} {plain(self.amount)} {self.currency}"


class BotEvent(models.Model):
    """Append-only: what happened to a bot, and why."""

    bot = models.ForeignKey(Bot, on_delete=models.PROTECT, related_name="events")
    cycle = models.ForeignKey(
        Cycle, on_delete=models.PROTECT, null=True, blank=True, related_name="events"
    )
    order = models.ForeignKey(
        Order, on_delete=models.PROTECT, null=True, blank=True, related_name="events"
    )
    kind = models.CharField("종류", max_length=40)
    """Reverse-dotted: ``bot.running``, ``order.filled``, ``cycle.closed`` …"""
    message = models.CharField("내용", max_length=300)
    message_en = models.CharField(
        "영어 문장", max_length=300, blank=True, editable=False
    )
    data = models.JSONField("자료", default=dict)
    at = models.DateTimeField("시각", auto_now_add=True)

    class Meta:
        verbose_name = "기록"
        verbose_name_plural = "기록"
        ordering = ("-id",)
        indexes = (models.Index(fields=("bot", "-id")),)

    def __str__(self) -> str:
        return self.message

    @property
    def sentence(self) -> str:
        """Return what happened in the reader's language, as far as it was written."""
        english = str(get_language()).startswith("en")
        return (self.message_en if english else "") or self.message
