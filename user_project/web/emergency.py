"""The owner's emergency stop: first what it would do, then the order, then the results."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext as _

from user_project.bots import emergency as stops
from user_project.bots.models import EmergencyStop
from user_project.bots.passwords import check_selling, sell_word
from user_project.bots.problems import BotProblem
from user_project.web.pages import LOOKS, owner_page, show


@owner_page(*LOOKS, "POST")
def emergency(request: HttpRequest) -> HttpResponse:
    """List the effects on every bot; stop buying, or sell all with word and password."""
    if request.method != "POST":
        return _page(request)
    sell_all = request.POST.get("how") == "sell"
    try:
        if sell_all:
            check_selling(request=request)
    except BotProblem as problem:
        messages.error(request, problem.message)
        return _page(request, status=400)
    stop = stops.stop_everything(
        owner=request.user, sell_all=sell_all, by=request.user, now=timezone.now()
    )
    messages.success(request, _("비상 정지를 시작했습니다."))
    return redirect("emergency-result", stop.pk)


@owner_page(*LOOKS)
def emergency_result(request: HttpRequest, stop_id: uuid.UUID) -> HttpResponse:
    """Say how far each bot has come."""
    stop = get_object_or_404(EmergencyStop, pk=stop_id, owner=request.user)
    results = stops.results(stop=stop)
    done = all(result.done for result in results)
    return show(
        request, "web/emergency_result.html", stop=stop, results=results, done=done
    )


def _page(request: HttpRequest, *, status: int = 200) -> HttpResponse:
    effects = stops.preview_stop(owner=request.user, sell_all=True)
    return show(
        request,
        "web/emergency.html",
        status=status,
        effects=effects,
        totals=stops.add_up(effects),
        word=sell_word(),
    )
