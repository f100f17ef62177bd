"""The console has one language, whatever the browser prefers."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import translation

Answer = Callable[[HttpRequest], HttpResponse]


def korean_console(answer: Answer) -> Answer:
    """Show the admin in Korean: its words have no other language."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if not request.path.startswith(reverse("admin:index")):
            return answer(request)
        request.LANGUAGE_CODE = "ko"
        with translation.override("ko"):
            response = answer(request)
        response.headers.setdefault("Content-Language", "ko")
        return response

    return middleware
