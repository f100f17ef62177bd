"""The owner's second step of the login: turn it on with a phone, off with the password."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _

from user_project.accounts import second_step
from user_project.bots.passwords import check_password
from user_project.bots.problems import BotProblem
from user_project.web.pages import LOOKS, owner_page, show


@owner_page(*LOOKS, "POST")
def security(request: HttpRequest) -> HttpResponse:
    """Show whether a code is asked for, and change it."""
    if request.method != "POST":
        return _page(request)
    change = _turn_off if request.POST.get("how") == "off" else _turn_on
    try:
        return change(request)
    except second_step.Changed as news:
        messages.warning(request, str(news))
        return redirect("security")
    except (BotProblem, second_step.WrongCode) as problem:
        messages.error(request, str(problem))
        return _page(request, status=400)


def _turn_on(request: HttpRequest, /) -> HttpResponse:
    codes = second_step.turn_on(
        user=request.user,
        code=request.POST.get("code", ""),
        now=timezone.now(),
        device=_device(request.POST.get("device")),
        session=request.session.session_key,
    )
    return show(request, "web/security.html", is_on=True, codes=codes)


def _turn_off(request: HttpRequest, /) -> HttpResponse:
    check_password(request=request)
    second_step.turn_off(user=request.user)
    messages.success(request, _("2단계 로그인을 껐습니다."))
    return redirect("security")


def _device(text: str | None, /) -> int | None:
    """Return the offer's number as the page sent it; 0, which none has, for nonsense."""
    if text is None:
        return None
    return int(text) if text.isdecimal() and len(text) < 19 else 0


def _page(request: HttpRequest, /, *, status: int = 200) -> HttpResponse:
    is_on = second_step.has_second_step(request.user)
    offer = None if is_on else second_step.offer(user=request.user)
    return show(request, "web/security.html", status=status, is_on=is_on, offer=offer)
