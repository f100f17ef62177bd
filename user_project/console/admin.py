"""Every list of the console, by subject; Django's autodiscovery begins here."""

from __future__ import annotations

from django.contrib import admin

from user_project.console import (
    accounts,
    bots,
    central,
    people,
    safety,
    schedules,
    targets,
    trade,
)

__all__ = [
    "accounts",
    "bots",
    "central",
    "people",
    "safety",
    "schedules",
    "targets",
    "trade",
]

admin.site.index_title = "홈"
