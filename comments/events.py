"""What Commenting announces."""

from __future__ import annotations

from dataclasses import dataclass

from socialfeed.common.events import Event


@dataclass(frozen=True)
class CommentsChanged:
    """The comments on a post are others, or other ones; in the transaction of that change.

    Who listens has them shown (`selectors.summary`) once it has committed.
    """

    post_id: int


comments_changed: Event[CommentsChanged] = Event()
