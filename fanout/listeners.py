"""The one file that ties the services together: what Fan-out does when a lower app announces.

In the announcer's transaction: the outbox row. After the commit, in the same request: what the
person who acted must see at once; then a worker is woken for the rest. What fails after the
commit is logged and left to the sweeper, because the row is there.
"""

from __future__ import annotations

from typing import Any

from fanout import outbox, services
from fanout.models import OutboxEvent
from fanout.tasks import deliver_event
from posts.events import PostChanged, post_deleted, post_published
from socialfeed.common.transactions import after_commit
from timeline import services as timeline_services
from usergraph.events import FollowChanged, follow_changed


@post_published.listener
def on_post_published(post: PostChanged) -> None:
    own = {"post_id": post.post_id, "author_id": post.author_id}
    _record_and_wake("posts", OutboxEvent.Kind.POST_PUBLISHED, own)
    after_commit("posts", timeline_services.deliver_to_own_timelines, **own)


@post_deleted.listener
def on_post_deleted(post: PostChanged) -> None:
    own = {"post_id": post.post_id, "author_id": post.author_id}
    _record_and_wake("posts", OutboxEvent.Kind.POST_DELETED, own)
    after_commit("posts", timeline_services.remove_from_own_timelines, **own)


@follow_changed.listener
def on_follow_changed(edge: FollowChanged) -> None:
    """Delivered by the request itself: it is little work, and the next read must be right."""
    payload = {"follower_id": edge.follower_id, "followee_id": edge.followee_id}
    kind = OutboxEvent.Kind.FOLLOW_CHANGED
    event_id = outbox.record(database="default", kind=kind, payload=payload)
    after_commit("default", services.deliver_event, database="default", event_id=event_id)


def _record_and_wake(database: str, kind: OutboxEvent.Kind, payload: dict[str, Any]) -> None:
    event_id = outbox.record(database=database, kind=kind, payload=payload)
    after_commit(database, deliver_event.delay, database=database, event_id=event_id)
