"""Index the names that there are, in batches of 2,000 rows, each a transaction.

It may be interrupted and run again. Those that instances of the release before write meanwhile, and
afterwards, are indexed by the task `users.tasks.index_stale_names`.
"""

from typing import Any

from django.db import migrations

from users.search import index_stale_names

# As in `users.search`, which finds users by this index. It is small: only those are in it.
DROP = "DROP INDEX CONCURRENTLY IF EXISTS user_with_stale_terms"
CREATE = r"""
CREATE INDEX CONCURRENTLY user_with_stale_terms ON users_user (id)
WHERE searched_as <> username || E'\n' || display_name
"""


def index_all(apps: Any, schema_editor: Any) -> None:
    index_stale_names()


class Migration(migrations.Migration):

    atomic = False
    dependencies = [
        ('users', '0007_search_terms'),
    ]

    operations = [
        # An interrupted build leaves an index that is not used.
        migrations.RunSQL([DROP, CREATE], DROP),
        migrations.RunPython(index_all, migrations.RunPython.noop, elidable=True),
    ]
