"""A post that a million people like costs no more to show than any other."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connections

from core.counters import Counter, CounterChange
from posts import records
from posts.records import load_records
from tests.support.plans import explained, nodes, rows_of
from tests.support.posts_factory import make_posts

pytestmark = pytest.mark.django_db

LIKES = 1_000_000
UNFOLDED = 2000
MAX_MILLISECONDS = 20.0  # of database time
_LIKES_SQL = """
INSERT INTO posts_like (subject_id, user_id) SELECT %s, number FROM generate_series(1, %s) AS number
"""


@pytest.fixture
def hot_post(alice: int) -> int:
    """A post with 1,000,000 likes, some thousands of which are not folded yet."""
    post_id = make_posts(alice, 1)[0]
    with connections["posts"].cursor() as cursor:
        # The sequence gives 1,024 ids a millisecond: slower than that on any machine.
        cursor.execute(_LIKES_SQL, [post_id, LIKES])
        cursor.execute("ANALYZE posts_like")
    Counter.objects.using("posts").create(subject_id=post_id, value=LIKES - UNFOLDED)
    CounterChange.objects.using("posts").bulk_create(
        CounterChange(subject_id=post_id, delta=1) for _ in range(UNFOLDED)
    )
    return post_id


def test_the_record_of_a_post_with_a_million_likes_is_read_in_milliseconds(
    hot_post: int, measured: Callable[[str], None]
) -> None:
    _, record = load_records([hot_post])[hot_post]
    assert record
    assert record.likes == LIKES
    assert len(record.liker_ids) == records.LIKERS_KEPT
    plan = explained(records._RECORDS_SQL, [[hot_post]])
    milliseconds = plan["Planning Time"] + plan["Execution Time"]
    rows = sum(rows_of(node) for node in nodes(plan["Plan"]) if "Relation Name" in node)
    measured(
        f"{LIKES:,} likes, {UNFOLDED:,} of them not folded: {milliseconds:.1f} ms of database "
        f"time, {rows} rows read"
    )
    assert rows < UNFOLDED + 50
    assert milliseconds < MAX_MILLISECONDS
