"""Seed the delivery once; what an operator edits afterwards stays."""

from __future__ import annotations

from typing import Any

from django.db import migrations

SECONDS = 10


def seed(apps: Any, schema_editor: Any) -> None:
    """Add the periodic task if it is not there yet."""
    interval = apps.get_model("django_celery_beat", "IntervalSchedule")
    task = apps.get_model("django_celery_beat", "PeriodicTask")
    every, _ = interval.objects.get_or_create(every=SECONDS, period="seconds")
    task.objects.get_or_create(
        name="알림 보내기",
        defaults={
            "task": "notifications.deliver",
            "interval": every,
            "queue": "housekeeping",
            "expire_seconds": SECONDS,
            "description": "새로 일어난 일을 알림 대상에 보냅니다.",
        },
    )


class Migration(migrations.Migration):
    """Data only."""

    dependencies = [
        ("notifications", "0001_initial"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]
    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]
