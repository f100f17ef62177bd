import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    """Apart from the migration before: PostgreSQL alters no table whose rows wait for
    the check of a new reference."""

    dependencies = [
        ("bots", "0007_ledger_owner"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterField(
            model_name="ledgerentry",
            name="owner",
            field=models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="소유자",
            ),
        ),
        migrations.RemoveIndex(model_name="ledgerentry", name="ledger_earned"),
        migrations.AddIndex(
            model_name="ledgerentry",
            index=models.Index(
                fields=["account", "at"],
                include=("owner", "cycle", "amount"),
                condition=models.Q(
                    ("account__in", ("profit", "fee")), ("currency", "KRW")
                ),
                name="ledger_earned",
            ),
        ),
        migrations.AddIndex(
            model_name="cycle",
            index=models.Index(
                fields=["bot"], include=("profit",), name="cycle_earned"
            ),
        ),
        migrations.AddIndex(
            model_name="order",
            index=models.Index(
                fields=["market", "-created_at", "id"],
                name="bots_order_market_992a9e_idx",
            ),
        ),
    ]
