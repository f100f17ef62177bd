"""Exchange accounts: health at a glance; keys can be entered, never read."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.safestring import SafeString
from unfold.decorators import action
from unfold.widgets import UnfoldAdminPasswordWidget, UnfoldAdminTextInputWidget

from user_project.accounts import key_reports
from user_project.accounts.models import ExchangeAccount
from user_project.accounts.services import (
    AccountProblem,
    check_account,
    create_account,
)
from user_project.bots.doctor import LEVELS, account_health
from user_project.bots.models import Bot, Order
from user_project.console.kill_switch import switch_page
from user_project.console.rows import RowsAdmin, badge
from user_project.console.trade import links_of

EDITABLE: Final = ("name", "cap_budget", "cap_coin", "cap_cycles")


class NewAccountForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """A new account; it is checked and saved by the account service."""

    access_key = forms.CharField(
        label="Access key", max_length=200, widget=UnfoldAdminTextInputWidget
    )
    secret_key = forms.CharField(
        label="Secret key", max_length=200, widget=UnfoldAdminPasswordWidget
    )

    class Meta:
        model = ExchangeAccount
        fields = ("owner", "name", "mode", "base_url")
        field_classes = {"base_url": partial(forms.URLField, assume_scheme="http")}

    def clean(self) -> dict[str, Any]:
        """Check the keys with the exchange and save, or show what is wrong."""
        data = super().clean() or {}
        if self.errors:
            return data
        try:
            self.instance = create_account(
                owner=data["owner"],
                name=data["name"],
                mode=data["mode"],
                base_url=data["base_url"],
                access_key=data["access_key"],
                secret_key=data["secret_key"],
                now=timezone.now(),
            )
        except AccountProblem as problem:
            field = problem.field if problem.field in self.fields else None
            raise ValidationError({field or "__all__": problem.message}) from problem
        return data

    def _post_clean(self) -> None:
        """The service has saved the row: there is nothing left to construct."""

    def save(self, commit: bool = True) -> ExchangeAccount:
        """Return what the service saved."""
        account: ExchangeAccount = self.instance
        return account

    def save_m2m(self) -> None:
        """An account has no many-to-many relations."""


@admin.register(ExchangeAccount)
class ExchangeAccountAdmin(RowsAdmin):
    """List, add, check; switches and the end of a quarantine ask first."""

    list_display = (
        "name",
        "owner_text",
        "mode_badge",
        "health",
        "access_key_last4",
        "key_expires_at_text",
        "key_checked_at_text",
        "reconciled_at_text",
        "switch_badge",
    )
    list_filter = ("mode", "owner")
    list_select_related = ("owner",)
    search_fields = ("name", "owner__username")
    search_help_text = "이름, 소유자"
    actions = ("check_keys", "kill", "unkill")
    actions_detail = ("switch_one", "lift_quarantine")

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """Use the checking form for new accounts."""
        if obj is None:
            kwargs["form"] = NewAccountForm
        return super().get_form(request, obj, change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Show everything but the sealed keys; name and caps can change."""
        if obj is None:
            return [*NewAccountForm.Meta.fields, "access_key", "secret_key"]
        names = [field.name for field in self.model._meta.fields]
        shown = [name for name in names if name != "sealed_keys"]
        return [
            "health",
            "belongings",
            *(name if name in EDITABLE else f"{name}_text" for name in shown),
        ]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Only name and caps of an existing account can change."""
        if obj is None:
            return ()
        return [name for name in self.get_fields(request, obj) if name not in EDITABLE]

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Orders and bots refer to it for ever."""
        return False

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: bool
    ) -> None:
        """Write the changed columns alone: workers write the others meanwhile."""
        if change and form.changed_data:
            obj.save(update_fields=form.changed_data)

    @badge("모드", {"live": "danger", "paper": "info"}, ordering="mode")
    def mode_badge(self, account: ExchangeAccount) -> tuple[str, str]:
        """Return paper or live in words."""
        return account.mode, account.get_mode_display()

    @badge("상태", LEVELS)
    def health(self, account: ExchangeAccount) -> tuple[str, str]:
        """Say what stands in the way of orders, if anything."""
        return account_health(account=account, now=timezone.now())

    @badge("비상 정지", {True: "danger"}, ordering="kill_switch_at")
    def switch_badge(self, account: ExchangeAccount) -> tuple[bool, str] | None:
        """Say whether the account's kill switch is on."""
        return (True, "켜짐") if account.kill_switch_at else None

    @admin.display(description="이 계정의")
    def belongings(self, account: ExchangeAccount) -> SafeString:
        """Link to the account's bots and orders."""
        bots = links_of([(Bot, "봇")], account__id__exact=account.pk)
        orders = links_of([(Order, "주문")], bot__account__id__exact=account.pk)
        return bots + SafeString(" · ") + orders

    @admin.action(description="키 점검", permissions=("change",))
    def check_keys(
        self, request: HttpRequest, queryset: QuerySet[ExchangeAccount]
    ) -> None:
        """Test the keys of the chosen accounts."""
        for account in queryset:
            now = timezone.now()
            try:
                report = check_account(account=account, now=now)
            except AccountProblem as problem:
                self.message_user(
                    request, f"{account}: {problem.message}", messages.ERROR
                )
            else:
                found = key_reports.summary(report=report, now=now)
                self.message_user(request, f"{account}: {found}")

    @admin.action(description="비상 정지 켜기 (확인 화면으로)", permissions=("change",))
    def kill(
        self, request: HttpRequest, queryset: QuerySet[ExchangeAccount]
    ) -> HttpResponse:
        """Show what the switch would do to the chosen accounts."""
        return switch_page(kind="account", on=True, ids=[row.pk for row in queryset])

    @admin.action(description="비상 정지 끄기 (확인 화면으로)", permissions=("change",))
    def unkill(
        self, request: HttpRequest, queryset: QuerySet[ExchangeAccount]
    ) -> HttpResponse:
        """Show which of the chosen accounts would trade again."""
        return switch_page(kind="account", on=False, ids=[row.pk for row in queryset])

    @action(  # type: ignore[untyped-decorator]
        description="비상 정지 켜기·끄기",
        icon="emergency_home",
        permissions=["change"],
        url_path="switch-one",
    )
    def switch_one(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Show what turning the account's switch would do."""
        account = ExchangeAccount.objects.get(pk=object_id)
        on = account.kill_switch_at is None
        return switch_page(kind="account", on=on, ids=[account.pk])

    @action(  # type: ignore[untyped-decorator]
        description="격리 해제",
        icon="lock_open",
        permissions=["change"],
        url_path="quarantine",
    )
    def lift_quarantine(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask what was found before the account may trade again."""
        return redirect("quarantine", object_id)
