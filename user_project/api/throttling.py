"""Limits on guessing passwords, counted by django-ratelimit."""

from __future__ import annotations

from typing import Any, Final

from django_ratelimit.core import get_usage
from rest_framework.request import Request
from rest_framework.throttling import BaseThrottle

LOGIN_RATE: Final = "10/m"


class LoginThrottle(BaseThrottle):
    """Ten tries a minute per address; answers 429 with Retry-After."""

    def __init__(self) -> None:
        """Know nothing before the first request."""
        self.seconds_left = 1

    def allow_request(self, request: Request, view: Any) -> bool:
        """Count this try."""
        usage = get_usage(
            request._request, group="login", key="ip", rate=LOGIN_RATE, increment=True
        )
        if usage is None or not usage["should_limit"]:
            return True
        self.seconds_left = max(int(usage["time_left"]), 1)
        return False

    def wait(self) -> float:
        """Return the seconds until the window ends."""
        return self.seconds_left
