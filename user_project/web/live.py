"""The owner's own switch for real money: what can be lost, in plain words, then consent."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _

from user_project.bots import live
from user_project.bots.loss_estimate import loss_estimate
from user_project.bots.models import Bot
from user_project.bots.passwords import check_password
from user_project.bots.problems import BotProblem
from user_project.web.pages import LOOKS, own_bot, owner_page


@owner_page(*LOOKS, "POST")
def live_consent(request: HttpRequest, bot_id: uuid.UUID) -> HttpResponse:
    """Say what can be lost; switch real money on with password and words, off at once."""
    bot = own_bot(request, bot_id)
    if request.method != "POST":
        return _page(request, bot)
    try:
        if request.POST.get("step") == "off":
            live.disable_live(bot=bot, now=timezone.now())
            messages.success(request, _("실전투자를 껐습니다."))
        else:
            check_password(request=request)
            consent = request.POST.get("consent", "")
            live.enable_live(bot=bot, consent=consent, now=timezone.now())
            messages.success(request, _("실전투자를 켰습니다."))
    except BotProblem as problem:
        return _page(request, bot, problem=problem.message, status=400)
    return redirect("bot", bot_id=bot.pk)


def _page(
    request: HttpRequest, bot: Bot, *, problem: str = "", status: int = 200
) -> HttpResponse:
    context = {
        "bot": bot,
        "words": _(live.CONSENT),
        "problem": problem,
        "loss": loss_estimate(bot=bot, now=timezone.now()),
    }
    return render(request, "web/live.html", context, status=status)
