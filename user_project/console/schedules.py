"""Schedules in the console's own look; the database is the only place for them."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.http import HttpRequest
from django_celery_beat.admin import (
    CrontabScheduleAdmin,
    IntervalScheduleAdmin,
    PeriodicTaskAdmin,
    PeriodicTaskForm,
    TaskSelectWidget,
)
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from user_project.console.rows import RowsAdmin, badge

admin.site.unregister(
    [PeriodicTask, IntervalSchedule, CrontabSchedule, ClockedSchedule, SolarSchedule]
)


class _TaskSelect(UnfoldAdminSelectWidget, TaskSelectWidget):  # type: ignore[misc]
    """The choice of a task in the console's look."""


class ScheduleForm(PeriodicTaskForm):  # type: ignore[misc]
    """The schedule's form in the console's look."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Dress the two fields that the model does not have."""
        super().__init__(*args, **kwargs)
        if "regtask" in self.fields:
            self.fields["regtask"].widget = _TaskSelect()
            self.fields["task"].widget = UnfoldAdminTextInputWidget()

    def validate_unique(self) -> None:
        """Demand one schedule, in the operator's language; the model has English only."""
        if bool(self.cleaned_data.get("interval")) == bool(
            self.cleaned_data.get("crontab")
        ):
            self.add_error(None, "반복 간격과 정해진 시각 가운데 하나만 골라 주세요.")
        else:
            super().validate_unique()


@admin.register(PeriodicTask)
class ScheduleAdmin(PeriodicTaskAdmin, RowsAdmin):  # type: ignore[misc]
    """What runs by itself, and how often."""

    form = ScheduleForm
    compressed_fields = False
    list_display = ("name", "on", "timing", "last_run_at_text", "description")
    list_filter = ("enabled",)
    date_hierarchy = None
    actions = ()
    fieldsets = (
        (None, {"fields": ("name", "enabled", "description")}),
        ("언제 (하나만 고르세요)", {"fields": (("interval", "crontab"),)}),
        ("무엇을", {"fields": (("regtask", "task"), "queue", "expire_seconds")}),
        ("기록", {"fields": ("last_run_at_text", "total_run_count")}),
    )
    readonly_fields = ("last_run_at_text", "total_run_count")

    @badge("상태", {True: "success"}, ordering="enabled")
    def on(self, task: PeriodicTask) -> tuple[bool, str]:
        """Say whether it runs."""
        return task.enabled, "켜짐" if task.enabled else "꺼짐"

    @admin.display(description="주기")
    def timing(self, task: PeriodicTask) -> str:
        """Say how often it runs."""
        return str(task.crontab or task.interval)


@admin.register(IntervalSchedule)
class IntervalAdmin(IntervalScheduleAdmin, RowsAdmin):  # type: ignore[misc]
    """Every so often."""

    inlines = ()


@admin.register(CrontabSchedule)
class CrontabAdmin(CrontabScheduleAdmin, RowsAdmin):  # type: ignore[misc]
    """At set times."""

    inlines = ()

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Start in the zone in which the console shows every time; beat's own is UTC."""
        given: dict[str, Any] = super().get_changeform_initial_data(request)
        return {"timezone": settings.TIME_ZONE} | given
