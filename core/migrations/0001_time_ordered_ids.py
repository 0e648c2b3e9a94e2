"""Create `socialfeed_next_id()` in each database; every app's first migration depends on it."""

from __future__ import annotations

from typing import Any

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

# The number of each logical database, in the 13 shard bits. Never reuse or change one.
SHARDS = {"default": 1, "posts": 2, "comments": 3}

CREATE = """
CREATE SEQUENCE socialfeed_id_sequence MINVALUE 0 MAXVALUE 1023 CYCLE;
CREATE FUNCTION socialfeed_next_id() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT ((floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint - 1704067200000) << 23)
         | ({shard} << 10)
         | nextval('socialfeed_id_sequence')
$$;
"""

DROP = """
DROP FUNCTION socialfeed_next_id();
DROP SEQUENCE socialfeed_id_sequence;
"""


def create(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    schema_editor.execute(CREATE.format(shard=SHARDS[schema_editor.connection.alias]))


def drop(apps: Any, schema_editor: BaseDatabaseSchemaEditor) -> None:
    schema_editor.execute(DROP)


class Migration(migrations.Migration):
    initial = True
    # Its name in databases that were made when this app was a part of the project's own.
    replaces = [("socialfeed", "0001_time_ordered_ids")]
    dependencies: list[tuple[str, str]] = []
    operations = [migrations.RunPython(create, drop)]
