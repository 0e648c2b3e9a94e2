"""What Commenting does when comments were deleted, or an account with comments was switched.

Also registers its part in the previews of posts.
"""

from collections.abc import Iterable

from comments import selectors, services
from comments.events import CommentsDeleted, comments_deleted
from core.outbox.batches import SMALL_STEP, STEP, as_steps, walked
from core.outbox.subscriptions import Step
from posts.selectors import add_comments_reader
from users.events import AccountSwitched, account_switched


@comments_deleted.subscribe("comments")
def remove_dependents(comments: CommentsDeleted, cursor: int) -> Iterable[Step]:
    """Remove the likes of deleted comments, and the replies that did not go with them."""
    return as_steps(services.remove_dependents(comment_ids=comments.comment_ids))


@account_switched.subscribe("comments")
def show_comments(account: AccountSwitched, cursor: int) -> Iterable[Step]:
    """Show and count the comments of an active account, and its likes of comments; hide those of a
    deactivated one.
    """

    def comments(after: int) -> int | None:
        user_id = account.user_id
        return services.show_comments_of_account(user_id=user_id, after=after, limit=SMALL_STEP)

    def likes(after: int) -> int | None:
        return services.show_likes_of_account(user_id=account.user_id, after=after, limit=STEP)

    return walked(comments, likes, cursor=cursor)


add_comments_reader(selectors.latest_comments)
