"""Find what nothing shows and the object store still has, and remove it or withhold it.

Events do this at each change. This is for what they cannot know: what a release before them has
left, and what is left of a database or a bucket that came from a backup. The rows of accounts and
posts are the truth, so run it only when all databases are as new as each other.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from core.outbox.batches import SMALL_STEP
from media import audit as media_audit
from media import services as media_services
from media.audit import MediaUse
from posts import selectors as post_selectors
from users import selectors as user_selectors
from users import services as user_services
from users.selectors import Account

BATCH = 500


class What(StrEnum):
    """What can be astray."""

    UNKNOWN = "object without a row"
    ACCOUNT_GONE = "media of an account that is gone"
    POST_GONE = "media of a post that is gone"
    OLD_AVATAR = "former avatar"
    MISPLACED = "media in the wrong place"


@dataclass(frozen=True)
class Stray:
    """`subject`: the key of an object, or the id of a media. `owner_id`, `post_id`: of a media."""

    what: What
    subject: str
    owner_id: int = 0
    post_id: int = 0

    def __str__(self) -> str:
        return f"{self.what}: {self.subject}"


@dataclass(frozen=True)
class Checked:
    """Some objects and rows that were compared: how many, and those that are astray."""

    count: int
    strays: list[Stray] = field(default_factory=list)

    def __len__(self) -> int:
        return self.count


def check_all(*, grace: timedelta) -> Iterator[Checked]:
    """Compare all rows, then all objects, with what is shown; some hundred at a time.

    An object without a row is astray when it is older than `grace`. Object store down: raises.
    """
    for uses in media_audit.media_uses(size=BATCH):
        yield Checked(len(uses), _check_uses(uses))
    for page in media_audit.unknown_objects(grace=grace):
        yield Checked(page.checked, [Stray(What.UNKNOWN, key) for key in page.unknown_keys])


def _check_uses(uses: Sequence[MediaUse]) -> list[Stray]:
    """Those of some media, read before this, that are astray now."""
    accounts = user_selectors.accounts(user_ids=[use.owner_id for use in uses])
    post_ids = {use.used_by_id or 0 for use in uses if use.used_as == "post"}
    posts = post_selectors.existing_ids(post_ids=post_ids)
    strays = []
    for use in uses:
        owner = accounts.get(use.owner_id)
        post_id = (use.used_by_id or 0) if use.used_as == "post" else 0
        if owner is None:
            what = What.ACCOUNT_GONE
        elif post_id and post_id not in posts:
            what = What.POST_GONE
        elif use.used_as == "avatar" and owner.avatar_media_id != use.media_id:
            what = What.OLD_AVATAR
        elif use.is_public is not _is_public(owner, use):
            what = What.MISPLACED
        else:
            continue
        strays.append(Stray(what, str(use.media_id), use.owner_id, post_id))
    return strays


def _is_public(owner: Account, use: MediaUse) -> bool:
    if use.is_confidential:
        return False
    return owner.is_active and (use.used_as == "avatar" or not owner.is_private)


def set_right(*, strays: Sequence[Stray]) -> None:
    """Remove these, or move them to the right place, unless that was done meanwhile.

    Object store or CDN down: raises.
    """
    if keys := [stray.subject for stray in strays if stray.what == What.UNKNOWN]:
        media_services.erase_unknown_objects(keys=keys)
    for stray in strays:
        if stray.what == What.OLD_AVATAR:
            media_id = int(stray.subject)
            user_services.remove_old_avatar(user_id=stray.owner_id, media_id=media_id)
    for post_id in {stray.post_id for stray in strays if stray.what == What.POST_GONE}:
        while media_services.remove_media_of_post(post_id=post_id, limit=SMALL_STEP):
            pass
    for owner_id in {stray.owner_id for stray in strays if stray.what == What.ACCOUNT_GONE}:
        while media_services.remove_media_of_owner(owner_id=owner_id, limit=SMALL_STEP):
            pass
    for owner_id in {stray.owner_id for stray in strays if stray.what == What.MISPLACED}:
        for _ in user_services.place_media(user_id=owner_id):
            pass
