"""What comes out of the API; money is decimal text, times are ISO-8601 UTC."""

from __future__ import annotations

from datetime import UTC
from typing import Any, Final

from django.db import models
from django.utils.translation import gettext_lazy as _
from django.utils.translation import gettext_lazy as _lazy
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from user_project.accounts.models import ExchangeAccount
from user_project.api.fields import DecimalText
from user_project.bots.columns import LEVELS
from user_project.bots.models import (
    Bot,
    BotEvent,
    Cycle,
    Fill,
    LedgerEntry,
    Order,
)


class UtcTime(serializers.DateTimeField):
    """An instant in ISO-8601 UTC, whatever the server's time zone shows to people."""

    def __init__(self, **options: Any) -> None:
        """Fix the zone."""
        super().__init__(default_timezone=UTC, **options)


class ModelRows(serializers.ModelSerializer[Any]):
    """Rows whose decimals are text and whose times are UTC."""

    serializer_field_mapping = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.DecimalField: DecimalText,
        models.DateTimeField: UtcTime,
    }


class AccountRow(ModelRows):
    """An exchange account; its keys are never shown."""

    class Meta:
        model = ExchangeAccount
        fields = (
            "id",
            "name",
            "exchange",
            "mode",
            "base_url",
            "access_key_last4",
            "key_expires_at",
            "key_problem",
            "quarantined_at",
            "quarantine_reason",
            "key_checked_at",
            "kill_switch_at",
            "kill_switch_reason",
            "cap_budget",
            "cap_coin",
            "cap_cycles",
            "reconciled_at",
            "created_at",
        )


@extend_schema_field(
    {
        "type": ["array", "null"],
        "items": {
            "type": "object",
            "properties": {"drop": {"type": "string"}, "weight": {"type": "string"}},
            "required": ["drop", "weight"],
        },
        "description": _lazy(
            "차수마다 하락폭(0~1)과 비중. Ratio below the first price, weight."
        ),
    }
)
class OwnTable(serializers.JSONField):
    """An own table of stages, as the bot keeps it."""


class BotRow(ModelRows):
    """A bot's options and state."""

    stage_table = OwnTable(allow_null=True)

    class Meta:
        model = Bot
        fields = (
            "id",
            "account",
            "name",
            "market",
            "auto_select",
            "budget",
            "stages",
            "multiplier",
            "shape",
            "level",
            "take_profit",
            "jitter",
            "stage_cooldown_seconds",
            "cycle_cooldown_seconds",
            "stage_table",
            "max_depth",
            "resting_stages",
            "trailing",
            "stop_below_last",
            "break_even_after",
            "max_hold_hours",
            "max_cycles",
            "reinvest",
            "reentry",
            "crash_brake",
            "kill_switch_at",
            "live_enabled_at",
            "state",
            "reason",
            "reason_at",
            "created_at",
        )


class OrderRow(ModelRows):
    """One order of a bot."""

    class Meta:
        model = Order
        fields = (
            "id",
            "bot",
            "cycle",
            "stage",
            "side",
            "attempt",
            "identifier",
            "market",
            "kind",
            "price",
            "requested_volume",
            "funds",
            "state",
            "posted_at",
            "exchange_uuid",
            "executed_volume",
            "executed_funds",
            "paid_fee",
            "verdict",
            "created_at",
            "closed_at",
        )


class CycleRow(ModelRows):
    """One round of a bot with its frozen plan."""

    class Meta:
        model = Cycle
        fields = (
            "id",
            "bot",
            "seq",
            "market",
            "state",
            "budget",
            "reserved",
            "spent",
            "received",
            "volume",
            "cost",
            "profit",
            "last_buy_at",
            "start_at",
            "peak_price",
            "exit_reason",
            "owner_changes",
            "deficit",
            "opened_at",
            "closed_at",
            "plan",
        )


class FillRow(ModelRows):
    """One execution."""

    bot = serializers.UUIDField(source="order.bot_id")

    class Meta:
        model = Fill
        fields = (
            *("id", "trade_uuid", "order", "bot", "price", "volume", "funds", "fee"),
            "traded_at",
        )


class LedgerRow(ModelRows):
    """One leg of a booking; the legs of a fill or an adjustment sum to zero."""

    class Meta:
        model = LedgerEntry
        fields = (
            *("id", "cycle", "fill", "adjustment", "account", "currency", "amount"),
            "at",
        )


class PnlLine(serializers.Serializer[Any]):
    """A day (Korean time), a coin or a bot."""

    key = serializers.CharField()
    name = serializers.CharField()
    profit = DecimalText(help_text=_("실현손익(원), 수수료 제외"))
    fees = DecimalText()


