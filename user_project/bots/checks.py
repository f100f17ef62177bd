"""System checks of the user server."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register


@register()
def central_is_configured(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """Without central no new cycle can start."""
    if settings.SETTINGS_FREE or (
        settings.CENTRAL_API_URL and settings.CENTRAL_API_KEY
    ):
        return []
    return [
        Warning(
            "CENTRAL_API_URL or CENTRAL_API_KEY is not set: no new cycles can start.",
            hint="Ask the central operator for a key (manage_central.py create_api_key)"
            " and set both in .env.user.",
            id="dantaro_user.W001",
        )
    ]


@register()
def shards_are_positive(app_configs: Any, **_: Any) -> list[CheckMessage]:
    """Every bot must have a queue."""
    if settings.SHARDS >= 1:
        return []
    return [
        Error(
            f"DANTARO_SHARDS is {settings.SHARDS}, but bots need at least one shard.",
            hint="Set DANTARO_SHARDS=2 in .env.user and start as many shard workers.",
            id="dantaro_user.E002",
        )
    ]
