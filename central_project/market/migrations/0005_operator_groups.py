"""Two groups of operators, seeded once; who is in them is the superuser's business.

Django makes permissions only after all migrations have run, so the needed ones are made
here under the names that Django looks for.
"""

from __future__ import annotations

from django.db import migrations

SEEN = {
    "market": (
        "coin", "candle", "scoresettings", "analysisrun", "publication", "supportlevel",
        "recommendation", "excludedcoin", "retention", "reportcard",
    ),
    "central_api": ("apikey",),
    "django_celery_beat": ("periodictask", "intervalschedule", "crontabschedule"),
    "auth": ("user", "group"),
    "admin": ("logentry",),
}
DONE = {
    ("market", "coin"): ("change",),
    ("market", "scoresettings"): ("add",),
    ("market", "retention"): ("change",),
    ("market", "analysisrun"): ("add",),  # the button "지금 분석"
    ("central_api", "apikey"): ("add", "change"),
    ("django_celery_beat", "periodictask"): ("add", "change"),
    ("django_celery_beat", "intervalschedule"): ("add", "change"),
    ("django_celery_beat", "crontabschedule"): ("add", "change"),
}


def seed(apps, schema_editor):
    groups = apps.get_model("auth", "Group").objects
    reader, _ = groups.get_or_create(name="운영자(읽기 전용)")
    operator, _ = groups.get_or_create(name="운영자")
    seen = [
        permission(apps, app, model, "view")
        for app, models in SEEN.items()
        for model in models
    ]
    done = [
        permission(apps, app, model, may)
        for (app, model), allowed in DONE.items()
        for may in allowed
    ]
    reader.permissions.add(*seen)
    operator.permissions.add(*seen, *done)


def permission(apps, app, model, may):
    kind, _ = apps.get_model("contenttypes", "ContentType").objects.get_or_create(
        app_label=app, model=model
    )
    name = apps.get_model(app, model)._meta.verbose_name
    row, _ = apps.get_model("auth", "Permission").objects.get_or_create(
        content_type=kind, codename=f"{may}_{model}", defaults={"name": f"Can {may} {name}"}
    )
    return row


class Migration(migrations.Migration):
    dependencies = [
        ("market", "0004_seed_operations"),
        ("central_api", "0001_initial"),
        ("admin", "0003_logentry_add_action_flag_choices"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]
    operations = [migrations.RunPython(seed, migrations.RunPython.noop)]
