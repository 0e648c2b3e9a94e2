"""What Commenting announces, each in the transaction of the change that it tells of."""

from collections.abc import Sequence
from dataclasses import dataclass

from core.outbox.events import Event


@dataclass(frozen=True)
class CommentsChanged:
    """The comments on a post, or their texts, have changed; `selectors.summary` reads them."""

    post_id: int


@dataclass(frozen=True)
class CommentsDeleted:
    """These comments have been deleted; their likes, and some replies, may still be there."""

    comment_ids: Sequence[int]


comments_changed = Event("comments_changed", CommentsChanged, database="comments")
comments_deleted = Event("comments_deleted", CommentsDeleted, database="comments")
