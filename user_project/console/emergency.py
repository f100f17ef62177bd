"""The emergency stop: first what it would do, then the order, then how far it has come."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import ADDITION, LogEntry
from django.contrib.auth.decorators import permission_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from user_project.accounts.models import ExchangeAccount
from user_project.bots import emergency as stops
from user_project.bots.passwords import check_selling, sell_word
from user_project.bots.problems import BotProblem


class ScopeForm(forms.Form):
    """Whose bots; nothing chosen means the whole server."""

    owner = forms.ModelChoiceField(
        User.objects.all(), required=False, label="소유자", empty_label="모든 소유자"
    )
    account = forms.ModelChoiceField(
        ExchangeAccount.objects.all(),
        required=False,
        label="거래소 계정",
        empty_label="모든 계정",
    )


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("bots.add_emergencystop", raise_exception=True)
def emergency(request: HttpRequest) -> HttpResponse:
    """Show the effects on every bot of the scope; stop them when told how."""
    form = ScopeForm(request.GET)
    if not form.is_valid():
        return _page(request, form, {}, status=400)
    scope = {
        "owner": form.cleaned_data["owner"],
        "account": form.cleaned_data["account"],
    }
    if request.method != "POST":
        return _page(request, form, scope)
    sell_all = request.POST.get("how") == "sell"
    try:
        _check(request, scope, sell_all=sell_all)
    except BotProblem as problem:
        messages.error(request, problem.message)
        return _page(request, form, scope, status=400)
    stop = stops.stop_everything(
        **scope, sell_all=sell_all, by=request.user, now=timezone.now()
    )
    LogEntry.objects.log_actions(
        str(request.user.pk), [stop], ADDITION, "비상 정지", single_object=True
    )
    messages.success(
        request, "비상 정지를 시작했습니다. 봇마다의 결과는 아래에 나옵니다."
    )
    return redirect("admin:bots_emergencystop_change", stop.pk)


def _check(request: HttpRequest, scope: dict[str, Any], /, *, sell_all: bool) -> None:
    if not _may(request, scope):
        raise BotProblem(
            "SCOPE_TOO_WIDE", "서버 전체의 비상 정지는 최고 관리자만 할 수 있습니다."
        )
    if sell_all:
        check_selling(request=request)


def _may(request: HttpRequest, scope: dict[str, Any], /) -> bool:
    return bool(getattr(request.user, "is_superuser", False)) or any(scope.values())


def _page(
    request: HttpRequest,
    form: ScopeForm,
    scope: dict[str, Any],
    /,
    *,
    status: int = 200,
) -> HttpResponse:
    effects = stops.preview_stop(**scope, sell_all=True) if scope else []
    context = {
        **admin.site.each_context(request),
        "title": "비상 정지",
        "form": form,
        "effects": effects,
        "totals": stops.add_up(effects),
        "allowed": bool(scope) and _may(request, scope),
        "word": sell_word(),
    }
    return render(request, "console/emergency.html", context, status=status)
