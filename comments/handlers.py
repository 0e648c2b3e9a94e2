"""What Commenting does when something has happened: it removes what depends on deleted comments."""

from collections.abc import Iterable

from comments import services
from comments.events import CommentsDeleted, comments_deleted
from core.outbox.batches import as_steps
from core.outbox.subscriptions import Step


@comments_deleted.subscribe("comments")
def remove_dependents(comments: CommentsDeleted, cursor: int) -> Iterable[Step]:
    """Remove the likes of deleted comments, and the replies that did not go with them."""
    return as_steps(services.remove_dependents(comment_ids=comments.comment_ids))
