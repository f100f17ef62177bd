"""The page that asks before a kill switch is turned: whose, what it does, why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import urlencode
from django.views.decorators.http import require_http_methods

from user_project.accounts.models import ExchangeAccount
from user_project.bots import switches
from user_project.bots.models import Bot, Order, ServerSwitch
from user_project.trading.orders import Side

Target = Bot | ExchangeAccount | ServerSwitch
RIGHTS: Final = {"bot": "bots.change_bot", "account": "accounts.change_exchangeaccount"}
NAMES: Final = {"bot": "봇", "account": "거래소 계정", "server": "서버 전체"}


def switch_page(*, kind: str, on: bool, ids: Sequence[UUID] = ()) -> HttpResponse:
    """Return the way to the page that asks."""
    query = [("on", "1" if on else "0"), *(("id", str(pk)) for pk in ids)]
    return HttpResponseRedirect(
        f"{reverse('kill-switch', args=[kind])}?{urlencode(query)}"
    )


@require_http_methods(["GET", "HEAD", "POST"])
def kill_switch(request: HttpRequest, kind: str) -> HttpResponse:
    """Say what turning the switch does; turn it when the operator says why."""
    _check_right(request, kind)
    on = request.GET.get("on") == "1"
    targets = _targets(kind, request.GET.getlist("id"))
    if request.method != "POST":
        return _page(request, kind, targets, on=on)
    reason = request.POST.get("reason", "").strip()
    if on and not reason:
        messages.error(request, "왜 켜는지 적어 주세요. 기록에 남습니다.")
        return _page(request, kind, targets, on=on, status=400)
    for target in targets:
        switches.set_kill_switch(
            target=target, on=on, reason=reason, by=request.user, now=timezone.now()
        )
    _note(request, targets, f"비상 정지 {'켜기' if on else '끄기'}. {reason}")
    done = "켰습니다. 새 주문을 보내지 않습니다." if on else "껐습니다."
    messages.success(request, f"{NAMES[kind]} 비상 정지를 {done}")
    return redirect("admin:index")


def _check_right(request: HttpRequest, kind: str, /) -> None:
    if kind not in NAMES:
        raise Http404(kind)
    person: Any = request.user
    allowed = person.is_superuser if kind == "server" else person.has_perm(RIGHTS[kind])
    if not allowed:
        raise PermissionDenied


def _targets(kind: str, ids: Sequence[str], /) -> list[Target]:
    if kind == "server":
        return [switches.server_switch()]
    rows: Any = Bot.objects if kind == "bot" else ExchangeAccount.objects
    try:
        found = list(rows.filter(pk__in=ids))
    except ValidationError as error:
        raise Http404("no such row") from error
    if not found:
        raise Http404("no such row")
    return found


def _page(
    request: HttpRequest,
    kind: str,
    targets: Sequence[Target],
    /,
    *,
    on: bool,
    status: int = 200,
) -> HttpResponse:
    bots = _bots(kind, targets)
    live = Order.objects.live().filter(bot__in=bots)
    context = {
        **admin.site.each_context(request),
        "title": f"{NAMES[kind]} 비상 정지 {'켜기' if on else '끄기'}",
        "on": on,
        "targets": targets if kind != "server" else [],
        "bots": bots.active().count(),
        "buys": live.filter(side=Side.BID).count(),
        "sales": live.filter(side=Side.ASK).count(),
    }
    return render(request, "console/kill_switch.html", context, status=status)


def _bots(kind: str, targets: Sequence[Target], /) -> Any:
    if kind == "server":
        return Bot.objects.all()
    ids = [target.pk for target in targets]
    return Bot.objects.filter(**{"pk__in" if kind == "bot" else "account__in": ids})


def _note(request: HttpRequest, targets: Sequence[Target], what: str, /) -> None:
    """Leave a trace of who turned it."""
    LogEntry.objects.log_actions(
        str(request.user.pk), list(targets), CHANGE, what, single_object=False
    )
