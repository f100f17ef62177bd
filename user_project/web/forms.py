"""The form of a new bot, in a trader's units: won and per cent."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, ClassVar, Final

from django import forms
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from common.money import NotADecimal
from common.wire import SYMBOL_PATTERN, Level
from user_project.accounts.models import ExchangeAccount
from user_project.bots.columns import LEVELS, REENTRIES, SHAPES
from user_project.bots.option_ranges import OPTION_RANGES, range_problem
from user_project.bots.options import BotOptions, Reentry, parse_table
from user_project.trading.plan import Shape
from user_project.trading.plan_request import TableStage

PERCENT: Final = Decimal(100)
SHARES: Final = (
    *("jitter", "max_depth", "trailing", "stop_below_last", "break_even_after"),
    "reinvest",
)
"""Options that are shares of one, typed in per cent."""
PERCENTS: Final = ("take_profit", *SHARES)
USUAL: Final = BotOptions(budget=Decimal(1))
"""What holds where a field is left empty."""
FIELD_OF: Final = {"account_id": "account", "take_profit": "take_profit_percent"}
"""Option of the services -> field of the form, where the names differ."""


USUAL_WHERE_EMPTY: Final = (
    *("jitter", "max_depth", "resting_stages", "stage_cooldown_seconds"),
    *("cycle_cooldown_seconds", "reinvest", "reentry"),
)
ADVANCED: Final = (
    *(*SHARES, "stage_table", "resting_stages", "stage_cooldown_seconds"),
    *("cycle_cooldown_seconds", "max_hold_hours", "max_cycles", "crash_brake"),
)


def percent(label: Any, initial: str = "", **options: Any) -> forms.DecimalField:
    """Return an optional field in per cent."""
    start = Decimal(initial) if initial else None
    return forms.DecimalField(
        label=label,
        required=False,
        decimal_places=2,
        max_digits=5,
        initial=start,
        **options,
    )


def whole(label: Any, initial: int | None = None) -> forms.IntegerField:
    """Return an optional field of a whole number."""
    return forms.IntegerField(label=label, required=False, initial=initial)


class BotForm(forms.Form):
    """What the owner chooses; the defaults suit a first bot."""

    account = forms.ModelChoiceField(
        label=_("계정"), queryset=ExchangeAccount.objects.none(), empty_label=None
    )
    market = forms.RegexField(
        label=_("코인"),
        regex=SYMBOL_PATTERN,
        required=False,
        help_text=_("KRW-BTC처럼 적습니다. 비우면 추천 코인에서 자동으로 고릅니다."),
        error_messages={
            "invalid": _("마켓은 KRW-BTC처럼 KRW-로 시작하는 대문자 코드로 적으세요.")
        },
        widget=forms.TextInput(attrs={"list": "coins", "autocapitalize": "characters"}),
    )
    name = forms.CharField(
        label=_("이름"),
        required=False,
        max_length=60,
        help_text=_("비우면 자동으로 짓습니다."),
    )
    budget = forms.DecimalField(
        label=_("예산(원)"), decimal_places=0, max_digits=13, initial=Decimal(1_000_000)
    )
    stages = forms.IntegerField(label=_("차수"), initial=7, help_text=_("1~20"))
    multiplier = forms.DecimalField(
        label=_("배수"),
        decimal_places=2,
        max_digits=4,
        initial=Decimal("1.25"),
        help_text=_("다음 차수를 앞 차수의 몇 배로 살지, 1~2"),
    )
    shape = forms.ChoiceField(
        label=_("금액 배분"), choices=SHAPES, initial=Shape.GEOMETRIC.value
    )
    level = forms.ChoiceField(
        label=_("지지선"), choices=LEVELS, initial=Level.MODERATE.value
    )
    take_profit_percent = forms.DecimalField(
        label=_("익절률(%)"),
        decimal_places=2,
        max_digits=5,
        initial=Decimal("1.5"),
        help_text=_("수수료를 뺀 순이익"),
    )

    stage_table = forms.CharField(
        label=_("나만의 차수표"),
        required=False,
        max_length=400,
        help_text=_(
            "하락률:비중을 쉼표로, 예 0:1,0.03:1.5,0.07:2. 쓰면 차수·배수·지지선 대신 씁니다."
        ),
    )
    jitter = percent(_("흩뜨림(%)"), "25", help_text=_("차수 간격을 조금씩 달리합니다"))
    max_depth = percent(_("최대 하락폭(%)"), "40")
    resting_stages = whole(_("미리 걸어 둘 차수"), 2)
    stage_cooldown_seconds = whole(_("차수 간격(초)"), 60)
    cycle_cooldown_seconds = whole(_("회차 간격(초)"), 21_600)
    trailing = percent(_("추적 익절 하락률(%)"), help_text=_("비우면 쓰지 않습니다"))
    stop_below_last = percent(
        _("손절: 마지막 차수 아래(%)"), help_text=_("비우면 손절하지 않습니다")
    )
    break_even_after = percent(
        _("본전 보호 시작 상승률(%)"), help_text=_("비우면 쓰지 않습니다")
    )
    max_hold_hours = whole(_("최대 보유(시간)"))
    max_cycles = whole(_("최대 회차"))
    reinvest = percent(_("수익 재투자(%)"), "0")
    reentry = forms.ChoiceField(
        label=_("재진입"),
        choices=REENTRIES,
        required=False,
        initial=Reentry.RESET.value,
    )
    crash_brake = forms.BooleanField(label=_("급락 제동"), required=False, initial=True)

    BASIC: ClassVar = (
        *("account", "market", "name", "budget", "stages", "multiplier"),
        *("shape", "level", "take_profit_percent"),
    )

    def basic(self) -> list[forms.BoundField]:
        """Return the fields a first bot needs."""
        return [self[name] for name in self.BASIC]

    def advanced(self) -> list[forms.BoundField]:
        """Return the others, folded away."""
        return [field for field in self if field.name not in self.BASIC]

    def unseen(self) -> SafeString:
        """Return what was entered as hidden fields.

        Without ids: those are of the fields that are seen, and name them by their labels.
        """
        hidden = ((field.as_hidden(attrs={"id": False}),) for field in self)
        return format_html_join("", "{}", hidden)

    def advanced_open(self) -> bool:
        """Tell whether one of the folded fields has something to say."""
        return any(field.errors for field in self.advanced())

    def __init__(
        self, *args: Any, accounts: Iterable[ExchangeAccount], **kwargs: Any
    ) -> None:
        """Offer the owner's accounts only."""
        super().__init__(*args, **kwargs)
        field: Any = self.fields["account"]
        field.queryset = accounts
        field.initial = next(iter(accounts), None)

    def clean(self) -> dict[str, Any]:
        """Turn per cent into a ratio and name the range of what is outside it."""
        values: dict[str, Any] = super().clean() or {}
        if "take_profit_percent" in values:
            values["take_profit"] = values["take_profit_percent"] / PERCENT
        for name in SHARES:
            if values.get(name) is not None:
                values[name] /= PERCENT
        for name in USUAL_WHERE_EMPTY:
            if values.get(name) in (None, ""):
                values[name] = getattr(USUAL, name)
        for option in OPTION_RANGES.keys() & values.keys():
            problem = range_problem(
                option=option, value=values[option], in_percent=option in PERCENTS
            )
            if problem:
                self.refuse(option, problem)
        return values

    def clean_stage_table(self) -> tuple[TableStage, ...] | None:
        """Read the owner's own table."""
        try:
            return parse_table(self.cleaned_data["stage_table"].replace(" ", ""))
        except NotADecimal as error:
            raise forms.ValidationError(
                _("0:1,0.03:1.5처럼 하락률:비중을 쉼표로 이어 적으세요.")
            ) from error

    def refuse(self, option: str | None, message: str) -> None:
        """Show a problem beside the field it is about."""
        field = FIELD_OF.get(option or "", option)
        self.add_error(field if field in self.fields else None, message)

    def options(self) -> BotOptions:
        """Return what was asked for as the services' value."""
        values = self.cleaned_data
        return BotOptions(
            account_id=values["account"].pk,
            name=values["name"],
            market=values["market"],
            budget=values["budget"],
            stages=values["stages"],
            multiplier=values["multiplier"],
            shape=Shape(values["shape"]),
            level=Level(values["level"]),
            take_profit=values["take_profit"],
            reentry=Reentry(values["reentry"]),
            **{name: values[name] for name in ADVANCED},
        )
