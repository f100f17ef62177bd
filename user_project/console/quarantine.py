"""The page that asks before an account's quarantine ends."""

from __future__ import annotations

import uuid

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from user_project.accounts.models import ExchangeAccount
from user_project.bots.models import Order
from user_project.bots.problems import BotProblem
from user_project.bots.quarantine import lift_quarantine


@require_http_methods(["GET", "HEAD", "POST"])
@permission_required("accounts.change_exchangeaccount", raise_exception=True)
def quarantine(request: HttpRequest, account_id: uuid.UUID) -> HttpResponse:
    """Show why the account is set apart; lift it when the operator says what was found."""
    account = get_object_or_404(ExchangeAccount, pk=account_id)
    status = 200
    if request.method == "POST":
        note = request.POST.get("note", "")
        try:
            lift_quarantine(
                account=account, note=note, by=request.user, now=timezone.now()
            )
        except BotProblem as problem:
            messages.error(request, problem.message)
            status = 400
        else:
            LogEntry.objects.log_actions(
                str(request.user.pk), [account], CHANGE, f"격리 해제. {note}"
            )
            messages.success(
                request, "격리를 풀었습니다. 다음 대조 뒤에 다시 주문합니다."
            )
            return redirect("admin:index")
    context = {
        **admin.site.each_context(request),
        "title": "격리 해제",
        "account": account,
        "live": Order.objects.live().filter(bot__account=account).count(),
    }
    return render(request, "console/quarantine.html", context, status=status)
