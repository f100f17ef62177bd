"""First rows: score settings, the publication pointer and the schedules.

Schedules are seeded once and belong to the operator from then on; the code schedule
stays empty, because beat would write it over the operator's changes at every start.
"""

from __future__ import annotations

from decimal import Decimal

from django.conf import settings
from django.db import migrations


def seed(apps, schema_editor):
    apps.get_model("market", "ScoreSettings").objects.create(
        technical=Decimal("0.20"),
        volume=Decimal("0.30"),
        volatility=Decimal("0.30"),
        risk=Decimal("0.20"),
        note="기본값",
    )
    apps.get_model("market", "Publication").objects.create(pk=1)
    interval = apps.get_model("django_celery_beat", "IntervalSchedule").objects
    tasks = apps.get_model("django_celery_beat", "PeriodicTask").objects
    often, _ = interval.get_or_create(every=settings.ENSURE_SECONDS, period="seconds")
    hourly, _ = interval.get_or_create(every=1, period="hours")
    tasks.get_or_create(
        name="분석 실행 확인",
        defaults={
            "task": "market.ensure_run",
            "interval": often,
            "queue": "housekeeping",
            "expire_seconds": settings.ENSURE_SECONDS,
            "description": "새 분석 구간을 시작하거나 멈춘 분석을 이어받습니다.",
        },
    )
    tasks.get_or_create(
        name="오래된 데이터 정리",
        defaults={
            "task": "market.prune",
            "interval": hourly,
            "queue": "housekeeping",
            "expire_seconds": 3600,
            "description": "보관 기간이 지난 분석과 캔들을 지웁니다.",
        },
    )


class Migration(migrations.Migration):
    dependencies = [
        ("market", "0001_initial"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]
    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]
