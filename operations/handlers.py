"""Operations' event handlers: remove what belonged to deleted posts and accounts."""

from collections.abc import Iterable, Iterator

from core.outbox.batches import as_steps, repeated
from core.outbox.events import AFTER_THE_LAST_REQUEST
from core.outbox.subscriptions import Step
from operations import purge
from posts.events import PostChanged, post_deleted
from usergraph import services as graph_services
from users import services as user_services
from users.events import AccountDeleted, account_deleted


@post_deleted.subscribe("operations")
def remove_dependents_of_post(post: PostChanged, cursor: int) -> Iterable[Step]:
    """Remove a deleted post's likes, comments and media, from SQL and the object store."""
    return as_steps(purge.remove_dependents_of_post(post_id=post.post_id))


@account_deleted.subscribe("operations")
def remove_account(account: AccountDeleted, cursor: int) -> Iterator[Step]:
    """Remove a deactivated account and all that it owns: SQL, Valkey, the object store.

    The account's own row goes last. A second delivery follows later: it removes what requests wrote
    that were still running when the account was deactivated.
    """
    user_id, deletion_id = account.user_id, account.deletion_id
    owned = purge.remove_owned_by_account(user_id=user_id)
    for number, (kind, count) in enumerate(owned, start=1):
        user_services.note_removed(deletion_id=deletion_id, kind=kind, count=count)
        yield Step(number)
    with user_services.locked_account(user_id=user_id):
        # A follow that was committed meanwhile would go with the row, uncounted on its other side.
        for _ in repeated("follows", graph_services.remove_follows_of_user, user_id=user_id):
            pass
        if user_services.finish_deletion(deletion_id=deletion_id):
            account_deleted.announce(account, after=AFTER_THE_LAST_REQUEST)
    purge.drop_cached_account(user_id=user_id)
