"""A row for each subscriber of an event; and what staff may see keeps its names' permissions.

Pending rows are carried over: one without a subscriber is assigned when it is delivered, see
`core.outbox.delivery`.
"""

from __future__ import annotations

from typing import Any

from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

# An event of its own from now on; the payload has always told the two apart.
SPLIT_KIND = """
UPDATE fanout_outboxevent SET kind = 'follows_removed'
WHERE kind = 'follow_changed' AND payload ? 'follower_ids' AND done_at IS NULL
"""
MERGE_KIND = """
UPDATE fanout_outboxevent SET kind = 'follow_changed' WHERE kind = 'follows_removed'
"""
# The models' former apps. With their content types go the permissions that staff have been given.
RENAME_APPS = """
UPDATE django_content_type SET app_label = 'core' WHERE app_label IN ('socialfeed', 'fanout')
"""


def keep_permissions(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    tables = schema_editor.connection.introspection.table_names()
    if "django_content_type" in tables:
        schema_editor.execute(RENAME_APPS)


class Migration(migrations.Migration):
    dependencies = [
        ("core", "0004_outbox"),
    ]

    operations = [
        migrations.AddField(
            model_name="outboxevent",
            name="subscriber",
            field=models.CharField(blank=True, db_default="", max_length=32),
        ),
        migrations.RunSQL(SPLIT_KIND, MERGE_KIND),
        migrations.RunPython(keep_permissions, migrations.RunPython.noop),
    ]
