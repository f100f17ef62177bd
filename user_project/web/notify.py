"""Where the owner is told of what: add, try, turn, take away."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any, Final

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from user_project.notifications.models import Kind, Target
from user_project.notifications.services import (
    TargetProblem,
    add_target,
    try_target,
    turn,
)
from user_project.web.pages import LOOKS, owner_page, show


class TargetForm(forms.Form):
    """A new place to be told at."""

    name = forms.CharField(label=_lazy("이름"), max_length=60)
    address = forms.CharField(
        label=_lazy("주소"),
        max_length=500,
        help_text=_lazy("예: tgram://봇토큰/대화번호, discord://…, ntfy://서버/주제"),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    kinds = forms.MultipleChoiceField(
        label=_lazy("알릴 것"),
        choices=Kind.choices,
        initial=Kind.values,
        widget=forms.CheckboxSelectMultiple,
    )


@owner_page(*LOOKS, "POST")
def notify(request: HttpRequest) -> HttpResponse:
    """List the places; add one."""
    form = TargetForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            add_target(owner=request.user, now=timezone.now(), **form.cleaned_data)
        except TargetProblem as problem:
            form.add_error(problem.field, problem.message)
        else:
            messages.success(request, _("알림 대상을 추가했습니다. 시험해 보세요."))
            return redirect("notify")
    rows = [{"target": row, "kinds": _names(row)} for row in _own(request)]
    status = 400 if form.errors else 200
    return show(request, "web/notify.html", form=form, rows=rows, status=status)


@owner_page("POST")
def target_action(
    request: HttpRequest, target_id: uuid.UUID, action: str
) -> HttpResponse:
    """Try a place, turn it on or off, or take it away."""
    target = get_object_or_404(_own(request), pk=target_id)
    if action not in ACTIONS:
        raise Http404(action)
    try:
        messages.success(request, ACTIONS[action](request, target))
    except TargetProblem as problem:
        messages.error(request, problem.message)
    return redirect("notify")


def _own(request: HttpRequest, /) -> Any:
    return Target.objects.for_user(request.user)


def _names(target: Target, /) -> list[str]:
    return [str(label) for kind, label in Kind.choices if kind in target.kinds]


def _try(request: HttpRequest, target: Target, /) -> str:
    try_target(target=target, now=timezone.now())
    return _("시험 알림을 보냈습니다.")


def _turn(request: HttpRequest, target: Target, /) -> str:
    turn(target=target, on=request.POST.get("on") == "1", now=timezone.now())
    return _("켰습니다.") if target.is_on else _("껐습니다.")


def _take_away(request: HttpRequest, target: Target, /) -> str:
    target.delete()
    return _("알림 대상을 지웠습니다.")


ACTIONS: Final[dict[str, Callable[[HttpRequest, Target], str]]] = {
    "test": _try,
    "turn": _turn,
    "delete": _take_away,
}