class EffectRow(serializers.Serializer[Any]):
    """What an emergency stop does to one bot."""

    bot_id = serializers.UUIDField()
    name = serializers.CharField()
    market = serializers.CharField()
    state = serializers.CharField()
    buys_withdrawn = serializers.IntegerField()
    take_profit_withdrawn = serializers.BooleanField()
    volume = DecimalText()
    cost = DecimalText()
    estimated_won = DecimalText(allow_null=True)
    sells = serializers.BooleanField()


class ResultRow(serializers.Serializer[Any]):
    """How far one bot has come."""

    bot_id = serializers.UUIDField()
    name = serializers.CharField()
    done = serializers.BooleanField()
    message = serializers.CharField()


class EmergencyRow(serializers.Serializer[Any]):
    """An emergency stop: its effects, and since it began its results."""

    id = serializers.UUIDField(allow_null=True)
    at = UtcTime(allow_null=True)
    sell_all = serializers.BooleanField()
    effects = EffectRow(many=True)
    results = ResultRow(many=True)


class EventRow(ModelRows):
    """What happened to a bot, in a sentence and as data."""

    class Meta:
        model = BotEvent
        fields = ("id", "bot", "cycle", "order", "kind", "message", "data", "at")


class PlanStageRow(serializers.Serializer[Any]):
    """One planned buy; average, break-even and take profit if filled down to here."""

    stage = serializers.IntegerField()
    price = DecimalText()
    amount = DecimalText(help_text=_("원, 수수료 제외"))
    average = DecimalText(shown_places=8)
    break_even = DecimalText()
    take_profit = DecimalText()


class PlanRow(serializers.Serializer[Any]):
    """A plan in won."""

    stages = PlanStageRow(many=True)
    reasons = serializers.ListField(child=serializers.CharField())
    minimum_budget = DecimalText()
    drop = DecimalText(
        shown_places=8, help_text=_("현재가에서 마지막 차수까지의 하락률")
    )
    rebound = DecimalText(
        shown_places=8, help_text=_("마지막 차수에서 익절가까지 필요한 반등률")
    )
    worst_case = DecimalText(
        help_text=_("모든 차수를 사고 가격이 마지막 차수에 머물 때의 손실(원)")
    )


DAY_CHANGE: Final = _("전일대비(비율). 한국 시각 9시의 종가 기준, 모르면 null")


class PreviewRow(serializers.Serializer[Any]):
    """What a bot would do now; nothing is stored or sent."""

    market = serializers.CharField()
    korean_name = serializers.CharField()
    level = serializers.ChoiceField(choices=LEVELS)
    support = DecimalText()
    price = DecimalText()
    price_at = UtcTime()
    day_change = DecimalText(allow_null=True, shown_places=8, help_text=DAY_CHANGE)
    run_id = serializers.CharField()
    data_as_of = UtcTime()
    stale = serializers.BooleanField()
    plan = PlanRow()
    notes = serializers.ListField(child=serializers.CharField())
    touch_probability = DecimalText(
        allow_null=True,
        help_text="Chance (ratio) that the price reaches the support within touch_days.",
    )
    touch_days = serializers.IntegerField(allow_null=True)


class StageRow(serializers.Serializer[Any]):
    """One stage of the running round and what became of it."""

    stage = serializers.IntegerField()
    price = DecimalText(allow_null=True)
    amount = DecimalText(allow_null=True)
    state = serializers.CharField()
    order = OrderRow(allow_null=True)


class BotStatus(serializers.Serializer[Any]):
    """A bot with the numbers of its running round and their age."""

    bot = BotRow()
    cycle = CycleRow(allow_null=True)
    stages = StageRow(many=True)
    price = DecimalText(allow_null=True)
    price_at = UtcTime(allow_null=True)
    day_change = DecimalText(allow_null=True, shown_places=8, help_text=DAY_CHANGE)
    average = DecimalText(allow_null=True, shown_places=8)
    break_even = DecimalText(allow_null=True)
    take_profit_price = DecimalText(allow_null=True)
    peak_price = DecimalText(allow_null=True)
    trailing_price = DecimalText(allow_null=True, shown_places=8)
    protected_price = DecimalText(allow_null=True)
    stop_price = DecimalText(allow_null=True, shown_places=8)
    sold_at = UtcTime(allow_null=True)
    exit_reason = serializers.CharField()
    reentry_price = DecimalText(allow_null=True, shown_places=8)
    volume = DecimalText(allow_null=True)
    cost = DecimalText(allow_null=True)
    value = DecimalText(allow_null=True, shown_places=8)
    unrealised = DecimalText(allow_null=True, shown_places=8)
    unrealised_rate = DecimalText(allow_null=True, shown_places=8)
    next_buy_price = DecimalText(allow_null=True)
    realised_profit = DecimalText()
    reason_text = serializers.CharField()
