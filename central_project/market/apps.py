"""The app that analyses the market."""

from __future__ import annotations

from django.apps import AppConfig


class MarketConfig(AppConfig):
    """Coins, candles, analysis runs and what they found."""

    name = "central_project.market"
    verbose_name = "시장 분석"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Bind the Celery app, so that shared tasks belong to it."""
        from central_project import celery  # noqa: F401  (binds shared tasks)
