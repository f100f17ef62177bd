"""Seed the beat schedule once; what an operator edits afterwards stays."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import migrations

PULL_CHECK_SECONDS = 10


def seed(apps: Any, schema_editor: Any) -> None:
    """Add the periodic tasks that are not there yet."""
    interval = apps.get_model("django_celery_beat", "IntervalSchedule")
    task = apps.get_model("django_celery_beat", "PeriodicTask")
    wanted = (
        # (name, task, queue, seconds, description)
        (
            "본사 자료 받기",
            "central.pull",
            "pull",
            max(1, min(settings.PULL_SECONDS // 3, PULL_CHECK_SECONDS)),
            "때가 되었는지 보고 본사 자료를 받습니다. 주기는 DANTARO_PULL_SECONDS입니다.",
        ),
        (
            "거래소와 대조",
            "bots.reconcile_accounts",
            "reconcile",
            settings.RECONCILE_SECONDS,
            "모든 계정의 주문을 거래소와 대조합니다.",
        ),
    )
    for name, path, queue, seconds, description in wanted:
        every, _ = interval.objects.get_or_create(every=seconds, period="seconds")
        task.objects.get_or_create(
            name=name,
            defaults={
                "task": path,
                "interval": every,
                "queue": queue,
                "expire_seconds": max(seconds, 5),
                "description": description,
            },
        )


class Migration(migrations.Migration):
    """Data only."""

    dependencies = [
        ("bots", "0001_initial"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]
    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]
