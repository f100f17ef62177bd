"""What all pages have in common: the owner, fresh numbers, central's state at the top."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from user_project.bots import overview
from user_project.bots.models import Bot

View = Callable[..., HttpResponseBase]


def owner_page(*methods: str) -> Callable[[View], View]:
    """Make a page of the logged-in owner: never cached, only by these *methods*."""

    def decorate(view: View) -> View:
        kept = _journalled(require_http_methods(methods)(view))
        return wraps(view)(login_required(never_cache(kept)))

    return decorate


def _journalled(view: View, /) -> View:
    """Keep who asked for what, and how it was answered, where operators look."""

    def keep(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        answer = view(request, *args, **kwargs)
        if request.method == "POST":
            LogEntry.objects.create(
                user_id=int(request.user.pk or 0),
                action_flag=CHANGE,
                object_repr=request.path[:200],
                change_message=f"{answer.status_code}",
            )
        return answer

    return keep


LOOKS = ("GET", "HEAD")
"""Methods of a page that changes nothing."""


def typed(request: HttpRequest, field: str, /) -> str:
    """Return what was typed into a form's field, without NUL: no database takes it."""
    return request.POST.get(field, "").replace("\0", "").strip()


def show(
    request: HttpRequest, template: str, /, *, status: int = 200, **context: Any
) -> HttpResponse:
    """Render a page below central's state."""
    central = overview.central_view(now=timezone.now())
    return render(request, template, {"central": central, **context}, status=status)


def own_bot(request: HttpRequest, bot_id: uuid.UUID, /) -> Bot:
    """Return the owner's bot; 404 for everybody else's."""
    bots = Bot.objects.for_user(request.user).select_related("account")
    return get_object_or_404(bots, pk=bot_id)
