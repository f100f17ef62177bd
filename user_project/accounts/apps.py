"""The app that holds exchange accounts."""

from __future__ import annotations

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Exchange accounts and their encrypted keys."""

    name = "user_project.accounts"
    verbose_name = "거래소 계정"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the system checks."""
        from user_project.accounts import checks  # noqa: F401
