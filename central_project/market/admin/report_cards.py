"""How well recommendations and levels did."""

from __future__ import annotations

from django.contrib import admin

from central_project.market.admin.base import ReadOnlyAdmin
from central_project.market.models import ReportCard


@admin.register(ReportCard)
class ReportCardAdmin(ReadOnlyAdmin):
    """Report cards, newest first."""

    list_display = ("section", "since", "until", "score_version", "created_at")
    list_filter = ("section",)
