"""The app of the operator's pages that belong to no single model."""

from __future__ import annotations

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    """Home page, people, schedules and the audit trail."""

    name = "central_project.console"
    verbose_name = "운영"
