"""People and the audit trail, in the admin's own look."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.models import Group, User
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from central_project.console import schedules
from central_project.market.admin.base import OperatorAdmin, ReadOnlyAdmin, badge

__all__ = ["schedules"]

admin.site.unregister([User, Group])


@admin.register(User)
class OperatorUserAdmin(UserAdmin, OperatorAdmin):  # type: ignore[type-arg]
    """People who may log in; what they may do comes from their groups."""

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    compressed_fields = False
    list_display = ("username", "last_name", "of_groups", "is_active", "last_login")
    list_filter = ("is_active", "is_superuser", "groups")
    filter_horizontal = ()
    fieldsets = (
        (None, {"fields": ("username", "password")}),
        ("사람", {"fields": (("last_name", "first_name"), "email")}),
        ("권한", {"fields": ("is_active", "is_staff", "is_superuser", "groups")}),
        ("기록", {"fields": (("last_login", "date_joined"),)}),
    )
    readonly_fields = ("last_login", "date_joined")

    @admin.display(description="권한")
    def of_groups(self, user: User) -> str:
        """Say what the person may do."""
        if user.is_superuser:
            return "최고 관리자"
        return ", ".join(group.name for group in user.groups.all()) or "-"


@admin.register(Group)
class OperatorGroupAdmin(GroupAdmin, OperatorAdmin):
    """Sets of permissions; two are seeded, and belong to the superuser from then on."""

    compressed_fields = False


@admin.register(LogEntry)
class LogEntryAdmin(ReadOnlyAdmin):
    """Who changed what."""

    list_display = (
        "action_time",
        "user",
        "kind",
        "content_type",
        "object_repr",
        "what",
    )
    fields = ("action_time", "user", "kind", "content_type", "object_repr", "what")
    readonly_fields = ("kind", "what")
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
