"""Every answer carries the id under which its request can be found in the logs."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from typing import Final

from django.http import HttpRequest, HttpResponse
from structlog.contextvars import bind_contextvars, clear_contextvars

_ID: Final = re.compile(r"[A-Za-z0-9_-]{8,64}", re.ASCII)


class RequestIdMiddleware:
    """Take the caller's X-Request-ID if it is harmless, else make one."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        """Wrap the rest of the stack."""
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Mark the request and its answer."""
        given = request.headers.get("X-Request-ID", "")
        request.request_id = chosen_id(given)  # type: ignore[attr-defined]
        # Not cleared at the end: Django's last words on a request come after us.
        clear_contextvars()
        bind_contextvars(request_id=request_id_of(request))
        response = self._get_response(request)
        response["X-Request-ID"] = request_id_of(request)
        return response


def chosen_id(given: str, /) -> str:
    """Return the caller's id if it is harmless, else a new one."""
    return given if _ID.fullmatch(given) else uuid.uuid4().hex


def request_id_of(request: object, /) -> str:
    """Return the id of a request, also through Django REST framework's wrapper."""
    return str(getattr(request, "request_id", ""))
