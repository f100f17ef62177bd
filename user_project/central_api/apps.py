"""The app that pulls from central."""

from __future__ import annotations

from django.apps import AppConfig


class CentralApiConfig(AppConfig):
    """Snapshots of central's answers and the circuit breaker."""

    name = "user_project.central_api"
    label = "central_api"
    verbose_name = "본사 연결"
    default_auto_field = "django.db.models.BigAutoField"
