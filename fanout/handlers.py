"""What delivering each kind of event means.

A handler does its work in steps and yields after each one: the cursor from which to go on if it
is interrupted there. Every step may be done twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from django.conf import settings

from fanout.models import OutboxEvent
from timeline import services as timeline_services
from usergraph import selectors as graph_selectors
from usergraph import services as graph_services

Handler = Callable[[OutboxEvent], Iterator[int]]


def deliver_post(event: OutboxEvent) -> Iterator[int]:
    """Put a post into its author's and all followers' timelines; the cursor is a follower's id."""
    post_id, author_id = event.payload["post_id"], event.payload["author_id"]
    timeline_services.deliver_to_own_timelines(post_id=post_id, author_id=author_id)
    for user_ids in graph_selectors.follower_id_batches(
        author_id=author_id, after=event.cursor, size=settings.FANOUT_BATCH_SIZE
    ):
        timeline_services.deliver_to_home_timelines(
            post_id=post_id, author_id=author_id, user_ids=user_ids
        )
        yield user_ids[-1]


def withdraw_post(event: OutboxEvent) -> Iterator[int]:
    """Take a deleted post out of its author's timelines."""
    timeline_services.remove_from_own_timelines(
        post_id=event.payload["post_id"], author_id=event.payload["author_id"]
    )
    yield 0


def renew_graph(event: OutboxEvent) -> Iterator[int]:
    """Drop what was made from the old graph; the followers first, as timelines rely on them."""
    graph_services.forget_followers(author_ids=[event.payload["followee_id"]])
    timeline_services.drop_home_timelines(user_ids=[event.payload["follower_id"]])
    yield 0


HANDLERS: dict[str, Handler] = {
    OutboxEvent.Kind.POST_PUBLISHED: deliver_post,
    OutboxEvent.Kind.POST_DELETED: withdraw_post,
    OutboxEvent.Kind.FOLLOW_CHANGED: renew_graph,
}
