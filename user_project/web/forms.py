"""The form of a new bot, in a trader's units: won and per cent."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from django import forms
from django.utils.translation import gettext_lazy as _

from common.wire import SYMBOL_PATTERN, Level
from user_project.accounts.models import ExchangeAccount
from user_project.bots.columns import LEVELS, SHAPES
from user_project.bots.option_ranges import OPTION_RANGES, range_problem
from user_project.bots.options import BotOptions
from user_project.trading.plan import Shape

PERCENT: Final = Decimal(100)
FIELD_OF: Final = {"account_id": "account", "take_profit": "take_profit_percent"}
"""Option of the services -> field of the form, where the names differ."""


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
        for option in OPTION_RANGES.keys() & values.keys():
            problem = range_problem(option=option, value=values[option])
            if problem:
                self.refuse(option, problem)
        return values

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
        )
