"""Count the replies to each comment, for `core.counters`.

Instances of the release before write replies without counting them, and their workers remove
counters of replies as if something were deleted: run `manage.py counters reconcile --all` once all
of them are replaced.
"""

from __future__ import annotations

from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

COMMENTS_AT_ONCE = 1000
# Walks the index of reply_to_id. May be repeated: what is counted stays as it is.
COUNT = """
WITH counted AS (
    SELECT reply_to_id, count(*) FILTER (WHERE is_shown) AS replies
    FROM comments_comment WHERE reply_to_id > %s
    GROUP BY reply_to_id ORDER BY reply_to_id LIMIT %s
), stored AS (
    INSERT INTO socialfeed_counter (subject_id, value) SELECT -reply_to_id, replies FROM counted
    ON CONFLICT DO NOTHING
)
SELECT max(reply_to_id) FROM counted
"""


def count_replies(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    with schema_editor.connection.cursor() as cursor:
        reached = 0
        while reached is not None:
            cursor.execute(COUNT, [reached, COMMENTS_AT_ONCE])
            reached = cursor.fetchone()[0]


class Migration(migrations.Migration):
    # Each statement is committed, while requests write.
    atomic = False

    dependencies = [
        ("core", "0002_counters"),
        ("comments", "0004_shown_comments"),
    ]

    operations = [migrations.RunPython(count_replies, migrations.RunPython.noop)]
