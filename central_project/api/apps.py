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
        """Teach the OpenAPI generator our key scheme."""
        from central_project.api import schema  # noqa: F401  (registers extensions)
