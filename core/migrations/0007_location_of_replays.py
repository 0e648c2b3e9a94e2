"""A replay of a POST with a key has the `Location` of the first answer."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("core", "0006_outbox_request_tag"),
    ]

    operations = [
        migrations.AddField(
            model_name="idempotencykey",
            name="location",
            field=models.CharField(
                blank=True, db_default="", help_text="Of what was made.", max_length=200
            ),
        ),
    ]
