"""What Post Info announces, each in the transaction of the change that it tells of."""

from dataclasses import dataclass

from core.outbox.events import Event


@dataclass(frozen=True)
class PostChanged:
    """A post has been published or deleted by its author."""

    post_id: int
    author_id: int


@dataclass(frozen=True)
class PostEdited:
    """What is shown of a post has been changed by its author, or by staff."""

    post_id: int


post_published = Event("post_published", PostChanged, database="posts")
post_edited = Event("post_edited", PostEdited, database="posts")
post_deleted = Event("post_deleted", PostChanged, database="posts")
