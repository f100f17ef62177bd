"""The pages of the user server."""

from __future__ import annotations

from django.apps import AppConfig


class WebConfig(AppConfig):
    """Interfaces for people."""

    name = "user_project.web"
    label = "user_web"
    verbose_name = "화면"
    default_auto_field = "django.db.models.BigAutoField"
