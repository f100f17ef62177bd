from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("central_api", "0001_initial")]
    operations = [
        migrations.AddField(
            model_name="apikey",
            name="note",
            field=models.CharField(
                blank=True,
                help_text="담당자와 연락처처럼 나중에 필요할 것.",
                max_length=200,
                verbose_name="메모",
            ),
        )
    ]
