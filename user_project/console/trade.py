"""Rounds, orders, fills, bookings and the diary: facts, linked to each other."""

from __future__ import annotations

from typing import Any, Final

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from user_project.bots import watched_orders
from user_project.bots.models import (
    Adjustment,
    BotEvent,
    Cycle,
    Fill,
    LedgerEntry,
    Order,
)
from user_project.bots.problems import BotProblem
from user_project.console.rows import FactsAdmin, badge, list_link
from user_project.trading.lifecycle import CycleState, OrderState

ORDER_COLOURS: Final = {
    OrderState.FILLED.value: "success",
    OrderState.OPEN.value: "info",
    OrderState.CANCELLING.value: "info",
    OrderState.POSTING.value: "warning",
    OrderState.UNKNOWN.value: "warning",
    OrderState.ABANDONED_WATCH.value: "danger",
    OrderState.REFUSED.value: "danger",
}
CYCLE_COLOURS: Final = {
    CycleState.OPENING.value: "info",
    CycleState.OPEN.value: "info",
    CycleState.CLOSING.value: "warning",
    CycleState.FROZEN.value: "danger",
    CycleState.CLOSED.value: "success",
}


def links_of(related: list[tuple[type[Any], str]], /, **filters: Any) -> SafeString:
    """Return links to the rows that belong to one row, with how many there are."""
    counted = (
        list_link(
            model,
            f"{name} {model._default_manager.filter(**filters).count()}",
            **filters,
        )
        for model, name in related
    )
    return format_html_join(" · ", "{}", ((link,) for link in counted))


@admin.register(Cycle)
class CycleAdmin(FactsAdmin):
    """Rounds."""

    list_display = (
        "__str__",
        "bot_text",
        "market",
        "state_badge",
        "spent_text",
        "received_text",
        "profit_text",
        "opened_at_text",
        "closed_at_text",
    )
    list_filter = ("state", "market")
    list_select_related = ("bot",)
    search_fields = ("bot__name", "market")
    search_help_text = "봇 이름, 마켓"

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Begin with the ways to what belongs to the round."""
        return ["belongings", *super().get_fields(request, obj)]

    @badge("상태", CYCLE_COLOURS, ordering="state")
    def state_badge(self, cycle: Cycle) -> tuple[str, str]:
        """Return the state as a label."""
        return cycle.state, cycle.get_state_display()

    @admin.display(description="이 회차의")
    def belongings(self, cycle: Cycle) -> SafeString:
        """Link to the round's orders, bookings, adjustments and events."""
        related: list[tuple[type[Any], str]] = [
            (Order, "주문"), (LedgerEntry, "원장"), (Adjustment, "조정"), (BotEvent, "기록"),
        ]  # fmt: skip
        return links_of(related, cycle__id__exact=cycle.pk)


@admin.register(Order)
class OrderAdmin(FactsAdmin):
    """Orders, and the end of watching one that was never found."""

    actions = ("close_watched",)
    list_display = (
        "__str__",
        "created_at_text",
        "cycle_text",
        "market",
        "kind",
        "price_text",
        "requested_volume_text",
        "funds_text",
        "state_badge",
        "executed_volume_text",
        "verdict",
    )
    list_filter = ("state", "side", "market")
    list_select_related = ("bot", "cycle__bot")
    search_fields = ("identifier", "exchange_uuid", "bot__name")
    search_help_text = "식별자, 거래소 주문번호, 봇 이름"

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Begin with the ways to what belongs to the order."""
        return ["belongings", *super().get_fields(request, obj)]

    @badge("상태", ORDER_COLOURS, ordering="state")
    def state_badge(self, order: Order) -> tuple[str, str]:
        """Return the state as a label."""
        return order.state, order.get_state_display()

    @admin.display(description="이 주문의")
    def belongings(self, order: Order) -> SafeString:
        """Link to the order's fills and events."""
        related: list[tuple[type[Any], str]] = [(Fill, "체결"), (BotEvent, "기록")]
        return links_of(related, order__id__exact=order.pk)

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
                self.log_change(request, order, "감시 종료")
                messages.success(request, f"{order}: 감시를 끝냈습니다.")


@admin.register(Fill)
class FillAdmin(FactsAdmin):
    """Executions."""

    list_display = (
        "trade_uuid",
        "traded_at_text",
        "order_text",
        "price_text",
        "volume_text",
        "funds_text",
        "fee_text",
    )
    list_select_related = ("order__cycle__bot",)
    search_fields = ("trade_uuid", "order__identifier")
    search_help_text = "체결번호, 주문 식별자"

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Begin with the way to the fill's bookings."""
        return ["belongings", *super().get_fields(request, obj)]

    @admin.display(description="이 체결의")
    def belongings(self, fill: Fill) -> SafeString:
        """Link to the legs of its booking."""
        return links_of([(LedgerEntry, "원장")], fill__id__exact=fill.pk)


@admin.register(LedgerEntry)
class LedgerEntryAdmin(FactsAdmin):
    """Bookings; the legs of one cause sum to zero per currency."""

    list_display = (
        "id",
        "cycle_text",
        "cause",
        "at_text",
        "account_text",
        "currency",
        "amount_text",
    )
    list_filter = ("account", "currency")
    list_select_related = ("cycle__bot", "fill__order__cycle__bot", "adjustment")
    search_fields = ("fill__trade_uuid",)
    search_help_text = "체결번호"

    @admin.display(description="원인")
    def cause(self, entry: LedgerEntry) -> SafeString:
        """Link to the fill or the adjustment that was booked."""
        if entry.fill_id:
            return list_link(Fill, "체결", id__exact=entry.fill_id)
        return list_link(Adjustment, "조정", id__exact=entry.adjustment_id)


@admin.register(BotEvent)
class BotEventAdmin(FactsAdmin):
    """The bots' diary."""

    list_display = (
        "at_text",
        "bot_text",
        "message",
        "cycle_text",
        "order_text",
        "kind",
    )
    list_filter = ("kind",)
    list_select_related = ("bot", "cycle__bot", "order__cycle__bot")
    search_fields = ("message", "bot__name")
    search_help_text = "내용, 봇 이름"


@admin.register(Adjustment)
class AdjustmentAdmin(FactsAdmin):
    """Coins that left a round without a trade."""

    list_display = (
        "at_text",
        "cycle_text",
        "kind_text",
        "volume_text",
        "cost_text",
        "note",
        "by_text",
    )
    list_filter = ("kind",)
    list_select_related = ("cycle__bot", "by")
    search_fields = ("note", "cycle__bot__name")
    search_help_text = "사유, 봇 이름"
