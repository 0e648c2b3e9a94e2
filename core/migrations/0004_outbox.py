import django.db.models.functions.datetime
import core.ids
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    # Their names in databases that were made when Fan-out owned the table.
    replaces = [
        ("fanout", "0001_initial"),
        ("fanout", "0002_oldest_undone"),
        ("fanout", "0003_more_kinds"),
    ]

    dependencies = [
        ("core", "0003_idempotency_keys"),
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
                    models.CharField(max_length=32),
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
                "db_table": "fanout_outboxevent",
                "indexes": [
                    models.Index(
                        condition=models.Q(("done_at__isnull", True)),
                        fields=["wake_at"],
                        name="outbox_pending",
                    ),
                    models.Index(
                        condition=models.Q(("done_at__isnull", True)),
                        fields=["id"],
                        name="outbox_oldest",
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
            bases=("core.outboxevent",),
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
            bases=("core.outboxevent",),
        ),
    ]
