"""Bots: everything readable; options change through the service, as everywhere else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.decorators import action

from user_project.bots import option_changes, services, wording
from user_project.bots.models import Adjustment, Bot, BotEvent, Cycle, Order
from user_project.bots.option_ranges import range_problem
from user_project.bots.options import options_of
from user_project.bots.problems import BotProblem
from user_project.console.kill_switch import switch_page
from user_project.console.rows import RowsAdmin, badge
from user_project.console.trade import links_of
from user_project.trading.facts import Why
from user_project.trading.lifecycle import BotState

OPTIONS: Final = (
    "name",
    *(name for name in services.OPTION_COLUMNS if name != "stage_table"),
)
"""An own table of stages is made on the page or by the API, where it is previewed."""
STATE_COLOURS: Final = {
    BotState.RUNNING.value: "success",
    BotState.FINISHING.value: "info",
    BotState.PAUSED.value: "warning",
    BotState.HALTED.value: "danger",
}


class BotOptionsForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """Options of a bot; the service writes what may change in the bot's state."""

    class Meta:
        model = Bot
        fields = OPTIONS

    def clean(self) -> dict[str, Any]:
        """Change the options, or name the allowed range or what is in the way."""
        values: dict[str, Any] = super().clean() or {}
        for option, value in list(values.items()):
            problem = range_problem(option=option, value=value)
            if problem:
                self.add_error(option, problem)
        if not self.errors:
            self._change(values)
        return values

    def _change(self, values: dict[str, Any], /) -> None:
        bot = Bot.objects.get(pk=self.instance.pk)
        for name, value in values.items():
            setattr(bot, name, value)
        try:
            self.instance = option_changes.update_options(
                bot=bot, options=options_of(bot), now=timezone.now()
            )
        except BotProblem as problem:
            field = problem.field if problem.field in self.fields else None
            raise ValidationError({field or "__all__": problem.message}) from problem

    def _post_clean(self) -> None:
        """The service has saved the row: there is nothing left to construct."""

    def save(self, commit: bool = True) -> Bot:
        """Return what the service saved."""
        bot: Bot = self.instance
        return bot

    def save_m2m(self) -> None:
        """A bot has no many-to-many relations."""


@admin.register(Bot)
class BotAdmin(RowsAdmin):
    """Bots with their state, and the actions the owner has too."""

    form = BotOptionsForm
    list_display = (
        "name",
        "coin",
        "owner_text",
        "mode",
        "state_badge",
        "switch_badge",
        "reason_sentence",
        "reason_at_text",
        "budget_text",
        "stages",
        "created_at_text",
    )
    list_filter = ("state", "account__mode", "owner", "account")
    list_select_related = ("owner", "account")
    search_fields = ("name", "market", "owner__username")
    search_help_text = "이름, 마켓, 소유자"
    actions = ("start", "pause", "stop", "kill", "unkill")
    actions_detail = ("switch_one",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Return all fields, what may change now under its own name."""
        editable = self._editable(obj)
        names = [field.name for field in self.model._meta.fields]
        shown = [name if name in editable else f"{name}_text" for name in names]
        return ["belongings", "reason_sentence", *shown]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Return all but the options that the bot's state lets change."""
        editable = self._editable(obj)
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
        """The service has saved the options: a full save would put back an old lease."""

    def _editable(self, bot: Bot | None, /) -> frozenset[str]:
        if bot is None:
            return frozenset()
        if bot.state in option_changes.IDLE_STATES:
            return frozenset(OPTIONS)
        return frozenset(OPTIONS) & {"name", *option_changes.NEXT_ROUND_OPTIONS}

    @admin.display(description="이 봇의")
    def belongings(self, bot: Bot) -> SafeString:
        """Link to the bot's rounds, orders and events."""
        related: list[tuple[type[Any], str]] = [
            (Cycle, "회차"), (Order, "주문"), (BotEvent, "기록"),
        ]  # fmt: skip
        return (
            links_of(related, bot__id__exact=bot.pk)
            + SafeString(" · ")
            + links_of([(Adjustment, "조정")], cycle__bot__id__exact=bot.pk)
        )

    @admin.display(description="코인", ordering="market")
    def coin(self, bot: Bot) -> str:
        """Return the market, or that it is chosen later."""
        return bot.market or "자동 선택"

    @badge("모드", {"live": "danger", "paper": "info"}, ordering="account__mode")
    def mode(self, bot: Bot) -> tuple[str, str]:
        """Return paper or live in words."""
        return bot.account.mode, bot.account.get_mode_display()

    @badge("상태", STATE_COLOURS, ordering="state")
    def state_badge(self, bot: Bot) -> tuple[str, str]:
        """Return the state as a label."""
        return bot.state, bot.get_state_display()

    @badge("비상 정지", {True: "danger"}, ordering="kill_switch_at")
    def switch_badge(self, bot: Bot) -> tuple[bool, str] | None:
        """Say whether the bot's kill switch is on."""
        return (True, "켜짐") if bot.kill_switch_at else None

    @admin.display(description="지금 하지 않는 이유")
    def reason_sentence(self, bot: Bot) -> str:
        """Return why the bot is not buying."""
        known = bot.reason in set(Why)
        return (wording.REASONS[Why(bot.reason)] if known else bot.reason) or "-"

    @admin.action(description="시작", permissions=("change",))
    def start(self, request: HttpRequest, queryset: QuerySet[Bot]) -> None:
        """Start the chosen bots."""
        self._act(request, queryset, services.start_bot, done="시작")

    @admin.action(description="일시정지 (새로 사지 않음)", permissions=("change",))
    def pause(self, request: HttpRequest, queryset: QuerySet[Bot]) -> None:
        """Pause the chosen bots."""
        self._act(request, queryset, services.pause_bot, done="일시정지")

    @admin.action(
        description="정지 (미체결 취소, 코인은 그대로)", permissions=("change",)
    )
    def stop(self, request: HttpRequest, queryset: QuerySet[Bot]) -> None:
        """Stop the chosen bots."""
        self._act(request, queryset, services.stop_bot, done="정지")

    @admin.action(description="비상 정지 켜기 (확인 화면으로)", permissions=("change",))
    def kill(self, request: HttpRequest, queryset: QuerySet[Bot]) -> HttpResponse:
        """Show what the switch would do to the chosen bots."""
        return switch_page(kind="bot", on=True, ids=[bot.pk for bot in queryset])

    @admin.action(description="비상 정지 끄기 (확인 화면으로)", permissions=("change",))
    def unkill(self, request: HttpRequest, queryset: QuerySet[Bot]) -> HttpResponse:
        """Show which of the chosen bots would trade again."""
        return switch_page(kind="bot", on=False, ids=[bot.pk for bot in queryset])

    @action(  # type: ignore[untyped-decorator]
        description="비상 정지 켜기·끄기",
        icon="emergency_home",
        permissions=["change"],
        url_path="switch-one",
    )
    def switch_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show what turning the bot's switch would do."""
        bot = Bot.objects.get(pk=object_id)
        return switch_page(kind="bot", on=bot.kill_switch_at is None, ids=[bot.pk])

    def _act(
        self,
        request: HttpRequest,
        bots: QuerySet[Bot],
        change: Callable[..., Bot],
        *,
        done: str,
    ) -> None:
        for bot in bots:
            try:
                change(bot=bot, now=timezone.now())
            except BotProblem as problem:
                messages.error(request, f"{bot}: {problem.message}")
            else:
                self.log_change(request, bot, done)
                messages.success(request, f"{bot}: {done}했습니다.")
