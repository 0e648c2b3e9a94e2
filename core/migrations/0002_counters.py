import django.db.models.functions.datetime
import core.ids
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    replaces = [("socialfeed", "0002_counters")]

    dependencies = [
        ("core", "0001_time_ordered_ids"),
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
                "db_table": "socialfeed_counter",
                "indexes": [models.Index(fields=["folded_at"], name="counter_by_time")],
            },
        ),
        migrations.CreateModel(
            name="CounterChange",
            fields=[
                (
                    "id",
                    models.BigIntegerField(
                        db_default=core.ids.NextId(),
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
                "db_table": "socialfeed_counterchange",
                "indexes": [
                    models.Index(
                        fields=["subject_id"], include=("delta",), name="counter_change_of_subject"
                    )
                ],
            },
        ),
    ]
