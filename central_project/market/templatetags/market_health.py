"""The pipeline's state on the admin's first page."""

from __future__ import annotations

from typing import Any

from django import template
from django.conf import settings
from django.utils import timezone

from central_project.market.models import AnalysisRun, Publication

register = template.Library()


@register.inclusion_tag("admin/market_health.html")
def market_health() -> dict[str, Any]:
    """Return what an operator wants to know first."""
    pointer = Publication.objects.select_related("current").first()
    current = pointer.current if pointer else None
    return {
        "current": current,
        "newest": AnalysisRun.objects.first(),
        "is_valid": bool(
            current and current.valid_until and current.valid_until >= timezone.now()
        ),
        "flower_url": settings.FLOWER_URL,
    }
