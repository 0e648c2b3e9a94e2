"""Count the follows that there are, for `core.counters`.

Follows that instances of the release before write meanwhile are not counted: run
`manage.py counters reconcile --all` once all of them are replaced.
"""

from __future__ import annotations

from django.db import migrations

COUNT = """
INSERT INTO socialfeed_counter (subject_id, value)
SELECT followee_id, count(*) FROM usergraph_follow GROUP BY followee_id
UNION ALL
SELECT -follower_id, count(*) FROM usergraph_follow GROUP BY follower_id
ON CONFLICT DO NOTHING
"""


class Migration(migrations.Migration):
    dependencies = [
        ("core", "0002_counters"),
        ("usergraph", "0003_change_token"),
    ]

    operations = [migrations.RunSQL(COUNT, migrations.RunSQL.noop)]
