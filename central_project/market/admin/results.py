"""What the runs found: candles, levels, ranks, exclusions. All of it read-only."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib import admin
from django.contrib.admin import SimpleListFilter
from django.db.models import QuerySet
from django.http import HttpRequest
from django.template.loader import render_to_string
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from central_project.market.admin.base import (
    PRICE,
    HugeAdmin,
    PublishedFilter,
    ReadOnlyAdmin,
    plain_number,
)
from central_project.market.admin.breakdown import views_of
from central_project.market.admin.wording import ANALYZERS, LEVELS, words_for
from central_project.market.models import (
    Candle,
    ExcludedCoin,
    Recommendation,
    SupportLevel,
)

LEVEL_PRICES = tuple(
    plain_number(name, f"{label} (원)") for name, label in LEVELS.items()
)
OHLCV = tuple(
    plain_number(name, label)
    for name, label in (
        ("open", "시가"),
        ("high", "고가"),
        ("low", "저가"),
        ("close", "종가"),
        ("volume", "거래량"),
        ("quote_volume", "거래대금 (원)"),
    )
)


@admin.register(Candle)
class CandleAdmin(HugeAdmin):
    """Stored candles."""

    list_display = ("market", "unit", "started_at", *OHLCV)
    shown: Any = list_display  # the stubs do not know that functions are allowed
    fields = readonly_fields = shown
    list_filter = ("unit",)
    search_fields = ("=market",)
    search_help_text = "마켓 코드 그대로, 예: KRW-BTC"


@admin.register(SupportLevel)
class SupportLevelAdmin(ReadOnlyAdmin):
    """Support levels of every run."""

    list_display = ("market", "run", PRICE, *LEVEL_PRICES)
    shown: Any = (*list_display, "details")
    fields = readonly_fields = shown
    list_filter = (PublishedFilter,)
    search_fields = ("=market",)
    search_help_text = "마켓 코드 그대로, 예: KRW-BTC"
    list_select_related = ("run",)

    @admin.display(description="상세")
    def details(self, row: SupportLevel) -> str:
        """Show how each level was found and how good it is."""
        return render_to_string("market/levels.html", {"levels": level_rows(row)})


def level_rows(row: SupportLevel, /) -> list[dict[str, Any]]:
    """Return the levels of one coin for reading, nearest first."""
    return [_level(title, row.levels.get(name, {})) for name, title in LEVELS.items()]


def _level(title: str, level: dict[str, Any], /) -> dict[str, Any]:
    touched = level.get("last_touch_at")
    return {
        **level,
        "title": title,
        "last_touch": datetime.fromisoformat(touched) if touched else None,
        "reason_words": words_for(level.get("reason")),
        "touch_words": words_for(level.get("touch_reason")),
        "bounce_words": words_for(level.get("bounce_reason")),
    }


@admin.register(Recommendation)
class RecommendationAdmin(ReadOnlyAdmin):
    """Ranked coins with what their scores are made of."""

    list_display = (
        "rank", "korean_name", "market", "score", "four", PRICE, "caution", "run",
    )  # fmt: skip
    shown: Any = (
        ("rank", "score", PRICE), ("korean_name", "market"), "run", "sentences",
        "caution", "parts",
    )  # fmt: skip
    fields = shown
    list_filter = (PublishedFilter,)
    search_fields = ("=market", "korean_name")
    search_help_text = "코인 이름이나 마켓 코드, 예: KRW-BTC"
    list_select_related = ("run",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """All of it."""
        return [PRICE, "sentences", "caution", "parts"]

    @admin.display(description=" · ".join(ANALYZERS.values()))
    def four(self, row: Recommendation) -> str:
        """Return the four views' scores."""
        return " · ".join(f"{float(row.scores[n]):.0f}" for n in ANALYZERS)

    @admin.display(description="이유")
    def sentences(self, row: Recommendation) -> SafeString:
        """Show the reasons as people read them."""
        return format_html_join("", "<div>{}</div>", ((r["ko"],) for r in row.reasons))

    @admin.display(description="경고")
    def caution(self, row: Recommendation) -> str:
        """Put the warnings into words."""
        return ", ".join(words_for(code) for code in row.warnings) or "-"

    @admin.display(description="점수 내역")
    def parts(self, row: Recommendation) -> str:
        """Show each view's factors: value, standing among the coins, points."""
        return render_to_string("market/breakdown.html", {"views": views_of(row)})


class ReasonFilter(SimpleListFilter):
    """One reason, in words."""

    title = "사유"
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Offer the reasons that occur."""
        codes = ExcludedCoin.objects.order_by("reason").values_list("reason", flat=True)
        return [(code, words_for(code)) for code in codes.distinct()]

    def queryset(
        self, request: HttpRequest, queryset: QuerySet[ExcludedCoin]
    ) -> QuerySet[ExcludedCoin]:
        """Keep the rows with that reason."""
        return queryset.filter(reason=self.value()) if self.value() else queryset


@admin.register(ExcludedCoin)
class ExcludedCoinAdmin(ReadOnlyAdmin):
    """Coins that were not ranked, and why."""

    list_display = ("market", "words", "run")
    fields = ("market", "words", "run")
    readonly_fields = ("words",)
    list_filter = (PublishedFilter, ReasonFilter)
    search_fields = ("=market",)
    search_help_text = "마켓 코드 그대로, 예: KRW-BTC"
    list_select_related = ("run",)

    @admin.display(description="사유", ordering="reason")
    def words(self, row: ExcludedCoin) -> str:
        """Put the reason into words."""
        return words_for(row.reason)
