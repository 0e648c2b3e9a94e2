import django.db.models.functions.datetime
import socialfeed.common.ids
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("socialfeed", "0001_time_ordered_ids"),
    ]

    operations = [
        migrations.CreateModel(
            name="Counter",
            fields=[
                ("subject_id", models.BigIntegerField(primary_key=True, serialize=False)),
                ("value", models.BigIntegerField()),
                (
                    "folded_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
            ],
            options={
                "indexes": [models.Index(fields=["folded_at"], name="counter_by_time")],
            },
        ),
        migrations.CreateModel(
            name="CounterChange",
            fields=[
                (
                    "id",
                    models.BigIntegerField(
                        db_default=socialfeed.common.ids.NextId(),
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                ("subject_id", models.BigIntegerField()),
                ("delta", models.IntegerField()),
                ("actor_id", models.BigIntegerField(null=True)),
            ],
            options={
                "indexes": [
                    models.Index(
                        fields=["subject_id"], include=("delta",), name="counter_change_of_subject"
                    )
                ],
            },
        ),
    ]
