"""A new bot in two steps: preview in won, then confirm."""

from __future__ import annotations

import secrets
from typing import Any, Final

from django.contrib import messages
from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from user_project.accounts.models import ExchangeAccount
from user_project.bots import overview, services
from user_project.bots.problems import BotProblem
from user_project.web.forms import BotForm

ONE_TIME: Final = "new_bot_once"
SHOWN_COINS: Final = 10


@login_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def new_bot(request: HttpRequest) -> HttpResponse:
    """Ask, show the preview, create and start on confirmation."""
    accounts = ExchangeAccount.objects.for_user(request.user)
    if request.method != "POST":
        initial = {"market": request.GET.get("market", "")}
        return _page(request, BotForm(accounts=accounts, initial=initial))
    form = BotForm(request.POST, accounts=accounts)
    if not form.is_valid():
        return _page(request, form)
    if request.POST.get("step") == "create":
        return _create(request, form)
    return _preview(request, form)


def _preview(request: HttpRequest, form: BotForm) -> HttpResponse:
    try:
        preview = services.preview_bot(
            owner=request.user, options=form.options(), now=timezone.now()
        )
    except BotProblem as problem:
        form.refuse(problem.field, problem.message)
        return _page(request, form)
    request.session[ONE_TIME] = secrets.token_urlsafe(12)
    once = request.session[ONE_TIME]
    return _page(request, form, preview=preview, once=once)


def _create(request: HttpRequest, form: BotForm) -> HttpResponse:
    if not _first_time(request):
        text = _("이미 만들었거나 오래된 화면입니다. 미리보기를 다시 하세요.")
        messages.warning(request, text)
        return redirect("home")
    now = timezone.now()
    try:
        bot = services.create_bot(owner=request.user, options=form.options(), now=now)
    except BotProblem as problem:
        form.refuse(problem.field, problem.message)
        return _page(request, form)
    try:
        services.start_bot(bot=bot, now=now)
    except BotProblem as problem:
        messages.error(request, problem.message)
    else:
        messages.success(request, _("봇을 만들고 시작했습니다."))
    return redirect("bot", bot_id=bot.pk)


def _first_time(request: HttpRequest) -> bool:
    """Use up the preview's token, so that a double click makes one bot.

    The owner's row is locked: of two requests at once, the second reads the session
    after the first has written it.
    """
    given = request.POST.get("once", "")
    owner: Any = request.user
    with transaction.atomic():
        get_user_model().objects.select_for_update().get(pk=owner.pk)
        stored = request.session.load().get(ONE_TIME)
        if not stored or not secrets.compare_digest(str(stored), given):
            return False
        del request.session[ONE_TIME]
        request.session.save()
    return True


def _page(request: HttpRequest, form: BotForm, **extra: Any) -> HttpResponse:
    central, coins = overview.recommendations_view(now=timezone.now())
    context = {"central": central, "form": form, "coins": coins, **extra}
    context["shown_coins"] = coins[:SHOWN_COINS]
    status = 400 if form.errors else 200
    return render(request, "web/new_bot.html", context, status=status)
