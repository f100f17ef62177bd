"""What goes into the API; every refusal names the field and the remedy."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers

from common.wire import SYMBOL_PATTERN, Level
from user_project.accounts.models import AccountMode
from user_project.api.fields import DecimalText
from user_project.bots.columns import LEVELS, ORDER_STATES, SHAPES
from user_project.bots.option_ranges import OPTION_RANGES, range_problem
from user_project.bots.options import BotOptions
from user_project.trading.plan import Shape


class StrictSerializer(serializers.Serializer[Any]):
    """Refuse keys it does not know: a misspelt option must not become a default."""

    def to_internal_value(self, data: Any) -> Any:
        """Validate the fields after the names."""
        if isinstance(data, dict):  # a QueryDict too
            unknown = set(data) - set(self.fields) - {"csrfmiddlewaretoken"}
            if unknown:
                known = ", ".join(self.fields)
                text = _("알 수 없는 항목입니다. 쓸 수 있는 항목: %(known)s")
                message = str(text) % {"known": known}
                raise serializers.ValidationError(
                    {name: [message] for name in sorted(unknown)}, code="unknown"
                )
        return super().to_internal_value(data)


class Nothing(StrictSerializer):
    """An action that needs no body."""


class AccountInput(StrictSerializer):
    """A new exchange account; the keys are checked, sealed and never shown again."""

    name = serializers.CharField(max_length=60)
    mode = serializers.ChoiceField(
        choices=AccountMode.choices, default=AccountMode.PAPER.value
    )
    base_url = serializers.URLField(
        required=False, help_text=_("비우면 이 서버의 거래소 주소를 씁니다.")
    )
    access_key = serializers.CharField(write_only=True, max_length=200)
    secret_key = serializers.CharField(
        write_only=True, max_length=200, style={"input_type": "password"}
    )

    def validate_base_url(self, value: str) -> str:
        """Cut the trailing slash, so that paths can be appended."""
        return value.rstrip("/")

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Fill the server's own exchange host."""
        return {"base_url": settings.UPBIT_BASE_URL, **attrs}


class BotInput(StrictSerializer):
    """Options of a new bot; what is left out takes its default."""

    account = serializers.UUIDField(
        source="account_id",
        allow_null=True,
        default=None,
        help_text=_("비우면 하나뿐인 계정을 씁니다."),
    )
    name = serializers.CharField(required=False, allow_blank=True, max_length=60)
    market = serializers.RegexField(
        SYMBOL_PATTERN,
        required=False,
        allow_blank=True,
        error_messages={
            "invalid": _("마켓은 KRW-BTC처럼 KRW-로 시작하는 대문자 코드로 적으세요.")
        },
        help_text=_("비우면 추천 코인 중에서 자동으로 고릅니다."),
    )
    budget = DecimalText(
        max_digits=13, decimal_places=0, help_text=_("원, 수수료 포함")
    )
    stages = serializers.IntegerField(required=False)
    multiplier = DecimalText(required=False, max_digits=4, decimal_places=2)
    shape = serializers.ChoiceField(required=False, choices=SHAPES)
    level = serializers.ChoiceField(
        required=False, choices=LEVELS, initial=Level.MODERATE.value
    )
    take_profit = DecimalText(
        required=False,
        max_digits=6,
        decimal_places=4,
        help_text=_("수수료를 뺀 순이익률, 0.015는 1.5%"),
    )
    jitter = DecimalText(required=False, max_digits=3, decimal_places=2)
    stage_cooldown_seconds = serializers.IntegerField(required=False)
    cycle_cooldown_seconds = serializers.IntegerField(required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Name the allowed range of every option that is outside it."""
        problems = {
            option: [problem]
            for option in OPTION_RANGES.keys() & attrs.keys()
            if (problem := range_problem(option=option, value=attrs[option]))
        }
        if problems:
            raise serializers.ValidationError(problems, code="out_of_range")
        return attrs

    def options(self) -> BotOptions:
        """Return what was asked for as the services' value."""
        values = dict(self.validated_data)
        for name, kind in (("shape", Shape), ("level", Level)):
            if name in values:
                values[name] = kind(values[name])
        return BotOptions(**values)


class BotFilter(serializers.Serializer[Any]):
    """Query of lists that can be narrowed to one bot."""

    bot = serializers.UUIDField(required=False)


class OrderFilter(BotFilter):
    """Query of the order list."""

    state = serializers.ChoiceField(required=False, choices=ORDER_STATES)


class RecommendationFilter(serializers.Serializer[Any]):
    """Query of the recommendations."""

    limit = serializers.IntegerField(min_value=1, max_value=50, default=50)
