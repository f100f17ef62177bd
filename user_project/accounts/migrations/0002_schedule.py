"""Seed the daily key check once; what an operator edits afterwards stays."""

from __future__ import annotations

from typing import Any

from django.db import migrations


def seed(apps: Any, schema_editor: Any) -> None:
    """Add the periodic task if it is not there yet."""
    interval = apps.get_model("django_celery_beat", "IntervalSchedule")
    task = apps.get_model("django_celery_beat", "PeriodicTask")
    every, _ = interval.objects.get_or_create(every=1, period="days")
    task.objects.get_or_create(
        name="거래소 키 점검",
        defaults={
            "task": "accounts.check_keys",
            "interval": every,
            "queue": "housekeeping",
            "expire_seconds": 3600,
            "description": "모든 계정의 키가 작동하는지, 언제 만료되는지 하루에 한 번 봅니다.",
        },
    )


class Migration(migrations.Migration):
    """Data only."""

    dependencies = [
        ("accounts", "0001_initial"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]
    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]
