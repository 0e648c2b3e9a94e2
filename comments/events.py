"""What Commenting announces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from core.events import Event


@dataclass(frozen=True)
class CommentsChanged:
    """The comments on a post are others, or other ones; in the transaction of that change.

    Who listens has them shown (`selectors.summary`) once it has committed.
    """

    post_id: int


@dataclass(frozen=True)
class CommentsDeleted:
    """These comments are deleted; in the transaction in which they were.

    Who listens removes what hangs on them once it has committed: `services.remove_replies`,
    `services.remove_likes_of_comments`.
    """

    comment_ids: Sequence[int]


comments_changed: Event[CommentsChanged] = Event()
comments_deleted: Event[CommentsDeleted] = Event()
