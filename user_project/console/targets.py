"""Where owners are told; addresses are never shown."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from user_project.console.rows import FactsAdmin
from user_project.notifications.models import Target


@admin.register(Target)
class TargetAdmin(FactsAdmin):
    """Places, and whether they can be reached."""

    list_display = (
        "name",
        "owner_text",
        "service",
        "is_on_text",
        "last_sent_at_text",
        "failures",
        "last_error",
    )
    list_select_related = ("owner",)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Leave the sealed address out."""
        shown = super().get_fields(request, obj)
        return [name for name in shown if name != "sealed_address_text"]
