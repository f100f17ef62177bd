"""The operator's view of the market: everything to see, little to break."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.forms import model_to_dict
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString

from central_project.market.models import (
    AnalysisRun,
    Candle,
    Coin,
    ExcludedCoin,
    Publication,
    Recommendation,
    RunState,
    ScoreSettings,
    SupportLevel,
)

admin.site.site_header = "단타로 본사"
admin.site.site_title = "단타로 본사"
admin.site.index_title = "운영"
admin.site.site_url = "/api/docs"

STATE_COLOURS = {
    RunState.RUNNING: "#1f6feb",
    RunState.PUBLISHED: "#1a7f37",
    RunState.FAILED: "#cf222e",
}


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
        "run_id", "badge", "attempt", "data_as_of", "published_at", "seconds",
        "coins_ok", "coins_failed", "excluded_count", "error_code",
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

    @admin.display(description="단계별 시간")
    def seconds(self, run: AnalysisRun) -> str:
        """Return each step's duration."""
        return ", ".join(
            f"{name} {step['seconds']}초"
            for name, step in run.ordered_steps()
            if "seconds" in step
        )


@admin.register(Publication)
class PublicationAdmin(ReadOnlyAdmin):
    """Which run readers get."""

    list_display = ("current",)


@admin.register(Candle)
class CandleAdmin(ReadOnlyAdmin):
    """Stored candles."""

    list_display = (
        "market", "unit", "started_at", "open", "high", "low", "close", "volume",
    )  # fmt: skip
    list_filter = ("unit",)
    search_fields = ("=market",)
    show_full_result_count = False  # counting millions of rows would take seconds


@admin.register(SupportLevel)
class SupportLevelAdmin(ReadOnlyAdmin):
    """Support levels of every run."""

    list_display = (
        "market", "run", "price", "aggressive", "moderate", "conservative",
    )  # fmt: skip
    search_fields = ("=market",)
    list_select_related = ("run",)


@admin.register(Recommendation)
class RecommendationAdmin(ReadOnlyAdmin):
    """Ranked coins with what their scores are made of."""

    list_display = ("rank", "korean_name", "market", "score", "price", "run")
    search_fields = ("=market", "korean_name")
    list_select_related = ("run",)


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
