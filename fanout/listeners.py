"""The one file that ties the services together: what Fan-out does when a lower app announces.

In the announcer's transaction: the outbox row. After the commit, in the same request: what the
person who acted must see at once; then a worker is woken for the rest. What fails after the
commit is logged and left to the sweeper, because the row is there.
"""

from __future__ import annotations

from typing import Any

from comments.events import (
    CommentsChanged,
    CommentsDeleted,
    comments_changed,
    comments_deleted,
)
from core.sql.transactions import after_commit
from fanout import outbox, services
from fanout.models import OutboxEvent
from fanout.tasks import deliver_event
from media.events import MediaChanged, media_changed
from posts import services as post_services
from posts.events import (
    LikeChanged,
    PostChanged,
    like_changed,
    post_deleted,
    post_edited,
    post_published,
)
from timeline import services as timeline_services
from usergraph.events import FollowChanged, FollowsRemoved, follow_changed, follows_removed
from users.events import AccountDeleted, UserChanged, account_deleted, user_changed

Kind = OutboxEvent.Kind


@post_published.listener
def on_post_published(post: PostChanged) -> None:
    own = {"post_id": post.post_id, "author_id": post.author_id}
    # Somebody may have asked for it before it was there, and found nothing.
    after_commit("posts", post_services.renew_records, post_ids=[post.post_id])
    after_commit("posts", timeline_services.deliver_to_own_timelines, **own)
    _record_and_wake("posts", Kind.POST_PUBLISHED, own)


@post_edited.listener
def on_post_edited(post: PostChanged) -> None:
    _record_and_deliver("posts", Kind.POST_EDITED, {"post_id": post.post_id})


@media_changed.listener
def on_media_changed(media: MediaChanged) -> None:
    if media.post_id is not None:
        _record_and_deliver("posts", Kind.POST_EDITED, {"post_id": media.post_id})


@post_deleted.listener
def on_post_deleted(post: PostChanged) -> None:
    own = {"post_id": post.post_id, "author_id": post.author_id}
    after_commit("posts", post_services.renew_records, post_ids=[post.post_id])
    after_commit("posts", timeline_services.remove_from_own_timelines, **own)
    _record_and_wake("posts", Kind.POST_DELETED, own)


@like_changed.listener
def on_like_changed(like: LikeChanged) -> None:
    """The like's counter change is its outbox row, and `posts.tasks.settle_likes` its sweeper."""
    after_commit("posts", post_services.renew_like, post_id=like.post_id, user_id=like.user_id)


@comments_changed.listener
def on_comments_changed(comments: CommentsChanged) -> None:
    _record_and_deliver("comments", Kind.COMMENTS_CHANGED, {"post_id": comments.post_id})


@comments_deleted.listener
def on_comments_deleted(comments: CommentsDeleted) -> None:
    payload = {"comment_ids": list(comments.comment_ids)}
    _record_and_wake("comments", Kind.COMMENTS_DELETED, payload)


@follow_changed.listener
def on_follow_changed(edge: FollowChanged) -> None:
    payload = {"follower_id": edge.follower_id, "followee_id": edge.followee_id}
    _record_and_deliver("default", Kind.FOLLOW_CHANGED, payload)


@follows_removed.listener
def on_follows_removed(edges: FollowsRemoved) -> None:
    payload = {"follower_ids": edges.follower_ids, "followee_ids": edges.followee_ids}
    _record_and_deliver("default", Kind.FOLLOW_CHANGED, payload)


@account_deleted.listener
def on_account_deleted(account: AccountDeleted) -> None:
    payload = {"user_id": account.user_id, "deletion_id": account.deletion_id}
    _record_and_wake("default", Kind.ACCOUNT_DELETED, payload)


@user_changed.listener
def on_user_changed(user: UserChanged) -> None:
    _record_and_deliver("default", Kind.USER_CHANGED, {"user_id": user.user_id})


def _record_and_wake(database: str, kind: OutboxEvent.Kind, payload: dict[str, Any]) -> None:
    """To be delivered by a worker."""
    event_id = outbox.record(database=database, kind=kind, payload=payload)
    after_commit(database, deliver_event.delay, database=database, event_id=event_id)


def _record_and_deliver(database: str, kind: OutboxEvent.Kind, payload: dict[str, Any]) -> None:
    """To be delivered by the request itself: it is little work, and the next read must be right."""
    event_id = outbox.record(database=database, kind=kind, payload=payload)
    after_commit(database, services.deliver_event, database=database, event_id=event_id)
