"""What Post Info announces."""

from __future__ import annotations

from dataclasses import dataclass

from socialfeed.common.events import Event


@dataclass(frozen=True)
class PostChanged:
    """A post and its author; announced in the transaction that changes it."""

    post_id: int
    author_id: int


post_published: Event[PostChanged] = Event()
post_deleted: Event[PostChanged] = Event()
