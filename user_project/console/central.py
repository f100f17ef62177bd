"""Read-only views of what central said."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from user_project.central_api.models import CentralSnapshot, PullState
from user_project.console.rows import FactsAdmin


@admin.register(CentralSnapshot)
class CentralSnapshotAdmin(FactsAdmin):
    """Accepted answers, newest first."""

    list_display = ("run_id", "data_as_of_text", "valid_until_text", "fetched_at_text")

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Leave out the body: it is a hundred kilobytes of text."""
        return [
            name for name in super().get_fields(request, obj) if name != "body_text"
        ]


@admin.register(PullState)
class PullStateAdmin(FactsAdmin):
    """The line to central."""

    list_display = (
        "__str__",
        "last_success_at_text",
        "last_attempt_at_text",
        "failures",
        "last_error",
    )
