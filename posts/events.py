"""What Post Info announces."""

from __future__ import annotations

from dataclasses import dataclass

from core.events import Event


@dataclass(frozen=True)
class PostChanged:
    """A post and its author; announced in the transaction that changes it.

    Who listens calls `services.renew_records` once it has committed.
    """

    post_id: int
    author_id: int


@dataclass(frozen=True)
class LikeChanged:
    """`user_id` began or ceased to like a post; in the transaction of that write.

    Who listens calls `services.renew_like` once it has committed.
    """

    post_id: int
    user_id: int


post_published: Event[PostChanged] = Event()
post_edited: Event[PostChanged] = Event()
post_deleted: Event[PostChanged] = Event()
like_changed: Event[LikeChanged] = Event()
