"""What goes into the API; every refusal names the field and the remedy."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework import serializers
from rest_framework.authtoken.serializers import AuthTokenSerializer
from rest_framework.exceptions import Throttled

from common.wire import SYMBOL_PATTERN, Level
from user_project.accounts import logins
from user_project.accounts.guesses import TooOften
from user_project.accounts.hosts import usual_host
from user_project.accounts.models import AccountMode
from user_project.accounts.second_step import WrongCode, check_code, has_second_step
from user_project.api.fields import DecimalText
from user_project.bots.columns import LEVELS, ORDER_STATES, REENTRIES, SHAPES
from user_project.bots.option_ranges import OPTION_RANGES, range_problem
from user_project.bots.options import BotOptions, Reentry
from user_project.bots.pnl import GroupBy
from user_project.trading.plan import Shape
from user_project.trading.plan_request import TableStage


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
            self._check_texts(data)
        return super().to_internal_value(data)

    def _check_texts(self, data: dict[str, Any], /) -> None:
        """Refuse a number where text is wanted: REST framework would write it down."""
        wrong = [
            name
            for name, field in self.fields.items()
            if isinstance(field, serializers.CharField)
            and not isinstance(data.get(name), str | None)
        ]
        if wrong:
            message = str(_("글자로 보내세요."))
            raise serializers.ValidationError(
                {name: [message] for name in wrong}, code="invalid"
            )


class TokenInput(AuthTokenSerializer):
    """A login as a program makes it."""

    code = serializers.CharField(
        required=False,
        write_only=True,
        help_text=_("2단계 로그인을 켠 사람은 휴대폰의 코드도 보냅니다."),
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Check the password first: a code is used up by the check.

        Wrong ones count together with those of the login page.
        """
        attrs["username"] = logins.looked_up(attrs["username"])
        try:
            found = self._check_password(attrs)
            self._check_code(found["user"], attrs.get("code", ""))
        except TooOften as problem:
            raise Throttled(wait=problem.seconds) from problem
        return found

    def _check_password(self, attrs: dict[str, Any], /) -> dict[str, Any]:
        who = {"request": self.context["request"], "name": attrs["username"]}
        logins.begin_login(**who, now=timezone.now())
        found: dict[str, Any] = super().validate(attrs)
        logins.end_login(**who)
        return found

    def _check_code(self, user: Any, code: str, /) -> None:
        if not has_second_step(user):
            return
        try:
            check_code(user=user, code=code, now=timezone.now())
        except WrongCode as problem:
            raise serializers.ValidationError({"code": [str(problem)]}) from problem


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
        """Fill the exchange host that suits the mode."""
        return {"base_url": usual_host(attrs["mode"]), **attrs}


class KeysInput(StrictSerializer):
    """New keys of an account; they are tested first and never shown again."""

    access_key = serializers.CharField(write_only=True, max_length=200)
    secret_key = serializers.CharField(
        write_only=True, max_length=200, style={"input_type": "password"}
    )


class CapsInput(StrictSerializer):
    """Bounds of an account's open rounds; null is no bound."""

    cap_budget = DecimalText(
        max_digits=13, decimal_places=0, min_value=Decimal(0), allow_null=True
    )
    cap_coin = DecimalText(
        max_digits=13, decimal_places=0, min_value=Decimal(0), allow_null=True
    )
    cap_cycles = serializers.IntegerField(
        min_value=0, max_value=10_000, allow_null=True
    )


class SwitchInput(StrictSerializer):
    """Turn a kill switch."""

    on = serializers.BooleanField()
    reason = serializers.CharField(required=False, allow_blank=True, max_length=200)


class TableRow(StrictSerializer):
    """One row of an own table of stages."""

    drop = DecimalText(
        max_digits=6, decimal_places=5, help_text=_("시작가에서의 하락률")
    )
    weight = DecimalText(max_digits=8, decimal_places=4, help_text=_("예산의 비중"))


class AmountInput(StrictSerializer):
    """Won to buy for now, without fee."""

    amount = DecimalText(max_digits=13, decimal_places=0, min_value=Decimal(1))


