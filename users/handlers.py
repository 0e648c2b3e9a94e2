"""What follows from a change of an account: its cache entry, its avatars, where its media are.

The cache entry is refreshed before the answer; the outbox row repeats a lost refresh. What was an
avatar is removed, and the media of a private or deactivated account are withheld, by a worker.
"""

from collections.abc import Iterable, Iterator

from django.db import transaction

from core.outbox.events import SHORT_PAUSE
from core.outbox.subscriptions import Step
from media.events import (
    AvatarClaimed,
    AvatarRemade,
    UploadProcessed,
    avatar_claimed,
    avatar_remade,
    upload_processed,
)
from media.services import add_public_rule
from users import pictures, services
from users.events import (
    AccountSwitched,
    AvatarReplaced,
    MediaLeft,
    PrivacyChanged,
    UserChanged,
    account_switched,
    avatar_replaced,
    media_left,
    privacy_changed,
    user_changed,
)

# Each takes some tenths of a second. A worker that moves the media of an account with very many
# does other work in between.
STEPS_IN_TURN = 25


@user_changed.subscribe("users", in_request=True, longest_pause=SHORT_PAUSE)
def refresh_document(user: UserChanged, cursor: int) -> Iterable[Step]:
    """Show a user as they are now, wherever they are named."""
    services.refresh_documents(user_ids=[user.user_id])
    return ()


@avatar_replaced.subscribe("users")
def remove_old_avatar(avatar: AvatarReplaced, cursor: int) -> Iterable[Step]:
    """Remove a picture that was an avatar, unless it is one again."""
    pictures.remove_old_avatar(user_id=avatar.user_id, media_id=avatar.media_id)
    return ()


@avatar_claimed.subscribe("users")
def release_lost_avatar(avatar: AvatarClaimed, cursor: int) -> Iterable[Step]:
    """Release a picture whose request died before the account had it as its avatar."""
    pictures.release_lost_avatar(user_id=avatar.user_id, media_id=avatar.media_id)
    return ()


@avatar_remade.subscribe("users")
def show_remade_avatar(avatar: AvatarRemade, cursor: int) -> Iterable[Step]:
    """Show an avatar at its new address; then the objects at the former one go."""
    pictures.show_remade_avatar(
        user_id=avatar.user_id, media_id=avatar.media_id, former_prefix=avatar.former_prefix
    )
    return ()


@upload_processed.subscribe("users")
def place_processed_media(upload: UploadProcessed, cursor: int) -> Iterable[Step]:
    """Withhold what was processed while its owner's account was deactivated, or became private."""
    return () if pictures.are_public(upload.owner_id) else _placed(upload.owner_id)


def place_media(
    account: AccountSwitched | PrivacyChanged | MediaLeft, cursor: int
) -> Iterable[Step]:
    """Withhold the media of a deactivated or private account from the public; publish others'."""
    return _placed(account.user_id)


def _placed(user_id: int) -> Iterator[Step]:
    """Put the media of an account where they belong. After STEPS_IN_TURN, others come first."""
    for number, _ in enumerate(pictures.place_media(user_id=user_id), start=1):
        yield Step(number)
        if number == STEPS_IN_TURN:
            with transaction.atomic(using="default"):
                media_left.announce(MediaLeft(user_id))
            return


account_switched.subscribe("users")(place_media)
privacy_changed.subscribe("users")(place_media)
media_left.subscribe("users")(place_media)
add_public_rule(pictures.are_public)
