"""The REST API of the user server."""

from __future__ import annotations

from django.apps import AppConfig


class ApiConfig(AppConfig):
    """Interfaces for programs."""

    name = "user_project.api"
    label = "user_api"
    verbose_name = "API"
    default_auto_field = "django.db.models.BigAutoField"
