"""People, their tokens and the audit trail, in the console's own look."""

from __future__ import annotations

import django_otp.plugins.otp_static.admin
import django_otp.plugins.otp_totp.admin  # noqa: F401  (taken off below)
import rest_framework.authtoken.admin  # noqa: F401  (registers what is taken off below)
from django.contrib import admin
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice
from rest_framework.authtoken.models import TokenProxy
from unfold.decorators import action
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from user_project.accounts.second_step import has_second_step
from user_project.console.rows import FactsAdmin, RowsAdmin, badge

admin.site.unregister([User, Group])
# A list would show everybody's tokens; they are made by `manage_user.py drf_create_token`.
admin.site.unregister(TokenProxy)
# Their rows hold secrets; console.second_step and `manage_user.py totp_off` delete them.
admin.site.unregister([StaticDevice, TOTPDevice])


@admin.register(User)
class PersonAdmin(UserAdmin, RowsAdmin):  # type: ignore[type-arg]
    """People who may log in: owners of bots, and operators."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    compressed_fields = False
    list_display = ("username", "role", "is_active", "last_login_text")
    list_filter = ("is_active", "is_staff", "is_superuser")
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("사람", {"fields": (("last_name", "first_name"), "email")}),
        ("권한", {"fields": ("is_active", "is_staff", "is_superuser", "groups")}),
        ("기록", {"fields": (("last_login_text", "date_joined_text"), "steps")}),
    )
    readonly_fields = ("last_login_text", "date_joined_text", "steps")
    actions_detail = ("take_step",)

    @admin.display(description="역할")
    def role(self, user: User) -> str:
        """Say what the person is here."""
        if user.is_superuser:
            return "최고 관리자"
        return "운영자" if user.is_staff else "소유자"

    @badge("2단계 로그인", {True: "success"})
    def steps(self, user: User) -> tuple[bool, str]:
        """Say whether the password alone opens."""
        return (True, "켜짐") if has_second_step(user) else (False, "꺼짐")

    @action(  # type: ignore[untyped-decorator]
        description="2단계 로그인 끄기",
        icon="phonelink_erase",
        permissions=["change"],
        url_path="second-step",
    )
    def take_step(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Ask why before a lost phone's device is deleted."""
        return redirect("second-step", object_id)


@admin.register(Group)
class PermissionGroupAdmin(GroupAdmin, RowsAdmin):
    """Sets of permissions for operators."""

    compressed_fields = False


@admin.register(LogEntry)
class LogEntryAdmin(FactsAdmin):
    """Who changed what."""

    list_display = ("action_time_text", "user_text", "kind", "object_repr", "what")
    list_filter = ("action_flag", "user", "content_type")
    search_fields = ("object_repr", "change_message", "user__username")
    search_help_text = "대상, 내용, 사용자"
    list_select_related = ("user", "content_type")
    date_hierarchy = "action_time"

    @badge(
        "동작",
        {ADDITION: "success", CHANGE: "info", DELETION: "danger"},
        ordering="action_flag",
    )
    def kind(self, entry: LogEntry) -> tuple[int, str]:
        """Name the kind of change."""
        return entry.action_flag, entry.get_action_flag_display()

    @admin.display(description="내용", ordering="change_message")
    def what(self, entry: LogEntry) -> str:
        """Return the change in words."""
        return entry.get_change_message()
