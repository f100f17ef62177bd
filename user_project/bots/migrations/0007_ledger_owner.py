from typing import Any

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models import OuterRef, Subquery


def take_the_bots_owner(apps: Any, schema_editor: Any) -> None:
    """Give each booking the owner of its bot."""
    cycles = apps.get_model("bots", "Cycle").objects.filter(pk=OuterRef("cycle"))
    apps.get_model("bots", "LedgerEntry").objects.update(
        owner=Subquery(cycles.values("bot__owner"))
    )


class Migration(migrations.Migration):
    dependencies = [
        ("bots", "0006_ledger_time"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="ledgerentry",
            name="owner",
            field=models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="소유자",
            ),
        ),
        migrations.RunPython(take_the_bots_owner, migrations.RunPython.noop),
    ]
