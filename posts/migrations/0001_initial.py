import django.db.models.functions.datetime
import core.ids
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("core", "0001_time_ordered_ids"),
    ]

    operations = [
        migrations.CreateModel(
            name="Post",
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
                ("author_id", models.BigIntegerField(editable=False)),
                ("caption", models.CharField(blank=True, default="", max_length=2200)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                ("edited_at", models.DateTimeField(blank=True, editable=False, null=True)),
            ],
            options={
                "indexes": [models.Index(fields=["author_id", "-id"], name="post_by_author")],
            },
        ),
    ]
