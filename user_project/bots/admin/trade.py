"""Rounds, orders, fills, bookings and the diary: facts."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from user_project.bots import watched_orders
from user_project.bots.admin.base import FactsAdmin
from user_project.bots.models import (
    Adjustment,
    BotEvent,
    Cycle,
    Fill,
    LedgerEntry,
    Order,
)
from user_project.bots.problems import BotProblem


@admin.register(Cycle)
class CycleAdmin(FactsAdmin):
    """Rounds."""

    list_display = (
        "bot_text",
        "seq",
        "market",
        "state",
        "spent_text",
        "received_text",
        "profit_text",
        "opened_at",
        "closed_at",
    )
    list_filter = ("state", "market")
    list_select_related = ("bot",)
    search_fields = ("bot__name", "market")


@admin.register(Order)
class OrderAdmin(FactsAdmin):
    """Orders, and the end of watching one that was never found."""

    actions = ("close_watched",)

    list_display = (
        "created_at",
        "bot_text",
        "market",
        "stage",
        "side",
        "kind",
        "price_text",
        "requested_volume_text",
        "state",
        "executed_volume_text",
        "verdict",
    )
    list_filter = ("state", "side", "market")
    list_select_related = ("bot",)
    search_fields = ("identifier", "exchange_uuid", "bot__name")

    def has_close_permission(self, request: HttpRequest) -> bool:
        """Superusers alone may say that an order never was."""
        return bool(getattr(request.user, "is_superuser", False))

    @admin.action(
        description="감시 종료 (거래소에 주문이 없음을 확인한 뒤)",
        permissions=("close",),
    )
    def close_watched(self, request: HttpRequest, queryset: QuerySet[Order]) -> None:
        """Close given-up orders after a day."""
        for order in queryset:
            try:
                watched_orders.close_watched_order(order=order, now=timezone.now())
            except BotProblem as problem:
                messages.error(request, f"{order}: {problem.message}")
            else:
                messages.success(request, f"{order}: 감시를 끝냈습니다.")


@admin.register(Fill)
class FillAdmin(FactsAdmin):
    """Executions."""

    list_display = (
        "traded_at",
        "order_text",
        "price_text",
        "volume_text",
        "funds_text",
        "fee_text",
    )
    list_select_related = ("order__cycle__bot",)
    search_fields = ("trade_uuid", "order__identifier")


@admin.register(LedgerEntry)
class LedgerEntryAdmin(FactsAdmin):
    """Bookings."""

    list_display = ("id", "cycle_text", "account", "currency", "amount_text")
    list_filter = ("account", "currency")
    list_select_related = ("cycle__bot",)
    search_fields = ("fill__trade_uuid",)


@admin.register(BotEvent)
class BotEventAdmin(FactsAdmin):
    """The bots' diary."""

    list_display = ("at", "bot_text", "kind", "message")
    list_filter = ("kind",)
    list_select_related = ("bot",)
    search_fields = ("message", "bot__name")


@admin.register(Adjustment)
class AdjustmentAdmin(FactsAdmin):
    """Coins that left a round without a trade."""

    list_display = ("at", "cycle_text", "kind", "volume_text", "cost_text", "note")
    list_filter = ("kind",)
    list_select_related = ("cycle__bot",)
    search_fields = ("note", "cycle__bot__name")
