"""The retention row and the daily report card; both belong to the operator from then on."""

from __future__ import annotations

from django.db import migrations


def seed(apps, schema_editor):
    apps.get_model("market", "Retention").objects.get_or_create(pk=1)
    crontab, _ = apps.get_model("django_celery_beat", "CrontabSchedule").objects.get_or_create(
        minute="20", hour="4", day_of_week="*", day_of_month="*", month_of_year="*",
        timezone="Asia/Seoul",
    )
    apps.get_model("django_celery_beat", "PeriodicTask").objects.get_or_create(
        name="성적표 계산",
        defaults={
            "task": "market.report_card",
            "crontab": crontab,
            "queue": "housekeeping",
            "expire_seconds": 3600,
            "description": "제공한 분석과 과거 재현의 성적표를 하루에 한 번 계산합니다.",
        },
    )


class Migration(migrations.Migration):
    dependencies = [
        ("market", "0003_operations"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]
    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]
