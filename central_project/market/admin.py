"""The operator's view of the market: everything to see, little to break."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.forms import model_to_dict
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from central_project.market.models import (
    AnalysisRun,
    Candle,
    Coin,
    ExcludedCoin,
    Publication,
    Recommendation,
    ReportCard,
    Retention,
    RunState,
    ScoreSettings,
    SupportLevel,
)
from common.money import plain

admin.site.site_header = "단타로 본사"
admin.site.site_title = "단타로 본사"
admin.site.index_title = "운영"
admin.site.site_url = "/api/docs"

PART_KEYS = ("value", "share", "weight", "contribution")
STATE_COLOURS = {
    RunState.RUNNING: "#1f6feb",
    RunState.PUBLISHED: "#1a7f37",
    RunState.FAILED: "#cf222e",
}


def plain_number(name: str, label: str, /) -> Callable[[Any], str]:
    """Return a column without the zeros that a wide decimal field would show."""

    @admin.display(description=label, ordering=name)
    def column(row: Any) -> str:
        value = getattr(row, name)
        return "-" if value is None else f"{Decimal(plain(value)):,}"

    column.__name__ = f"plain_{name}"
    return column


PRICE = plain_number("price", "현재가 (원)")
LEVELS = (
    plain_number("aggressive", "공격형 7일 (원)"),
    plain_number("moderate", "중립형 30일 (원)"),
    plain_number("conservative", "보수형 90일 (원)"),
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


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Results are made by the pipeline; an edit would only falsify them."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Nobody adds results."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody changes results."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nobody deletes results; pruning does."""
        return False


@admin.register(Coin)
class CoinAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Names and flags come from the exchange; the exclusion belongs to the operator."""

    list_display = (
        "market", "korean_name", "listed", "warning", "caution_text", "excluded",
        "excluded_reason", "hours_from", "minutes_until",
    )  # fmt: skip
    list_filter = ("excluded", "warning", "listed")
    search_fields = ("market", "korean_name", "english_name")
    fields = (
        "market", "korean_name", "english_name", "listed", "warning", "cautions",
        "excluded", "excluded_reason", "hours_from", "hours_until", "minutes_until",
        "seen_at",
    )  # fmt: skip

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[str]:
        """Everything but the exclusion."""
        return [name for name in self.fields if not name.startswith("excluded")]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Coins come from the exchange."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A deleted coin would come back with the next run."""
        return False

    @admin.display(description="주의 표시")
    def caution_text(self, coin: Coin) -> str:
        """Return the exchange's caution flags."""
        return ", ".join(coin.cautions) or "-"


@admin.register(AnalysisRun)
class AnalysisRunAdmin(ReadOnlyAdmin):
    """How each window's analysis went."""

    list_display = (
        "name", "badge", "published_at", "seconds", "coins_ok", "coins_failed",
        "excluded_count", "error_code",
    )  # fmt: skip
    list_filter = ("state", "error_code")
    date_hierarchy = "window_start"

    @admin.display(description="상태", ordering="state")
    def badge(self, run: AnalysisRun) -> SafeString:
        """Show the state in its colour."""
        colour = STATE_COLOURS[RunState(run.state)]
        return format_html(
            '<b style="color:{}">{}</b>', colour, run.get_state_display()
        )

    @admin.display(description="실행", ordering="window_start")
    def name(self, run: AnalysisRun) -> str:
        """Return the public name."""
        return run.run_id

    @admin.display(description="소요 (초)")
    def seconds(self, run: AnalysisRun) -> str:
        """Return how long the steps took together; the run's page has each of them."""
        total = sum(step.get("seconds", 0) for _, step in run.ordered_steps())
        return f"{total:.1f}"


@admin.register(Publication)
class PublicationAdmin(ReadOnlyAdmin):
    """Which run readers get."""

    list_display = ("current",)


@admin.register(Candle)
class CandleAdmin(ReadOnlyAdmin):
    """Stored candles."""

    list_display = ("market", "unit", "started_at", *OHLCV)
    shown: Any = list_display  # the stubs do not know that functions are allowed
    fields = readonly_fields = shown
    list_filter = ("unit",)
    search_fields = ("=market",)
    show_full_result_count = False  # counting millions of rows would take seconds


@admin.register(SupportLevel)
class SupportLevelAdmin(ReadOnlyAdmin):
    """Support levels of every run."""

    list_display = ("market", "run", PRICE, *LEVELS)
    shown: Any = (*list_display, "levels")
    fields = readonly_fields = shown
    search_fields = ("=market",)
    list_select_related = ("run",)


@admin.register(Recommendation)
class RecommendationAdmin(ReadOnlyAdmin):
    """Ranked coins with what their scores are made of."""

    list_display = ("rank", "korean_name", "market", "score", PRICE, "run")
    shown: Any = (
        *list_display, "scores", "sentences", "parts", "metrics", "warnings",
    )  # fmt: skip
    fields = readonly_fields = shown
    search_fields = ("=market", "korean_name")
    list_select_related = ("run",)

    @admin.display(description="이유")
    def sentences(self, row: Recommendation) -> SafeString:
        """Show the reasons as people read them."""
        return format_html_join("", "<div>{}</div>", ((r["ko"],) for r in row.reasons))

    @admin.display(description="점수 내역")
    def parts(self, row: Recommendation) -> SafeString:
        """Show each factor: value, share among the coins, weight, points."""
        lines = format_html_join(
            "",
            "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            (
                (part["analyzer"], factor, *(part[k] or "-" for k in PART_KEYS))
                for factor, part in sorted(
                    row.breakdown.items(), key=lambda item: item[1]["analyzer"]
                )
            ),
        )
        return format_html(
            "<table><tr><th>분야</th><th>요소</th><th>값</th><th>상대 위치</th>"
            "<th>가중치</th><th>점수</th></tr>{}</table>",
            lines,
        )


@admin.register(ExcludedCoin)
class ExcludedCoinAdmin(ReadOnlyAdmin):
    """Coins that were not ranked, and why."""

    list_display = ("market", "reason", "run")
    list_filter = ("reason",)
    search_fields = ("=market",)
    list_select_related = ("run",)


@admin.register(ScoreSettings)
class ScoreSettingsAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows are versions: a change is a new row, so old runs stay explainable."""

    list_display = (
        "version", "technical", "volume", "volatility", "risk", "min_turnover_24h",
        "created_at", "note",
    )  # fmt: skip

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Start a new version from the one in force."""
        current = ScoreSettings.objects.first()
        given: dict[str, Any] = super().get_changeform_initial_data(request)
        known = model_to_dict(current, exclude=["id", "note"]) if current else {}
        return known | given

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A version never changes."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A version that runs refer to must stay."""
        return False


@admin.register(Retention)
class RetentionAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """How long what is kept; there is one row."""

    list_display = ("__str__", "runs_days", "minutes_days", "hours_days")

    def has_add_permission(self, request: HttpRequest) -> bool:
        """The one row exists."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Pruning needs it."""
        return False


@admin.register(ReportCard)
class ReportCardAdmin(ReadOnlyAdmin):
    """How well recommendations and levels did."""

    list_display = ("section", "since", "until", "score_version", "created_at")
    list_filter = ("section",)
