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
            name="OutboxEvent",
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
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("post_published", "Post Published"),
                            ("post_deleted", "Post Deleted"),
                            ("follow_changed", "Follow Changed"),
                        ],
                        max_length=32,
                    ),
                ),
                ("payload", models.JSONField()),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("cursor", models.BigIntegerField(default=0)),
                ("attempts", models.IntegerField(default=0)),
                ("lease_token", models.UUIDField(null=True)),
                ("lease_until", models.DateTimeField(null=True)),
                ("wake_at", models.DateTimeField()),
                ("done_at", models.DateTimeField(null=True)),
                ("last_error", models.TextField(blank=True, default="")),
            ],
            options={
                "indexes": [
                    models.Index(
                        condition=models.Q(("done_at__isnull", True)),
                        fields=["wake_at"],
                        name="outbox_pending",
                    ),
                    models.Index(
                        condition=models.Q(("done_at__isnull", False)),
                        fields=["done_at"],
                        name="outbox_done",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="CommentsOutboxEvent",
            fields=[],
            options={
                "verbose_name": "outbox event (comments)",
                "verbose_name_plural": "outbox events (comments)",
                "proxy": True,
                "indexes": [],
                "constraints": [],
            },
            bases=("fanout.outboxevent",),
        ),
        migrations.CreateModel(
            name="PostsOutboxEvent",
            fields=[],
            options={
                "verbose_name": "outbox event (posts)",
                "verbose_name_plural": "outbox events (posts)",
                "proxy": True,
                "indexes": [],
                "constraints": [],
            },
            bases=("fanout.outboxevent",),
        ),
    ]
