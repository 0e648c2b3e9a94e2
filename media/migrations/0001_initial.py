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
            name="Media",
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
                ("owner_id", models.BigIntegerField(db_index=True, editable=False)),
                ("width", models.PositiveIntegerField(help_text="Of the full variant, in pixels.")),
                (
                    "height",
                    models.PositiveIntegerField(help_text="Of the full variant, in pixels."),
                ),
                ("byte_size", models.PositiveIntegerField(help_text="Of all variants together.")),
                ("blurhash", models.CharField(max_length=40)),
                ("alt", models.CharField(blank=True, default="", max_length=1000)),
                ("storage_prefix", models.CharField(max_length=100, unique=True)),
                (
                    "created_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                (
                    "used_as",
                    models.CharField(
                        blank=True,
                        choices=[("post", "Post"), ("avatar", "Avatar")],
                        default="",
                        max_length=10,
                    ),
                ),
                ("used_by_id", models.BigIntegerField(blank=True, null=True)),
                ("position", models.PositiveSmallIntegerField(blank=True, null=True)),
            ],
            options={
                "verbose_name_plural": "media",
                "indexes": [
                    models.Index(
                        condition=models.Q(("used_as", "post")),
                        fields=["used_by_id", "position"],
                        name="media_of_post",
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            models.Q(("position", None), ("used_as", ""), ("used_by_id", None)),
                            models.Q(
                                models.Q(("used_as", ""), _negated=True),
                                ("position__gte", 0),
                                ("used_by_id__isnull", False),
                            ),
                            _connector="OR",
                        ),
                        name="media_used_by_somebody",
                    )
                ],
            },
        ),
    ]
