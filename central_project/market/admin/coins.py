"""Coins: names and flags come from the exchange, the exclusion belongs to the operator."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from unfold.forms import ActionForm
from unfold.widgets import UnfoldAdminTextInputWidget

from central_project.market.admin.base import OperatorAdmin, age_column, badge
from central_project.market.admin.coin_page import coin_page
from central_project.market.admin.export import export_csv
from central_project.market.models import (
    Coin,
    Publication,
    Recommendation,
    SupportLevel,
)
from central_project.market.templatetags.figures import ago, amount

READ_ONLY = (
    "market", "korean_name", "english_name", "state", "caution_text",
    "hours_from", "hours_until", "minutes_until", "seen_at",
)  # fmt: skip


class ReasonForm(ActionForm):  # type: ignore[misc]  # unfold has no types
    """The list's actions with room for a reason."""

    reason = forms.CharField(
        required=False,
        label="",
        max_length=Coin._meta.get_field("excluded_reason").max_length,
        widget=UnfoldAdminTextInputWidget(
            {
                "placeholder": "제외 사유",
                "aria-label": "제외 사유",
                "x-show": "action === 'exclude_coins'",
                "class": "dt-reason",
            }
        ),
    )


@admin.register(Coin)
class CoinAdmin(OperatorAdmin):
    """Finds a coin, excludes it with a reason, and shows all that is known about it."""

    list_display = (
        "korean_name", "market", "state", "rank", "price", "price_age",
        age_column("seen_at", "거래소에서 확인"), "exclusion",
    )  # fmt: skip
    list_filter = ("excluded", "listed", "warning")
    search_fields = ("market", "korean_name", "english_name")
    search_help_text = "이름이나 마켓 코드"
    fieldsets = (
        ("추천 제외", {"fields": ("excluded", "excluded_reason")}),
        (
            "거래소 정보",
            {
                "fields": (
                    ("market", "korean_name", "english_name"),
                    ("state", "caution_text"),
                    ("hours_from", "hours_until"), ("minutes_until", "seen_at"),
                )
            },
        ),
    )  # fmt: skip
    readonly_fields = READ_ONLY
    action_form = ReasonForm
    actions = ("exclude_coins", "include_coins", export_csv)
    change_form_outer_before_template = "market/coin_page.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Coins come from the exchange."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A deleted coin would come back with the next run."""
        return False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Coin]:
        """Add what the run that readers get says about each coin."""
        run = Publication.objects.values("current")[:1]
        levels = SupportLevel.objects.filter(run=run, market=OuterRef("market"))
        ranks = Recommendation.objects.filter(run=run, market=OuterRef("market"))
        coins: QuerySet[Coin] = super().get_queryset(request)
        return coins.annotate(
            now_price=Subquery(levels.values("price")[:1]),
            now_rank=Subquery(ranks.values("rank")[:1]),
            now_as_of=Subquery(levels.values("run__data_as_of")[:1]),
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the stored runs' findings above the form."""
        coin = self.get_object(request, object_id)
        found = {"coin_page": coin_page(coin)} if isinstance(coin, Coin) else {}
        context = {**(extra_context or {}), **found}
        response: HttpResponse = super().change_view(
            request, object_id, form_url, context
        )
        return response

    def save_model(
        self, request: HttpRequest, obj: Coin, form: forms.ModelForm[Coin], change: bool
    ) -> None:
        """Write what was edited: a run writes the coin's other fields meanwhile."""
        obj.save(update_fields=form.changed_data)

    @admin.action(description="추천에서 제외", permissions=["change"])
    def exclude_coins(self, request: HttpRequest, queryset: QuerySet[Coin]) -> None:
        """Exclude the chosen coins for the reason given beside the action."""
        reason = request.POST.get("reason", "").strip()
        if not reason:
            messages.error(
                request,
                "제외 사유를 적어 주세요. 나중에 다른 사람도 읽을 수 있어야 합니다.",
            )
            return
        self._set(request, queryset, excluded=True, reason=reason)
        messages.success(request, "다음 분석부터 추천하지 않습니다.")

    @admin.action(description="제외 해제", permissions=["change"])
    def include_coins(self, request: HttpRequest, queryset: QuerySet[Coin]) -> None:
        """Let the chosen coins be ranked again."""
        self._set(request, queryset, excluded=False, reason="")
        messages.success(request, "다음 분석부터 다시 추천 대상입니다.")

    def _set(
        self,
        request: HttpRequest,
        coins: QuerySet[Coin],
        /,
        *,
        excluded: bool,
        reason: str,
    ) -> None:
        """Change each coin and leave a trace of who did it."""
        words = f"추천 제외: {reason}" if excluded else "추천 제외 해제"
        for coin in coins:
            coin.excluded, coin.excluded_reason = excluded, reason[:200]
            coin.save(update_fields=["excluded", "excluded_reason"])
            self.log_change(request, coin, words)

    @badge(
        "거래",
        {"on": "success", "off": "danger", "warned": "warning"},
        ordering="listed",
    )
    def state(self, coin: Coin) -> tuple[str, str]:
        """Say whether the coin trades and how the exchange marks it."""
        if not coin.listed:
            return "off", "거래 종료"
        if coin.warning or coin.cautions:
            return "warned", "유의 종목" if coin.warning else "주의"
        return "on", "거래 중"

    @admin.display(description="순위", ordering="now_rank")
    def rank(self, coin: Any) -> str:
        """Return the rank in the run that readers get."""
        return f"{coin.now_rank}위" if coin.now_rank else "-"

    @admin.display(description="현재가 (원)", ordering="now_price")
    def price(self, coin: Any) -> str:
        """Return the price of that run."""
        return amount(coin.now_price)

    @admin.display(description="가격 나이", ordering="now_as_of")
    def price_age(self, coin: Any) -> str:
        """Say how old that price is."""
        return ago(coin.now_as_of)

    @badge("추천 제외", {"yes": "danger"}, ordering="excluded")
    def exclusion(self, coin: Coin) -> tuple[str, str] | None:
        """Return the reason of an excluded coin."""
        return ("yes", coin.excluded_reason) if coin.excluded else None

    @admin.display(description="주의 표시")
    def caution_text(self, coin: Coin) -> str:
        """Return the exchange's caution flags."""
        return ", ".join(coin.cautions) or "-"
