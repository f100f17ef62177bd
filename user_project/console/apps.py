"""The app of the operator's pages: every list, the home page, the switches."""

from __future__ import annotations

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """What an operator sees of the user server."""

    name = "user_project.console"
    verbose_name = "운영"
