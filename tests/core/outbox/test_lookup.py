"""Finding outbox rows."""

import pytest
from django.db import connections

from core.outbox.lookup import rows_beside
from tests.support.explanations import publish


@pytest.mark.django_db
def test_the_outbox_row_is_found_by_primary_key(bob: int) -> None:
    """In a table of many rows, analyzed, the planner reads a range of ids and not the table."""
    post_id, event_id = publish(bob)
    with connections["posts"].cursor() as cursor:
        cursor.execute(
            "INSERT INTO fanout_outboxevent"
            " (id, kind, payload, cursor, attempts, wake_at, done_at, last_error)"
            " SELECT n::bigint << 23, 'post_published', jsonb_build_object('post_id', n), 0, 1,"
            "        now(), now(), ''"
            " FROM generate_series(1, 20000) AS n"
        )
        cursor.execute("ANALYZE fanout_outboxevent")
    beside = rows_beside(
        database="posts",
        kind="post_published",
        subject_id=post_id,
        subscriber="fanout",
        post_id=post_id,
    )
    assert [row.pk for row in beside] == [event_id]
    plan = beside.explain()
    assert "fanout_outboxevent_pkey" in plan
    assert "Seq Scan" not in plan
