"""Bots: everything readable, only harmless options of an idle one editable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from user_project.bots import services
from user_project.bots.admin.base import PlainNumbersAdmin, badge
from user_project.bots.models import Bot
from user_project.bots.option_ranges import OPTION_RANGES, range_problem
from user_project.bots.problems import BotProblem
from user_project.bots.wording import REASONS
from user_project.trading.facts import Why
from user_project.trading.lifecycle import BotState

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
