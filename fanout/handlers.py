"""What delivering each kind of event means.

A handler does its work in steps and yields between them: the cursor from which to go on if it
is interrupted there, and how many entries of home timelines it has written. Every step may be done
twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import transaction

from comments import selectors as comment_selectors
from fanout import outbox
from fanout.models import OutboxEvent
from operations import removal
from posts import selectors as post_selectors
from posts import services as post_services
from timeline import services as timeline_services
from usergraph import selectors as graph_selectors
from usergraph import services as graph_services
from users import services as user_services


class Step(NamedTuple):
    """What a handler has just done. Its cursor is saved now and then; `is_saved_at_once`: before
    the handler goes on.
    """

    cursor: int
    entries: int = 0
    is_saved_at_once: bool = False


Handler = Callable[[OutboxEvent], Iterator[Step]]
# No request that began before an account was gone is under way any more after this.
_LATE_LOOK = timedelta(minutes=2)


def deliver_post(event: OutboxEvent) -> Iterator[Step]:
    """Bring a post into its author's own and all followers' home timelines.

    Once done, every follower's next read shows it. Pushed, batch by batch, the cursor being a
    follower's id; nothing to do where the readers pull. While that changes, the followers'
    timelines are dropped instead, all of them: whoever reads builds one that goes by the new way.
    """
    post_id, author_id = event.payload["post_id"], event.payload["author_id"]
    timeline_services.deliver_to_own_timelines(post_id=post_id, author_id=author_id)
    reach = graph_services.review_reach(author_id=author_id)
    if reach.changing is not None:
        for user_ids in _followers(author_id, after=0):
            timeline_services.drop_home_timelines(user_ids=user_ids)
            yield Step(user_ids[-1])
        graph_services.settle_reach(author_id=author_id, changing=reach.changing)
    elif not reach.is_pulled:
        as_of = graph_selectors.graph_position()
        for user_ids in _followers(author_id, after=event.cursor):
            entries = timeline_services.deliver_to_home_timelines(
                post_id=post_id, author_id=author_id, user_ids=user_ids, as_of=as_of
            )
            yield Step(user_ids[-1], entries)


def _followers(author_id: int, *, after: int) -> Iterator[list[int]]:
    size = settings.FANOUT_BATCH_SIZE
    return graph_selectors.follower_id_batches(author_id=author_id, after=after, size=size)


def withdraw_post(event: OutboxEvent) -> Iterator[Step]:
    """Take a deleted post out of its author's timelines, and remove all that hangs on it.

    Its likes, its comments in their database, its media in the object store.
    """
    post_id = event.payload["post_id"]
    post_services.renew_records(post_ids=[post_id])
    timeline_services.remove_from_own_timelines(
        post_id=post_id, author_id=event.payload["author_id"]
    )
    yield from _steps(removal.remove_what_hangs_on_post(post_id=post_id))


def _steps(removed: Iterator[removal.Removed]) -> Iterator[Step]:
    """A removal as steps of a delivery; it finds by itself where to go on, so they are counted."""
    for step, _ in enumerate(removed, start=1):
        yield Step(step)


def renew_post(event: OutboxEvent) -> Iterator[Step]:
    """Show a post as its author has changed it."""
    post_services.renew_records(post_ids=[event.payload["post_id"]])
    yield from ()


def renew_comments(event: OutboxEvent) -> Iterator[Step]:
    """Show a post with the comments that it has now: one record, from which all timelines render.

    Comments on a post that was deleted meanwhile are removed, and with them what is kept here. So
    that is asked last: a post that is deleted later has its own delivery for that.
    """
    post_id = event.payload["post_id"]
    summary = comment_selectors.summary(post_id=post_id)
    post_services.keep_comment_summary(
        post_id=post_id,
        version=summary.version,
        count=summary.count,
        recent=summary.recent,
    )
    if not post_selectors.existing_ids(post_ids=[post_id]):
        yield from _steps(removal.remove_what_hangs_on_post(post_id=post_id))


def withdraw_comments(event: OutboxEvent) -> Iterator[Step]:
    """Remove what hangs on deleted comments: their likes, and replies that did not go with them."""
    gone = event.payload["comment_ids"]
    yield from _steps(removal.remove_what_hangs_on_comments(comment_ids=gone))


def renew_user(event: OutboxEvent) -> Iterator[Step]:
    """Show a user as they have changed, wherever they are named."""
    user_services.renew_documents(user_ids=[event.payload["user_id"]])
    yield from ()


def renew_graph(event: OutboxEvent) -> Iterator[Step]:
    """Drop what was made from the old graph: of one edge, or of many that are gone.

    The followers first, as deliveries go by them. The cursor is saved between the two, which moves
    the graph position: so a delivery that still saw the old followers is older, by that position,
    than whatever is built after the home timeline is dropped, and will not go in there.
    """
    payload = event.payload
    followees = payload.get("followee_ids") or [payload["followee_id"]]
    followers = payload.get("follower_ids") or [payload["follower_id"]]
    graph_services.forget_followers(author_ids=followees)
    yield Step(1, is_saved_at_once=True)
    graph_services.renew_followed(viewer_ids=followers)
    timeline_services.drop_home_timelines(user_ids=followers)


def remove_account(event: OutboxEvent) -> Iterator[Step]:
    """Remove an account that is switched off, and all that it owns: SQL, Valkey, the object store.

    Its own row goes last, and then a second delivery is left for later, which removes what requests
    that were under way when it was switched off have written after all.
    """
    user_id, deletion_id = event.payload["user_id"], event.payload["deletion_id"]
    owned = removal.remove_owned_by_account(user_id=user_id)
    for step, (kind, count) in enumerate(owned, start=1):
        user_services.note_removed(deletion_id=deletion_id, kind=kind, count=count)
        yield Step(step)
    with transaction.atomic(using="default"):
        if user_services.finish_deletion(deletion_id=deletion_id):
            outbox.record(
                database="default",
                kind=OutboxEvent.Kind.ACCOUNT_DELETED,
                payload=event.payload,
                wake_after=_LATE_LOOK,
            )
    removal.forget_account(user_id=user_id)


HANDLERS: dict[str, Handler] = {
    OutboxEvent.Kind.POST_PUBLISHED: deliver_post,
    OutboxEvent.Kind.POST_EDITED: renew_post,
    OutboxEvent.Kind.POST_DELETED: withdraw_post,
    OutboxEvent.Kind.COMMENTS_CHANGED: renew_comments,
    OutboxEvent.Kind.COMMENTS_DELETED: withdraw_comments,
    OutboxEvent.Kind.FOLLOW_CHANGED: renew_graph,
    OutboxEvent.Kind.USER_CHANGED: renew_user,
    OutboxEvent.Kind.ACCOUNT_DELETED: remove_account,
}
