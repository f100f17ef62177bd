"""How long what is kept, with a count of what a change would delete."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import URLPattern, path, reverse
from django.utils import timezone

from central_project.market.admin.base import OperatorAdmin
from central_project.market.admin.wording import FIGURES
from central_project.market.models import Retention
from central_project.market.services.prune import prune


@admin.register(Retention)
class RetentionAdmin(OperatorAdmin):
    """There is one row, so its list leads straight to it."""

    list_display = ("__str__", "runs_days", "minutes_days", "hours_days")
    change_form_after_template = "market/retention_preview.html"

    def has_add_permission(self, request: HttpRequest) -> bool:
        """The one row exists."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Pruning needs it."""
        return False

    def get_urls(self) -> list[URLPattern]:
        """Add the preview."""
        preview = path(
            "preview/",
            self.admin_site.admin_view(self.preview),
            name="market_retention_preview",
        )
        urls: list[URLPattern] = super().get_urls()
        return [preview, *urls]

    def changelist_view(
        self, request: HttpRequest, extra_context: Any = None
    ) -> HttpResponse:
        """Skip a list of one."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return HttpResponseRedirect(
            reverse("admin:market_retention_change", args=[Retention.SINGLE])
        )

    def preview(self, request: HttpRequest) -> HttpResponse:
        """Count what pruning would delete under the form's values; nothing stays."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        row = Retention.objects.get(pk=Retention.SINGLE)
        form = self.get_form(request, row, change=True)(
            request.POST or None, instance=row
        )
        counts = None
        if not form.is_bound or form.is_valid():
            with transaction.atomic():
                row.save()
                counts = prune(now=timezone.now(), dry_run=True)
                transaction.set_rollback(True)
        lines = counts and [(FIGURES.get(what, what), n) for what, n in counts.items()]
        context = {"counts": lines, "errors": form.errors}
        return render(request, "market/retention_counts.html", context)
