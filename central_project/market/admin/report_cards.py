"""How well recommendations and levels did."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from pydantic import ValidationError

from central_project.analysis.evaluation.card import ReportCard as Card
from central_project.market.admin.base import ReadOnlyAdmin, age_column
from central_project.market.models import ReportCard
from central_project.market.services.report_page import report_page


@admin.register(ReportCard)
class ReportCardAdmin(ReadOnlyAdmin):
    """Report cards, newest first; a card's page is the one that `evaluate` writes."""

    list_display = (
        "section", "since", "until", "summary", "score_version",
        age_column("created_at", "계산"),
    )  # fmt: skip
    list_filter = ("section",)
    fields = (("section", "score_version", "created_at"),)
    compressed_fields = False
    change_form_outer_before_template = "market/report_frame.html"

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show the card's own page above what is known about it."""
        row = self.get_object(request, object_id)
        context = {**(extra_context or {}), "report": _page(row) if row else None}
        response: HttpResponse = super().change_view(
            request, object_id, form_url, context
        )
        return response

    @admin.display(description="판단")
    def summary(self, row: ReportCard) -> str:
        """Return the finding in words."""
        card = _card(row)
        return card.summary.ko if card else "-"


def _page(row: ReportCard, /) -> str | None:
    card = _card(row)
    return report_page([card]) if card else None


def _card(row: ReportCard, /) -> Card | None:
    """Read a stored card; None for one in a format of the past."""
    try:
        return Card.model_validate(row.body)
    except ValidationError:
        return None
