"""A new bot in two steps: preview in won, then confirm."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

from django.contrib import messages
from django.contrib.auth import get_user_model
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from common.money import plain
from user_project.accounts.models import ExchangeAccount
from user_project.bots import overview, services
from user_project.bots.problems import BotProblem
from user_project.bots.services import Preview
from user_project.web.forms import BotForm
from user_project.web.kept_form import KEPT, entered, outlives_login
from user_project.web.pages import LOOKS, owner_page

ONE_TIME: Final = "new_bot_once"
SHOWN_COINS: Final = 10
MOVED: Final = Decimal("0.005")
"""A confirmation holds while the price stays this near to the one shown."""


@outlives_login
@owner_page(*LOOKS, "POST")
def new_bot(request: HttpRequest) -> HttpResponse:
    """Ask, show the preview, create and start on confirmation."""
    accounts = ExchangeAccount.objects.for_user(request.user)
    if request.method != "POST":
        form = BotForm(accounts=accounts, initial=entered(request))
        return _page(request, form, kept=KEPT in request.GET)
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
    return _show(request, form, preview)


def _show(request: HttpRequest, form: BotForm, preview: Preview, /) -> HttpResponse:
    """Show what would be bought; remember it until it is confirmed."""
    once = secrets.token_urlsafe(12)
    request.session[ONE_TIME] = {"once": once, **_shown(preview)}
    return _page(request, form, preview=preview, once=once)


def _shown(preview: Preview, /) -> dict[str, str]:
    return {
        "market": preview.market,
        "price": plain(preview.price),
        "support": plain(preview.support),
    }


def _has_moved(before: Mapping[str, str], preview: Preview, /) -> bool:
    """Tell whether what was shown is no longer what would be bought."""
    if before["market"] != preview.market:
        return True
    shown, now = Decimal(before["price"]), preview.price
    if abs(now - shown) > shown * MOVED:
        return True
    return Decimal(before["support"]) != preview.support


def _create(request: HttpRequest, form: BotForm) -> HttpResponse:
    shown = _use_up(request)
    if shown is None:
        text = _("이미 만들었거나 오래된 화면입니다. 미리보기를 다시 하세요.")
        messages.warning(request, text)
        return redirect("home")
    now = timezone.now()
    try:
        preview = services.preview_bot(
            owner=request.user, options=form.options(), now=now
        )
        if _has_moved(shown, preview):
            text = _(
                "미리보기 뒤에 시세나 지지선이 바뀌었습니다. 새 미리보기를 확인하세요."
            )
            messages.warning(request, text)
            return _show(request, form, preview)
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


def _use_up(request: HttpRequest) -> dict[str, str] | None:
    """Return what the preview showed, once: a double click makes one bot.

    The owner's row is locked: of two requests at once, the second reads the session
    after the first has written it.
    """
    given = request.POST.get("once", "")
    owner: Any = request.user
    with transaction.atomic():
        get_user_model().objects.select_for_update().get(pk=owner.pk)
        stored = request.session.load().get(ONE_TIME)
        if not isinstance(stored, dict) or not secrets.compare_digest(
            str(stored["once"]).encode(), given.encode()
        ):
            return None
        del request.session[ONE_TIME]
        request.session.save()
    shown: dict[str, str] = stored
    return shown


def _page(request: HttpRequest, form: BotForm, **extra: Any) -> HttpResponse:
    central, coins = overview.recommendations_view(now=timezone.now())
    context = {"central": central, "form": form, "coins": coins, **extra}
    context["shown_coins"] = coins[:SHOWN_COINS]
    status = 400 if form.errors else 200
    return render(request, "web/new_bot.html", context, status=status)
