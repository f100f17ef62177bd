"""Schedules in the admin's own look; the database is the only place for them."""

from __future__ import annotations

from typing import Any, Final

from celery import current_app
from cron_descriptor import (
    FormatException,
    MissingFieldException,
    Options,
    WrongArgumentException,
    get_description,
)
from django.conf import settings
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
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
from kombu.exceptions import OperationalError
from unfold.decorators import action
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from central_project.market.admin.base import OperatorAdmin, age_column, badge
from central_project.market.admin.export import export_csv

admin.site.unregister(
    [PeriodicTask, IntervalSchedule, CrontabSchedule, ClockedSchedule, SolarSchedule]
)


WHEN: Final = ("interval", "crontab")


class _TaskSelect(UnfoldAdminSelectWidget, TaskSelectWidget):  # type: ignore[misc]
    """The choice of a task in the admin's look."""


class ScheduleForm(PeriodicTaskForm):  # type: ignore[misc]
    """The schedule's form in the admin's look."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Dress the two fields that the model does not have."""
        super().__init__(*args, **kwargs)
        if "regtask" in self.fields:
            self.fields["regtask"].widget = _TaskSelect()
            self.fields["task"].widget = UnfoldAdminTextInputWidget()

    def validate_unique(self) -> None:
        """Demand one schedule, in the operator's language; the model has English only."""
        given = [name for name in WHEN if self.cleaned_data.get(name)]
        if len(given) == 1:
            super().validate_unique()
        else:
            self.add_error(None, "반복 간격과 정해진 시각 가운데 하나만 골라 주세요.")


@admin.register(PeriodicTask)
class ScheduleAdmin(PeriodicTaskAdmin, OperatorAdmin):  # type: ignore[misc]
    """What runs by itself, and how often; the database is the only place for it."""

    form = ScheduleForm
    list_display = (
        "name", "on", "timing", age_column("last_run_at", "마지막 실행"), "description",
    )  # fmt: skip
    list_filter = ("enabled",)
    date_hierarchy = None
    actions = ("switch_on", "switch_off", export_csv)
    actions_row = actions_detail = ("run_now",)
    fieldsets = (
        (None, {"fields": ("name", "enabled", "description")}),
        (
            "언제 (하나만 고르세요)",
            {"fields": (WHEN, "crontab_translation")},
        ),
        ("무엇을", {"fields": (("regtask", "task"), "queue", "expire_seconds")}),
        ("기록", {"fields": ("last_run_at", "total_run_count")}),
    )
    readonly_fields = ("last_run_at", "total_run_count", "crontab_translation")

    @admin.action(description="켜기", permissions=["change"])
    def switch_on(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Let the chosen ones run again."""
        self._switch(request, queryset, on=True)

    @admin.action(description="끄기", permissions=["change"])
    def switch_off(self, request: HttpRequest, queryset: QuerySet[Any]) -> None:
        """Keep the chosen ones from running."""
        self._switch(request, queryset, on=False)

    def _switch(
        self, request: HttpRequest, tasks: QuerySet[Any], /, *, on: bool
    ) -> None:
        """Change each task, which wakes beat, and leave a trace of who did it."""
        # Beat writes the other fields; a task that rested begins without a last run.
        changed = ("enabled",) if on else ("enabled", "last_run_at")
        for task in tasks:
            task.enabled = on
            task.save(update_fields=changed)
            self.log_change(request, task, "켜기" if on else "끄기")
        words = "켰습니다" if on else "껐습니다"
        messages.success(request, f"일정 {len(tasks)}개를 {words}.")

    @badge("상태", {True: "success"}, ordering="enabled")
    def on(self, task: PeriodicTask) -> tuple[bool, str]:
        """Say whether it runs."""
        return task.enabled, "켜짐" if task.enabled else "꺼짐"

    @admin.display(description="주기")
    def timing(self, task: PeriodicTask) -> str:
        """Say how often it runs."""
        return in_words(task.crontab) if task.crontab else str(task.interval)

    @admin.display(description="시각을 풀어 쓰면")
    def crontab_translation(self, task: PeriodicTask) -> str:
        """Put the crontab into words."""
        return in_words(task.crontab) if task.crontab else "-"

    @action(  # type: ignore[untyped-decorator]
        description="지금 실행",
        icon="play_arrow",
        permissions=["change"],
        dialog={
            "title": "지금 실행할까요?",
            "description": "정해진 때를 기다리지 않고 작업자에게 한 번 맡깁니다.",
            "form_submit_text": "실행",
        },
    )
    def run_now(
        self, request: HttpRequest, form: object, object_id: str
    ) -> HttpResponse:
        """Hand the task to a worker, once."""
        task = PeriodicTask.objects.get(pk=object_id)
        try:
            current_app.send_task(task.task, queue=task.queue or None, expires=60)
        except OperationalError:
            messages.error(request, "Redis가 응답하지 않아 작업을 맡기지 못했습니다.")
        else:
            self.log_change(request, task, "지금 실행")
            messages.success(request, f"'{task.name}'을(를) 작업자에게 맡겼습니다.")
        address = reverse("admin:django_celery_beat_periodictask_changelist")
        return HttpResponse(headers={"HX-Redirect": address})


@admin.register(IntervalSchedule)
class IntervalAdmin(IntervalScheduleAdmin, OperatorAdmin):  # type: ignore[misc]
    """Every so often."""

    inlines = ()


@admin.register(CrontabSchedule)
class CrontabAdmin(CrontabScheduleAdmin, OperatorAdmin):  # type: ignore[misc]
    """At set times."""

    inlines = ()
    list_display = (
        "words",
        "minute",
        "hour",
        "day_of_month",
        "month_of_year",
        "day_of_week",
        "timezone",
    )
    fields = list_display
    readonly_fields = ("words",)

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Start in the zone in which the console shows every time; beat's own is UTC."""
        given: dict[str, Any] = super().get_changeform_initial_data(request)
        return {"timezone": settings.TIME_ZONE} | given

    @admin.display(description="풀어 쓰면")
    def words(self, crontab: CrontabSchedule) -> str:
        """Put it into words."""
        return in_words(crontab) if crontab.pk else "-"


def in_words(crontab: CrontabSchedule, /) -> str:
    """Say in Korean when a crontab is due; its expression if nobody can say."""
    days = (crontab.day_of_month, crontab.month_of_year, crontab.day_of_week)
    expression = " ".join((crontab.minute, crontab.hour, *days))
    options = Options()
    options.locale_code, options.use_24hour_time_format = "ko_KR", True
    try:
        words = get_description(expression, options=options)
    except (FormatException, MissingFieldException, WrongArgumentException):
        return f"{expression} ({crontab.timezone})"
    daily = "매일 " if set(days) == {"*"} and crontab.hour != "*" else ""
    return f"{daily}{words} ({crontab.timezone})"
