"""The app that tells open pages what has changed."""

from __future__ import annotations

from django.apps import AppConfig


class StreamConfig(AppConfig):
    """A publisher and a server of event streams; nothing of its own is stored."""

    name = "user_project.stream"
    verbose_name = "실시간"
