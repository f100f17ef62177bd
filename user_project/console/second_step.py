"""The page that asks before the second step of somebody's login is taken away."""

from __future__ import annotations

from typing import Final

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.decorators import permission_required
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from user_project.accounts.second_step import Changed, has_second_step, turn_off

REASON_LENGTH: Final = 200


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("auth.change_user", raise_exception=True)
def second_step(request: HttpRequest, user_id: int) -> HttpResponse:
    """Say what it means; delete phone and written codes when the operator says why."""
    person = get_object_or_404(User, pk=user_id)
    if person.is_superuser and not getattr(request.user, "is_superuser", False):
        raise PermissionDenied  # whoever guards the server is not weakened from below
    if request.method != "POST":
        return _page(request, person)
    reason = request.POST.get("reason", "").strip()[:REASON_LENGTH].replace("\0", "")
    if not reason:
        messages.error(request, "왜 끄는지 적어 주세요. 기록에 남습니다.")
        return _page(request, person, status=400)
    try:
        turn_off(user=person)
    except Changed as news:
        messages.warning(request, str(news))
    else:
        LogEntry.objects.log_actions(
            str(request.user.pk), [person], CHANGE, f"2단계 로그인 끄기. {reason}"
        )
        messages.success(
            request, f"{person}의 2단계 로그인을 껐습니다. 비밀번호만으로 로그인합니다."
        )
    return redirect("admin:auth_user_change", person.pk)


def _page(request: HttpRequest, person: User, /, *, status: int = 200) -> HttpResponse:
    context = {
        **admin.site.each_context(request),
        "title": "2단계 로그인 끄기",
        "person": person,
        "is_on": has_second_step(person),
    }
    return render(request, "console/second_step.html", context, status=status)
