"""The user server's Celery app, whose watchdog waits seconds instead of a minute."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from celery.signals import celeryd_after_setup

from user_project.celery import app

__all__ = ["app"]


@celeryd_after_setup.connect
def _hurry(**_: Any) -> None:
    canary: Any = import_module("user_project.bots.canary")
    canary.EVERY_SECONDS, canary.SILENT_SECONDS, canary.GRACE_SECONDS = 0.5, 3.0, 5.0
