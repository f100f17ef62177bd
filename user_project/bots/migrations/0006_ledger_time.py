from typing import Any

from django.db import migrations, models
from django.db.models import OuterRef, Subquery
from django.db.models.functions import Coalesce


def take_the_causes_time(apps: Any, schema_editor: Any) -> None:
    """Give each booking the time of its fill or adjustment."""
    fill, adjustment = apps.get_model("bots", "Fill"), apps.get_model("bots", "Adjustment")
    apps.get_model("bots", "LedgerEntry").objects.update(
        at=Coalesce(
            Subquery(fill.objects.filter(pk=OuterRef("fill")).values("traded_at")),
            Subquery(adjustment.objects.filter(pk=OuterRef("adjustment")).values("at")),
        )
    )


class Migration(migrations.Migration):

    dependencies = [
        ('bots', '0005_english_sentences_and_page_indexes'),
    ]

    operations = [
        migrations.AddField(
            model_name='ledgerentry',
            name='at',
            field=models.DateTimeField(null=True, verbose_name='시각'),
        ),
        migrations.RunPython(take_the_causes_time, migrations.RunPython.noop),
        migrations.AlterField(
            model_name='ledgerentry',
            name='at',
            field=models.DateTimeField(verbose_name='시각'),
        ),
        migrations.RemoveIndex(
            model_name='ledgerentry',
            name='ledger_profit',
        ),
        migrations.AddIndex(
            model_name='ledgerentry',
            index=models.Index(condition=models.Q(('account__in', ('profit', 'fee')), ('currency', 'KRW')), fields=['account', 'at'], include=('cycle', 'amount'), name='ledger_earned'),
        ),
    ]
