"""The public API of the central server."""

from __future__ import annotations

from django.apps import AppConfig


class ApiConfig(AppConfig):
    """API keys and the answers they open."""

    name = "central_project.api"
    label = "central_api"
    verbose_name = "공개 API"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Teach the OpenAPI generator our key scheme; hear of published runs."""
        from central_project.api import schema  # noqa: F401  (registers extensions)
        from central_project.api.rendered import render_published
        from central_project.market.services.publish import AFTER_PUBLISH

        AFTER_PUBLISH.append(render_published)
