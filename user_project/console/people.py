"""People, their tokens and the audit trail, in the console's own look."""

from __future__ import annotations

import django_otp.plugins.otp_static.admin
import django_otp.plugins.otp_totp.admin  # noqa: F401  (taken off below)
import rest_framework.authtoken.admin  # noqa: F401  (registers what is taken off below)
from django.contrib import admin
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice
from rest_framework.authtoken.models import TokenProxy
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from user_project.console.rows import FactsAdmin, RowsAdmin, badge

admin.site.unregister([User, Group])
# A list would show everybody's tokens; they are made by `manage_user.py drf_create_token`.
admin.site.unregister(TokenProxy)
# Their rows hold secrets; `manage_user.py totp_off` helps whoever has lost the phone.
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
        ("기록", {"fields": (("last_login_text", "date_joined_text"),)}),
    )
    readonly_fields = ("last_login_text", "date_joined_text")

    @admin.display(description="역할")
    def role(self, user: User) -> str:
        """Say what the person is here."""
        if user.is_superuser:
            return "최고 관리자"
        return "운영자" if user.is_staff else "소유자"


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
