"""A row of the outbox has a tag of the request that announced it; see `core.outbox.repetitions`."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    # The index is built while requests write to the table.
    atomic = False

    dependencies = [
        ("core", "0005_outbox_subscribers"),
    ]

    operations = [
        migrations.AddField(
            model_name="outboxevent",
            name="request_tag",
            field=models.BigIntegerField(editable=False, null=True),
        ),
        AddIndexConcurrently(
            model_name="outboxevent",
            index=models.Index(
                condition=models.Q(done_at__isnull=True, request_tag__isnull=False),
                fields=["request_tag"],
                name="outbox_of_request",
            ),
        ),
    ]
