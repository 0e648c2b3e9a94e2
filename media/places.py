"""Where the objects of media are: public, or withheld from all who have no signature.

Withheld are the media of private accounts, but for avatars, all of deactivated accounts, and those
that are confidential. An app above says which accounts these are (`add_public_rule`), and calls
`place_media` when that changes.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import transaction
from django.db.models import Q, QuerySet

from media import objects, storage
from media.claims import usable_media
from media.events import AvatarClaimed, MediaMoved, avatar_claimed, media_moved
from media.models import Media
from media.variants import OBJECTS, VARIANTS

Place = Media.Place
# An upload that takes longer, from the insert of its row on, has died, or fails.
ARRIVAL = timedelta(seconds=40)
# owner_id -> whether what the owner uploads is public
PublicRule = Callable[[int], bool]
_public_rules: list[PublicRule] = []


def add_public_rule(rule: PublicRule) -> None:
    """Let an app above say whether what an owner uploads is public."""
    _public_rules.append(rule)


def place_of_uploads(*, owner_id: int) -> Place:
    """Where what an owner uploads now belongs."""
    if not _public_rules:
        raise RuntimeError("no app says whose uploads are public")
    return Place.PUBLIC if all(rule(owner_id) for rule in _public_rules) else Place.WITHHELD


def object_prefix(storage_prefix: str, place: str) -> str:
    """Where the objects of a media are, by the prefix in its row. While they move, those at the
    withheld keys are taken, which nobody reads without a signature.
    """
    return storage_prefix if place == Place.PUBLIC else storage.withheld_prefix(storage_prefix)


def prefix_of(media: Media) -> str:
    """Where the objects of a loaded media are. For a confidential one that is being withheld, where
    they are going to be: it has no public address at any time.
    """
    place = Place.WITHHELD if media.is_confidential else media.place
    return object_prefix(media.storage_prefix, place)


def place_media(
    *, owner_id: int, is_public: bool, avatar_is_public: bool | None = None, limit: int
) -> int:
    """Withhold up to `limit` media of an owner from the public, or publish them again, but for the
    confidential ones, which are withheld.

    `avatar_is_public`: whether the avatar is; None: as the others.
    Returns how many were in the wrong place, the newest first; 0 if none is. Call it until then,
    each time with what is wanted at that moment: others may do the opposite meanwhile. Uploads that
    are still arriving are left. Object store or CDN down: raises `Unreachable`.
    """
    mine, for_avatar = usable_media(owner_id), Q(used_as=Media.Use.AVATAR)
    belongs_in_public = Q(pk__in=())
    if is_public:
        belongs_in_public |= Q(is_confidential=False) & ~for_avatar
    if is_public if avatar_is_public is None else avatar_is_public:
        belongs_in_public |= for_avatar
    for media, wanted in (
        (mine.exclude(belongs_in_public), Place.WITHHELD),
        (mine.filter(belongs_in_public), Place.PUBLIC),
    ):
        if moved := _move(media.exclude(place=wanted), wanted, limit):
            return moved
    return 0


def withhold_media(*, media_ids: Collection[int], limit: int) -> int:
    """Withhold up to `limit` of some media; returns how many were public, or moving. Object store
    or CDN down: raises `Unreachable`.
    """
    public = Media.objects.filter(pk__in=media_ids).exclude(place=Place.WITHHELD)
    return _move(public, Place.WITHHELD, limit)


def publish_unused(*, owner_id: int, media_id: int) -> None:
    """Publish a picture of an owner that nothing uses, before it is claimed as an avatar. Object
    store or CDN down: raises `Unreachable`.

    If it is not claimed then, or this process dies, the subscriber of `avatar_claimed` withholds it
    again.
    """
    mine = usable_media(owner_id).filter(pk=media_id, used_as="", video__isnull=True)
    claimed = AvatarClaimed(owner_id, media_id)
    _move(
        mine.exclude(place=Place.PUBLIC),
        Place.PUBLIC,
        limit=1,
        begin=lambda: avatar_claimed.announce(claimed, after=ARRIVAL),
    )


def _move(
    media: QuerySet[Media], place: Place, limit: int, begin: Callable[[], object] = lambda: None
) -> int:
    """`begin` is called in the transaction that commits before an object moves."""
    ids = list(media.order_by("-pk").values_list("pk", flat=True)[:limit])
    if not ids:
        return 0
    # Committed before an object moves: if this process dies, the rows still are in no right place.
    with locked(media.filter(pk__in=ids)) as rows:
        _set_place(rows, Place.MOVING)
        begin()
    with locked(Media.objects.filter(pk__in=ids, place=Place.MOVING)) as rows:
        files = {row.storage_prefix: _names(row) for row in rows}
        with objects.moved(files=files, is_public=place == Place.PUBLIC):
            # Fails if the locks are lost, with the connection; then no object is removed.
            _set_place(rows, place)
            in_posts = [row.used_by_id for row in rows if row.used_as == Media.Use.POST]
            if post_ids := sorted({id_ for id_ in in_posts if id_}):
                media_moved.announce(MediaMoved(post_ids))
    return len(ids)


def _names(media: Media) -> Collection[str]:
    return OBJECTS if media.video else VARIANTS


def _set_place(rows: Collection[Media], place: str) -> None:
    Media.objects.filter(pk__in=[row.pk for row in rows]).update(place=place)


@contextmanager
def locked(media: QuerySet[Media]) -> Iterator[list[Media]]:
    """The rows, locked in one order, in a transaction."""
    with transaction.atomic(using="posts"):
        yield list(media.select_for_update().order_by("pk"))
