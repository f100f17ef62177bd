"""Weights and gates of the score: a change is a new version, seen before it counts."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.forms import model_to_dict
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path

from central_project.market.admin.base import OperatorAdmin, badge, plain_number
from central_project.market.models import ScoreSettings
from central_project.market.services.reweigh import reweighed

WEIGHTS = tuple(
    plain_number(name, label)
    for name, label in (
        ("technical", "기술"),
        ("volume", "거래량"),
        ("volatility", "변동성"),
        ("risk", "위험"),
    )
)


@admin.register(ScoreSettings)
class ScoreSettingsAdmin(OperatorAdmin):
    """Rows are versions: a change is a new row, so old runs stay explainable."""

    list_display = (
        "version", "in_force", *WEIGHTS,
        plain_number("min_turnover_24h", "최소 거래대금 (원/일)"), "created_at", "note",
    )  # fmt: skip
    fieldsets = (
        (
            "가중치 (합은 1)",
            {"fields": (("technical", "volume", "volatility", "risk"),)},
        ),
        (
            "추천 조건",
            {
                "fields": (
                    ("min_turnover_24h", "min_age_days"),
                    ("max_spread", "max_tick_share", "max_missing"),
                )
            },
        ),
        (None, {"fields": ("note",)}),
    )
    compressed_fields = False
    change_form_after_template = "market/weights_preview.html"

    def get_urls(self) -> list[URLPattern]:
        """Add the preview."""
        preview = path(
            "preview/",
            self.admin_site.admin_view(self.preview),
            name="market_scoresettings_preview",
        )
        urls: list[URLPattern] = super().get_urls()
        return [preview, *urls]

    def preview(self, request: HttpRequest) -> HttpResponse:
        """Show how the served list would be ordered by the form's weights."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = self.get_form(request)(request.POST)
        changes = reweighed(settings=form.instance) if form.is_valid() else None
        context = {"form": form, "changes": changes}
        return render(request, "market/weights_changes.html", context)

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

    @admin.display(description="버전", ordering="pk")
    def version(self, row: ScoreSettings) -> str:
        """Return its public name."""
        return row.version

    @badge("적용", {"now": "success"})
    def in_force(self, row: ScoreSettings) -> tuple[str, str] | None:
        """Mark the newest version: the next run takes it."""
        newest = ScoreSettings.objects.latest("pk")
        return ("now", "사용 중") if row == newest else None
