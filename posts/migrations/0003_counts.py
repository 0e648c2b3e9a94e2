"""Count the posts that each account has, for `core.counters`.

Posts that instances of the release before write meanwhile are not counted: run
`manage.py counters reconcile --all` once all of them are replaced.
"""

from __future__ import annotations

from django.db import migrations

COUNT = """
INSERT INTO socialfeed_counter (subject_id, value)
SELECT -author_id, count(*) FROM posts_post GROUP BY author_id
ON CONFLICT DO NOTHING
"""


class Migration(migrations.Migration):
    dependencies = [
        ("core", "0002_counters"),
        ("posts", "0002_likes_and_comment_summaries"),
    ]

    operations = [migrations.RunSQL(COUNT, migrations.RunSQL.noop)]
