"""What was entered into the wizard outlives the end of the session.

It travels in the wizard's own address through the login: nothing is stored for people
who are not logged in, and an address only ever fills the form in. Keys and passwords
are no fields of that form.
"""

from __future__ import annotations

from functools import wraps
from typing import Any, Final

from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.views.csrf import csrf_failure as plain_csrf_failure

from user_project.web.forms import BotForm
from user_project.web.pages import View

KEPT: Final = "kept"
"""Mark of an address that carries a whole form."""
MOST_CHARACTERS: Final = 2500
"""Servers refuse request lines of more than 4,000; ``next`` encodes it once more."""


def outlives_login(view: View) -> View:
    """Lead a form sent without a session through the login and back to its values."""

    def lead(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        if request.method == "POST" and not request.user.is_authenticated:
            return redirect_to_login(_address(request))
        return view(request, *args, **kwargs)

    return wraps(view)(lead)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Show the wizard again with its values, refuse everything else as ever.

    The token is gone with the cookies, or was changed by a login in another tab.
    """
    if request.path == reverse("new-bot"):
        return redirect(_address(request))
    return plain_csrf_failure(request, reason=reason)


def entered(request: HttpRequest, /) -> dict[str, str]:
    """Return what the address fills in: form field -> text as it was typed."""
    return {
        name: request.GET[name] for name in BotForm.base_fields if name in request.GET
    }


def _address(request: HttpRequest, /) -> str:
    """Return the wizard's address with what was typed, without it when that is long."""
    address = reverse("new-bot")
    query = urlencode({KEPT: "1", **_typed(request)})
    return f"{address}?{query}" if len(query) <= MOST_CHARACTERS else address


def _typed(request: HttpRequest, /) -> dict[str, str]:
    """Return the form's fields alone; an empty text is a box without its tick."""
    typed = {}
    for name, field in BotForm.base_fields.items():
        value = field.widget.value_from_datadict(request.POST, request.FILES, name)
        if value is not None:
            typed[name] = value if isinstance(value, str) else "on" * value
    return typed
