"""Operators' view of bots: everything readable, only harmless options editable.

Orders, fills and the ledger are facts: nobody adds, edits or deletes them here.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.db import models
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import format_html

from common.money import plain
from user_project.bots import services, watched_orders
from user_project.bots.models import (
    Adjustment,
    Bot,
    BotEvent,
    Brake,
    Cycle,
    EmergencyStop,
    Fill,
    LedgerEntry,
    Order,
    QueueHeartbeat,
    ServerSwitch,
)
from user_project.bots.option_ranges import OPTION_RANGES, range_problem
from user_project.bots.problems import BotProblem
from user_project.bots.wording import REASONS
from user_project.trading.facts import Why
from user_project.trading.lifecycle import BotState

admin.site.site_header = "단타로 사용자 서버"
admin.site.site_title = "단타로 사용자 서버"
admin.site.index_title = "봇과 주문"

EDITABLE_STATES: Final = (BotState.DRAFT.value, BotState.STOPPED.value)
OPTIONS: Final = (
    "name",
    "budget",
    "stages",
    "multiplier",
    "shape",
    "level",
    "take_profit",
    "jitter",
    "stage_cooldown_seconds",
    "cycle_cooldown_seconds",
)
STATE_COLOURS: Final = {
    BotState.RUNNING.value: "#15803d",
    BotState.FINISHING.value: "#0369a1",
    BotState.PAUSED.value: "#b45309",
    BotState.HALTED.value: "#a21caf",
}
QUIET: Final = "#64748b"
LABELS: Final = {
    "owner": "소유자",
    "account": "거래소 계정",
    "bot": "봇",
    "cycle": "회차",
    "order": "주문",
    "fill": "체결",
    "adjustment": "조정",
    "by": "요청한 사람",
    "created_at": "만든 시각",
    "reason_at": "이유가 생긴 시각",
    "fence": "처리 번호",
    "lease_owner": "처리 중인 작업자",
    "lease_until": "처리 기한",
    "body_sha256": "주문 본문 해시",
    "not_found_count": "거래소가 모른다고 답한 횟수",
    "looked_up_at": "마지막 조회",
    "cancel_asked_at": "취소 요청 시각",
}
"""Korean names of fields whose model says nothing."""


def badge(text: str, colour: str) -> str:
    """Return a coloured label; the text alone carries the meaning."""
    return format_html(
        '<b style="color:#fff;background:{};padding:2px 8px;border-radius:8px;'
        'white-space:nowrap">{}</b>',
        colour,
        text,
    )


def _column(field: models.Field[Any, Any]) -> Callable[[models.Model], Any]:
    label = LABELS[field.name] if _unnamed(field) else field.verbose_name

    @admin.display(description=label, ordering=field.name)
    def column(row: models.Model) -> Any:
        value = getattr(row, field.name)
        if value is None:
            return "-"
        if isinstance(value, datetime):
            return f"{timezone.localtime(value):%Y-%m-%d %H:%M:%S}"
        return plain(value) if isinstance(value, Decimal) else value

    return column


def _unnamed(field: models.Field[Any, Any]) -> bool:
    return field.name in LABELS and field.verbose_name == field.name.replace("_", " ")


class PlainNumbersAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Shows a decimal or unnamed field ``x`` as ``x_text``: no zeros, Korean name."""

    def __init__(self, model: type[models.Model], site: admin.AdminSite) -> None:
        for field in model._meta.fields:
            if isinstance(field, models.DecimalField) or _unnamed(field):
                setattr(self, f"{field.name}_text", _column(field))
        super().__init__(model, site)

    def _shown(self, names: tuple[str, ...]) -> list[str]:
        return [
            f"{name}_text" if hasattr(self, f"{name}_text") else name for name in names
        ]


