"""Exchange accounts in the admin: keys can be entered, never read."""

from __future__ import annotations

from functools import partial
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from user_project.accounts import key_reports
from user_project.accounts.models import ExchangeAccount
from user_project.accounts.services import (
    AccountProblem,
    check_account,
    create_account,
)


class NewAccountForm(forms.ModelForm):  # type: ignore[type-arg]  # not generic at run time
    """A new account; it is checked and saved by the account service."""

    access_key = forms.CharField(label="Access key", max_length=200)
    secret_key = forms.CharField(
        label="Secret key", max_length=200, widget=forms.PasswordInput
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
class ExchangeAccountAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """List, add, check, lift a quarantine."""

    list_display = (
        "name",
        "owner",
        "mode",
        "access_key_last4",
        "key_expires_at",
        "key_problem",
        "quarantine_reason",
        "reconciled_at",
        "key_checked_at",
        "kill_switch_at",
        "cap_budget",
        "cap_coin",
        "cap_cycles",
    )
    actions = ("check_keys", "lift_quarantine")

    def get_form(
        self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any
    ) -> Any:
        """Use the checking form for new accounts."""
        if obj is None:
            return NewAccountForm
        return super().get_form(request, obj, change, **kwargs)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        """Only the name of an existing account can change."""
        if obj is None:
            return ()
        return [
            field.name
            for field in ExchangeAccount._meta.fields
            if field.editable and field.name != "name"
        ]

    def save_model(
        self, request: HttpRequest, obj: Any, form: Any, change: bool
    ) -> None:
        """A new account is saved by the service already."""
        if change:
            super().save_model(request, obj, form, change)

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

    @admin.action(description="격리 해제 (원인을 확인한 뒤)", permissions=("change",))
    def lift_quarantine(
        self, request: HttpRequest, queryset: QuerySet[ExchangeAccount]
    ) -> None:
        """A person has looked: orders may be sent again after a reconciliation."""
        queryset.update(quarantined_at=None, quarantine_reason="", reconciled_at=None)
        self.message_user(request, "격리를 풀었습니다. 다음 대사 뒤에 다시 주문합니다.")