class TakeProfitInput(StrictSerializer):
    """Another take profit for the running round."""

    take_profit = DecimalText(max_digits=6, decimal_places=4)


class StageInput(StrictSerializer):
    """A stage of the running round."""

    stage = serializers.IntegerField(min_value=0, max_value=1000)


class NameInput(StrictSerializer):
    """A name, made up if left out."""

    name = serializers.CharField(required=False, allow_blank=True, max_length=60)


class EmergencyInput(StrictSerializer):
    """What to stop, and whether the coins are to be sold."""

    account = serializers.UUIDField(required=False, allow_null=True)
    sell_all = serializers.BooleanField(default=False)
    dry_run = serializers.BooleanField(
        default=True, help_text=_("true면 무엇을 할지만 보여 줍니다.")
    )
    confirm = serializers.CharField(
        required=False,
        allow_blank=True,
        help_text=_("시장가로 모두 팔려면 SELL ALL이라고 적으세요."),
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Selling everything is never an accident."""
        sells = attrs["sell_all"] and not attrs["dry_run"]
        if sells and attrs.get("confirm") != "SELL ALL":
            text = _("시장가로 모두 팔려면 confirm에 SELL ALL이라고 적으세요.")
            raise serializers.ValidationError({"confirm": [text]}, code="unconfirmed")
        return attrs


class MoneyFilter(serializers.Serializer[Any]):
    """Which kind of money; the two are never added up."""

    mode = serializers.ChoiceField(
        choices=AccountMode.choices,
        required=False,
        help_text=_("비우면 실전투자, 실전투자 봇이 없으면 모의투자입니다."),
    )


class PnlFilter(MoneyFilter):
    """Query of the profit report."""

    by = serializers.ChoiceField(
        choices=[(one.value, one.value) for one in GroupBy], default=GroupBy.DAY.value
    )
    first = serializers.DateField(required=False)
    last = serializers.DateField(required=False)


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
    stage_table = TableRow(
        many=True,
        required=False,
        allow_null=True,
        help_text=_("차수·배수·간격 대신 쓰는 차수표"),
    )
    max_depth = DecimalText(required=False, max_digits=3, decimal_places=2)
    resting_stages = serializers.IntegerField(required=False)
    trailing = DecimalText(
        required=False, allow_null=True, max_digits=6, decimal_places=4
    )
    stop_below_last = DecimalText(
        required=False, allow_null=True, max_digits=6, decimal_places=4
    )
    break_even_after = DecimalText(
        required=False, allow_null=True, max_digits=6, decimal_places=4
    )
    max_hold_hours = serializers.IntegerField(required=False, allow_null=True)
    max_cycles = serializers.IntegerField(required=False, allow_null=True)
    reinvest = DecimalText(required=False, max_digits=3, decimal_places=2)
    reentry = serializers.ChoiceField(required=False, choices=REENTRIES)
    crash_brake = serializers.BooleanField(required=False)

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
        return BotOptions(**self.changes())

    def changes(self) -> dict[str, Any]:
        """Return what was given, as the services' types."""
        values = dict(self.validated_data)
        kinds = (("shape", Shape), ("level", Level), ("reentry", Reentry))
        for name, kind in kinds:
            if name in values:
                values[name] = kind(values[name])
        if values.get("stage_table") is not None:
            values["stage_table"] = tuple(
                TableStage(**row) for row in values["stage_table"]
            )
        return values


class BotChange(BotInput):
    """Options to change; what is left out stays. The account never changes."""

    account = None  # type: ignore[assignment]
    budget = DecimalText(required=False, max_digits=13, decimal_places=0)


class BotFilter(serializers.Serializer[Any]):
    """Query of lists that can be narrowed to one bot."""

    bot = serializers.UUIDField(required=False)


class OrderFilter(BotFilter):
    """Query of the order list."""

    state = serializers.ChoiceField(required=False, choices=ORDER_STATES)


class RecommendationFilter(serializers.Serializer[Any]):
    """Query of the recommendations."""

    limit = serializers.IntegerField(min_value=1, max_value=50, default=50)