class FactsAdmin(PlainNumbersAdmin):
    """Rows that only the trading core writes."""

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Return every field, decimals as plain text."""
        return self._shown(tuple(field.name for field in self.model._meta.fields))

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Return every field: facts are only looked at."""
        return self.get_fields(request, obj)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody."""
        return False


class BotOptionsForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """Options of an idle bot, in the same bounds as everywhere else."""

    class Meta:
        model = Bot
        fields = OPTIONS

    def clean(self) -> dict[str, Any]:
        """Name the allowed range of what is outside it."""
        values: dict[str, Any] = super().clean() or {}
        for option in OPTION_RANGES.keys() & values.keys():
            problem = range_problem(option=option, value=values[option])
            if problem:
                self.add_error(option, problem)
        return values


@admin.register(Bot)
class BotAdmin(PlainNumbersAdmin):
    """Bots with their state, and the actions the owner has too."""

    form = BotOptionsForm
    list_display = (
        "name",
        "coin",
        "owner_text",
        "mode",
        "state_badge",
        "reason_sentence",
        "reason_at_text",
        "kill_switch_at",
        "budget_text",
        "stages",
        "created_at_text",
    )
    list_filter = ("state", "account__mode", "owner")
    list_select_related = ("owner", "account")
    search_fields = ("name", "market", "owner__username")
    actions = ("start", "pause", "stop")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Return all fields, the editable options under their own names."""
        names = tuple(field.name for field in self.model._meta.fields)
        if not self._editable(obj):
            return self._shown(names)
        return [name if name in OPTIONS else self._shown((name,))[0] for name in names]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Return all but the options, and those too while the bot may act."""
        editable = OPTIONS if self._editable(obj) else ()
        return [name for name in self.get_fields(request, obj) if name not in editable]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Bots are made on the page or by the API, after a preview."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A bot's history is never deleted."""
        return False

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: Any
    ) -> None:
        """Write the changed options alone, and only if the bot is still idle.

        A full save would put back an old state, lease or fence.
        """
        changes = {name: form.cleaned_data[name] for name in form.changed_data}
        idle = Bot.objects.filter(pk=obj.pk, state__in=EDITABLE_STATES)
        if changes and not idle.update(**changes):
            text = "그 사이 봇이 시작되어 아무것도 바꾸지 않았습니다. 정지한 뒤 다시 하세요."
            messages.error(request, text)

    def _editable(self, bot: Bot | None) -> bool:
        return bot is not None and bot.state in EDITABLE_STATES

    @admin.display(description="코인", ordering="market")
    def coin(self, bot: Bot) -> str:
        """Return the market, or that it is chosen later."""
        return bot.market or "자동 선택"

    @admin.display(description="모드", ordering="account__mode")
    def mode(self, bot: Bot) -> str:
        """Return paper or live in words."""
        return bot.account.get_mode_display()

    @admin.display(description="상태", ordering="state")
    def state_badge(self, bot: Bot) -> str:
        """Return the state as a label."""
        return badge(bot.get_state_display(), STATE_COLOURS.get(bot.state, QUIET))

    @admin.display(description="지금 하지 않는 이유")
    def reason_sentence(self, bot: Bot) -> str:
        """Return why the bot is not buying."""
        known = bot.reason in set(Why)
        return REASONS[Why(bot.reason)] if known else bot.reason

    @admin.action(description="시작", permissions=("change",))
    def start(self, request: HttpRequest, queryset: QuerySet[Bot]) -> None:
        """Start the chosen bots."""
        _act(request, queryset, services.start_bot, done="시작했습니다")

    @admin.action(description="일시정지 (새로 사지 않음)", permissions=("change",))
    def pause(self, request: HttpRequest, queryset: QuerySet[Bot]) -> None:
        """Pause the chosen bots."""
        _act(request, queryset, services.pause_bot, done="일시정지했습니다")

    @admin.action(
        description="정지 (미체결 취소, 코인은 그대로)", permissions=("change",)
    )
    def stop(self, request: HttpRequest, queryset: QuerySet[Bot]) -> None:
        """Stop the chosen bots."""
        _act(request, queryset, services.stop_bot, done="정지했습니다")


def _act(
    request: HttpRequest, bots: QuerySet[Bot], change: Callable[..., Bot], *, done: str
) -> None:
    for bot in bots:
        try:
            change(bot=bot, now=timezone.now())
        except BotProblem as problem:
            messages.error(request, f"{bot}: {problem.message}")
        else:
            messages.success(request, f"{bot}: {done}.")


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


@admin.register(EmergencyStop)
class EmergencyStopAdmin(FactsAdmin):
    """Emergency stops that were ordered; ordering one is not done here."""

    list_display = ("at", "owner_text", "account_text", "sell_all", "by_text")
    list_filter = ("sell_all",)
    list_select_related = ("owner", "account", "by")


@admin.register(ServerSwitch)
class ServerSwitchAdmin(FactsAdmin):
    """Whether the whole server sends no new orders."""

    list_display = ("__str__", "kill_switch_at", "kill_switch_reason")


@admin.register(Brake)
class BrakeAdmin(FactsAdmin):
    """Whether an exchange's market fell too fast to buy."""

    list_display = ("host", "until", "reason", "updated_at")


@admin.register(QueueHeartbeat)
class QueueHeartbeatAdmin(FactsAdmin):
    """When each queue's worker last answered."""

    list_display = ("queue", "worker", "seen_at")
