"""Migrations of data: what they count, and that they may be repeated."""

from importlib import import_module
from typing import Any

import pytest
from django.db import connections

from comments import audit
from comments.models import Comment
from core.counters import Counter, CounterChange, counts, replies_to
from tests.comments.test_selectors import make_comments

pytestmark = pytest.mark.django_db
COUNTS: Any = import_module("comments.migrations.0005_reply_counts")


def test_replies_that_exist_are_counted_step_by_step_once(
    alice: int, bob: int, post_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(COUNTS, "COMMENTS_AT_ONCE", 2)
    roots = make_comments(post_id, [alice] * 6)
    for number, root in enumerate(roots[:5], start=1):
        make_comments(post_id, [bob] * number, reply_to_id=root)
    Comment.objects.filter(pk__in=make_comments(post_id, [bob], reply_to_id=roots[0])).update(
        is_shown=False
    )
    subjects = [replies_to(root) for root in roots]
    for rows in (Counter, CounterChange):
        assert not rows.objects.using("comments").filter(subject_id__in=subjects).exists()
    connection = connections["comments"]
    with connection.schema_editor() as editor:
        for _ in range(2):
            COUNTS.count_replies(None, editor)
            assert counts(database="comments", subject_ids=subjects) == dict(
                zip(subjects, [1, 2, 3, 4, 5, 0], strict=True)
            )
    assert all(count == truth for count, truth in audit.REPLIES.compared(roots).values())
