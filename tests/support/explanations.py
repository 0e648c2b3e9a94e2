"""Makes undelivered posts, and checks explanations against real reads."""

from typing import Any
from unittest.mock import patch

from core.ids import MAX_ID
from core.outbox import delivery, rows
from core.outbox.models import OutboxEvent
from core.valkey import cache_valkey
from operations.explain.gates import Gate, State
from operations.explain.report import Explanation, explain_home
from posts import selectors as post_selectors
from posts.models import Post
from tests.support.api_documents import documents_of_existing
from tests.support.posts_factory import make_posts
from timeline.entries import home_timeline, profile_timeline, slice_in_sql, timeline_slice
from timeline.keys import home_key, profile_key
from timeline.pages import home_page

PUBLISHED = "post_published"


def publish(author_id: int) -> tuple[int, int]:
    """Make a post that is not delivered yet. Returns its id and the id of its outbox row."""
    post_id = make_posts(author_id, 1)[0]
    payload = {"post_id": post_id, "author_id": author_id}
    return post_id, rows.record(
        database="posts", kind=PUBLISHED, subscriber="fanout", payload=payload
    )


def deliver(event_id: int) -> None:
    assert delivery.deliver_event(database="posts", event_id=event_id)


def change(event_id: int, **columns: Any) -> None:
    OutboxEvent.objects.using("posts").filter(pk=event_id).update(**columns)


def warm(user_id: int) -> None:
    timeline_slice(timeline=home_timeline(user_id=user_id), before=None, limit=1)


def warm_profile(user_id: int) -> None:
    timeline_slice(timeline=profile_timeline(user_id=user_id), before=None, limit=1)


def is_read(viewer_id: int, post_id: int) -> bool:
    """Whether the viewer finds the post when paging the home timeline from the top."""
    cursor = None
    with patch.object(post_selectors, "post_documents", documents_of_existing):
        while True:
            page = home_page(viewer_id=viewer_id, cursor=cursor, limit=3)
            cursor = page.next_cursor
            if post_id in page.documents or cursor is None:
                return post_id in page.documents


def state_of_keys(*user_ids: int) -> list[object]:
    """The stored lists and expiry times of these users' timelines in Valkey."""
    keys = [key(user_id) for key in (home_key, profile_key) for user_id in user_ids]
    return [(cache_valkey().lrange(key, 0, -1), cache_valkey().pexpiretime(key)) for key in keys]


def explained(viewer_id: int, post_id: int) -> Explanation:
    """Explain a post. Checks that the explanation is true and that it changes no timeline."""
    authors = Post.objects.filter(pk=post_id).values_list("author_id", flat=True)
    before = state_of_keys(viewer_id, *authors)
    explanation = explain_home(viewer_id=viewer_id, post_id=post_id)
    assert state_of_keys(viewer_id, *authors) == before
    in_sql = slice_in_sql(
        timeline=home_timeline(user_id=viewer_id), before=None, limit=1000, viewer_id=viewer_id
    )
    ids = [id_ for id_, _ in in_sql.refs]
    named = documents_of_existing(post_ids=ids, viewer_id=viewer_id)
    assert explanation.expected == (post_id in named)
    if 0 < post_id < MAX_ID:
        assert explanation.shown == is_read(viewer_id, post_id)
    return explanation


def gate(explanation: Explanation, name: str) -> Gate:
    return next(gate for gate in explanation.gates if gate.name == name)


def states(explanation: Explanation) -> dict[str, State]:
    return {gate.name: gate.state for gate in explanation.gates}
