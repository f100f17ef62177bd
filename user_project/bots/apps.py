"""The app that holds bots, cycles and orders."""

from __future__ import annotations

from django.apps import AppConfig


class BotsConfig(AppConfig):
    """Bots and everything they did."""

    name = "user_project.bots"
    verbose_name = "봇"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Bind the Celery app and register the system checks."""
        from user_project import celery  # noqa: F401  (binds shared tasks)
        from user_project.bots import checks  # noqa: F401
