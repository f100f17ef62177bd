"""The owner's exchange accounts: health, key test, new keys, caps, kill switch."""

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

from user_project.accounts import key_reports
from user_project.accounts import services as account_services
from user_project.accounts.hosts import usual_host
from user_project.accounts.models import AccountMode, ExchangeAccount
from user_project.accounts.services import AccountProblem
from user_project.bots import doctor, switches
from user_project.bots.passwords import check_password
from user_project.bots.problems import BotProblem
from user_project.web.pages import LOOKS, owner_page, show, typed


class AccountForm(forms.Form):
    """A new account; its keys are tested before anything is stored."""

    name = forms.CharField(label=_lazy("이름"), max_length=60)
    mode = forms.ChoiceField(label=_lazy("모드"), choices=AccountMode.choices)
    access_key = forms.CharField(
        label="Access key",
        max_length=200,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    secret_key = forms.CharField(
        label="Secret key",
        max_length=200,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )
    password = forms.CharField(
        label=_lazy("내 비밀번호"),
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


class CapsForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """Bounds on what the account's rounds may take; empty is no bound."""

    class Meta:
        model = ExchangeAccount
        fields = ("cap_budget", "cap_coin", "cap_cycles")


@owner_page(*LOOKS, "POST")
def accounts(request: HttpRequest) -> HttpResponse:
    """List the accounts; add one after its keys passed the test."""
    form = AccountForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        values = dict(form.cleaned_data)
        values.pop("password")
        try:
            check_password(request=request)
            account = account_services.create_account(
                owner=request.user,
                base_url=usual_host(values["mode"]),
                now=timezone.now(),
                **values,
            )
        except (AccountProblem, BotProblem) as problem:
            field = problem.field if problem.field in form.fields else None
            form.add_error(field, problem.message)
        else:
            messages.success(request, _("계정을 추가했습니다: %s") % account.name)
            return redirect("accounts")
    status = 400 if form.errors else 200
    return show(
        request,
        "web/accounts.html",
        status=status,
        form=form,
        rows=[_row(account) for account in _own(request)],
    )


@owner_page("POST")
def account_action(
    request: HttpRequest, account_id: uuid.UUID, action: str
) -> HttpResponse:
    """Test keys, replace them, bound the account, or turn its kill switch."""
    account = get_object_or_404(_own(request), pk=account_id)
    if action not in ACTIONS:
        raise Http404(action)
    try:
        messages.success(request, ACTIONS[action](request, account))
    except (AccountProblem, BotProblem) as problem:
        messages.error(request, problem.message)
    return redirect("accounts")


def _own(request: HttpRequest, /) -> Any:
    return ExchangeAccount.objects.for_user(request.user)


def _row(account: ExchangeAccount, /) -> dict[str, Any]:
    level, words = doctor.account_health(account=account, now=timezone.now())
    return {
        "account": account,
        "level": level,
        "words": words,
        "caps": CapsForm(instance=account, auto_id=f"caps-{account.pk}-%s"),
        "can_pause": account.kill_switch_at is None,
    }


def _check(request: HttpRequest, account: ExchangeAccount, /) -> str:
    now = timezone.now()
    report = account_services.check_account(account=account, now=now)
    return key_reports.summary(report=report, now=now)


def _replace(request: HttpRequest, account: ExchangeAccount, /) -> str:
    check_password(request=request)
    account_services.replace_keys(
        account=account,
        access_key=request.POST.get("access_key", ""),
        secret_key=request.POST.get("secret_key", ""),
        now=timezone.now(),
    )
    return _("키를 시험하고 바꿨습니다.")


def _bound(request: HttpRequest, account: ExchangeAccount, /) -> str:
    form = CapsForm(request.POST, instance=account)
    if not form.is_valid():
        (message, *_others) = (text for texts in form.errors.values() for text in texts)
        raise BotProblem("INVALID_INPUT", str(message))
    account_services.set_caps(account=account, **form.cleaned_data)
    return _("한도를 바꿨습니다.")


def _switch(request: HttpRequest, account: ExchangeAccount, /) -> str:
    on = request.POST.get("on") == "1"
    if not on:
        check_password(request=request)
    switches.set_kill_switch(
        target=account,
        on=on,
        reason=typed(request, "reason"),
        by=request.user,
        now=timezone.now(),
    )
    return _("비상 정지를 켰습니다.") if on else _("비상 정지를 껐습니다.")


ACTIONS: Final[dict[str, Callable[[HttpRequest, ExchangeAccount], str]]] = {
    "check": _check,
    "keys": _replace,
    "caps": _bound,
    "switch": _switch,
}
