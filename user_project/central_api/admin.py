"""Read-only views of what central said."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from user_project.central_api.models import CentralSnapshot, PullState


class _ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    def has_add_permission(self, request: HttpRequest) -> bool:
        """Rows come from central only."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Facts are not edited."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Old ones are pruned by the pull."""
        return False


@admin.register(CentralSnapshot)
class CentralSnapshotAdmin(_ReadOnly):
    """Accepted answers, newest first."""

    list_display = ("run_id", "data_as_of", "valid_until", "fetched_at")


@admin.register(PullState)
class PullStateAdmin(_ReadOnly):
    """The line to central."""

    list_display = ("last_success_at", "last_attempt_at", "failures", "last_error")
