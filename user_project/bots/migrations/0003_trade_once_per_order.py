"""One trade may fill two orders of ours: unique per order, not for all."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("bots", "0002_schedule"),
    ]

    operations = [
        migrations.AlterField(
            model_name="fill",
            name="trade_uuid",
            field=models.CharField(max_length=64, verbose_name="체결번호"),
        ),
        migrations.AddConstraint(
            model_name="fill",
            constraint=models.UniqueConstraint(
                fields=("order", "trade_uuid"), name="fill_trade_once_per_order"
            ),
        ),
    ]
