"""What becomes of an account's pictures when it changes.

Media are in another database, so a claim on an avatar commits before the account has it. Each
function here locks the account, as the change does, or asks for its state again: it may be late,
run twice, or run beside another change, and no picture that is shown goes.
"""

from collections.abc import Iterator
from datetime import timedelta

from django.db import transaction

from core.outbox.batches import Removed
from core.sql import primary_reads
from media import services as media_services
from users.events import AvatarReplaced, UserChanged, avatar_replaced, user_changed
from users.models import User

# Answers that were made before a change may still show the old avatar, also from a replica.
_AFTER_THE_LAST_ANSWER = timedelta(seconds=2)
# Media that are moved in one step; each takes some round trips to the object store.
_MOVED_AT_ONCE = 20


def announce_replaced_avatar(*, user_id: int, media_id: int) -> None:
    """Have a former avatar removed, soon after the commit of the caller's transaction."""
    replaced = AvatarReplaced(user_id=user_id, media_id=media_id)
    avatar_replaced.announce(replaced, after=_AFTER_THE_LAST_ANSWER)


def remove_old_avatar(*, user_id: int, media_id: int) -> None:
    """Remove a picture that was an account's avatar, unless it is its avatar again."""
    with transaction.atomic(using="default"):
        if _locked_avatar(user_id) != media_id:
            media_services.remove_avatar(owner_id=user_id, media_id=media_id)


def release_lost_avatar(*, user_id: int, media_id: int) -> None:
    """Let a picture that was claimed as an account's avatar, and is not it, be unused again.

    Its request died after the claim. Waits for one that is still between the claim and its commit.
    """
    with transaction.atomic(using="default"):
        if _locked_avatar(user_id) != media_id:
            media_services.release_avatar(owner_id=user_id, media_id=media_id)
    # It may have been published in vain. If more has to be moved, that goes on elsewhere.
    if not are_public(user_id):
        _place_some(user_id)


def show_remade_avatar(*, user_id: int, media_id: int, former_prefix: str) -> None:
    """Show an account's avatar at its present address, and then have the objects at the former one
    removed, also if the account has another avatar meanwhile.
    """
    with transaction.atomic(using="default"):
        if _locked_avatar(user_id) == media_id:
            key = media_services.thumbnail_key(media_id=media_id)
            if key is not None and User.objects.filter(pk=user_id).update(avatar_key=key):
                user_changed.announce(UserChanged(user_id))
    media_services.remove_former_objects(prefix=former_prefix)


def _locked_avatar(user_id: int) -> int | None:
    """The media of an account's avatar, which nobody else changes in the caller's transaction."""
    accounts = User.objects.select_for_update().filter(pk=user_id)
    return accounts.values_list("avatar_media_id", flat=True).first()


def place_media(*, user_id: int) -> Iterator[Removed]:
    """Put the media of an account where they belong: those of an active and public account are for
    everybody, but for confidential ones, and so is the avatar of any active account; the others are
    withheld.

    In steps, each of which asks again: it may be switched back meanwhile.
    """
    while moved := _place_some(user_id):
        yield "media", moved


def _place_some(user_id: int) -> int:
    is_active, is_private = _state(user_id)
    return media_services.place_media(
        owner_id=user_id,
        is_public=is_active and not is_private,
        avatar_is_public=is_active,
        limit=_MOVED_AT_ONCE,
    )


def are_public(user_id: int) -> bool:
    """Whether what a user uploads is for everybody."""
    is_active, is_private = _state(user_id)
    return is_active and not is_private


def _state(user_id: int) -> tuple[bool, bool]:
    """Whether an account is active, and whether it is private; as the primary knows."""
    with primary_reads():
        rows = User.objects.filter(pk=user_id).values_list("is_active", "is_private")
        return rows.first() or (False, False)
