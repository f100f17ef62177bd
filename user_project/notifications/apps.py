"""The app that tells owners what happened, wherever they are."""

from __future__ import annotations

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    """Where to tell whom of what, and how far each has been told."""

    name = "user_project.notifications"
    verbose_name = "알림"
    default_auto_field = "django.db.models.BigAutoField"
