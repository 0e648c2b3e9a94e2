"""Refreshes Post Info's cache entries before the answer; the outbox row repeats a lost refresh.

A like needs no row of its own: its counter change is one; `services.settle_counters` sweeps it.
"""

from collections.abc import Iterable

from core.outbox.batches import STEP, reached_ids
from core.outbox.subscriptions import Step
from media.events import (
    MediaChanged,
    MediaMoved,
    UploadProcessed,
    media_changed,
    media_moved,
    upload_processed,
)
from posts import selectors, services, waiting
from posts.events import PostChanged, PostEdited, post_deleted, post_edited
from users.events import AccountSwitched, account_switched
from users.selectors import add_profile_part


def refresh_record(post: PostEdited | PostChanged | MediaChanged, cursor: int) -> Iterable[Step]:
    """Show a post as it is now, or that it is gone."""
    services.refresh_records(post_ids=[post.post_id])
    return ()


@media_moved.subscribe("posts", in_request=True)
def refresh_records(media: MediaMoved, cursor: int) -> Iterable[Step]:
    """Show the media of posts where they are now."""
    services.refresh_records(post_ids=media.post_ids)
    return ()


@account_switched.subscribe("posts")
def show_likes(account: AccountSwitched, cursor: int) -> Iterable[Step]:
    """Show and count the likes of an active account; hide those of a deactivated one."""

    def walk(after: int) -> int | None:
        return services.show_likes_of_account(user_id=account.user_id, after=after, limit=STEP)

    return map(Step, reached_ids(walk, after=cursor))


@upload_processed.subscribe("posts")
def publish(upload: UploadProcessed, cursor: int) -> Iterable[Step]:
    """Publish the waiting post that holds the media, if that was the last one."""
    if upload.waiting_post_id is not None:
        waiting.publish_if_ready(waiting_post_id=upload.waiting_post_id)
    return ()


post_edited.subscribe("posts", in_request=True)(refresh_record)
post_deleted.subscribe("posts", in_request=True)(refresh_record)
media_changed.subscribe("posts", in_request=True)(refresh_record)
add_profile_part(selectors.profile_part)
