"""Renames a field. The column keeps its name, so the database does nothing."""

import uuid

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("usergraph", "0002_pulled_author")]

    operations = [
        migrations.AlterField(
            "pulledauthor",
            "stay",
            models.UUIDField(db_column="stay", default=uuid.uuid4, editable=False),
        ),
        migrations.RenameField("pulledauthor", "stay", "change_token"),
    ]
