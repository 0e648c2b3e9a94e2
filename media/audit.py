"""Compares the object store with the rows; lists the rows for others to compare. For operations."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Q, QuerySet

from core.outbox.lookup import pending_subjects
from media import storage
from media.models import Media, Upload
from media.storage import StoredObject


@dataclass(frozen=True)
class ObjectPage:
    """Some objects of uploads: how many, and the keys of those that no row names."""

    checked: int
    unknown_keys: list[str]


def unknown_objects(*, grace: timedelta) -> Iterator[ObjectPage]:
    """All objects of uploads, up to 1,000 at a time: a request to the store and three queries each.

    An object without a row is known for as long as it is younger than `grace`: a release before
    stored objects before their row. Object store down: raises `services.Unreachable`.
    """
    for page in storage.list_objects():
        old = datetime.now(UTC) - grace
        yield ObjectPage(len(page), list(_unknown(page, before=old)))


def _unknown(page: Sequence[StoredObject], *, before: datetime) -> Iterator[str]:
    """The keys of objects that no row names. Uploads are asked first: a media takes its upload's
    place.
    """
    prefixes = [item.prefix for item in page]
    # Workers may be storing variants under these prefixes.
    tried = Q(state=Upload.State.PROCESSING, attempts__overlap=prefixes)
    uploads = Upload.objects.filter(Q(key__in=[item.key for item in page]) | tried)
    known: set[str] = set()
    for key, attempts in uploads.values_list("key", "attempts"):
        known.update([key, *attempts])
    media = Media.objects.filter(storage_prefix__in=prefixes)
    known.update(media.values_list("storage_prefix", flat=True))
    # Avatars that have moved, and that their users still show at the former address.
    known.update(pending_subjects(database="posts", field="former_prefix", ids=set(prefixes)))
    for item in page:
        if known.isdisjoint((item.key, item.prefix)) and item.modified_at <= before:
            yield item.key


@dataclass(frozen=True)
class MediaUse:
    """Whose a media is, and what uses it. `is_public`: None while it moves. `is_confidential`: it
    belongs withheld, whatever the owner's account is.
    """

    media_id: int
    owner_id: int
    used_as: str
    used_by_id: int | None
    is_public: bool | None
    is_confidential: bool


def media_uses(*, size: int) -> Iterator[list[MediaUse]]:
    """All media that have arrived, oldest first, `size` at a time; a query each."""
    arrived = Media.objects.exclude(place=Media.Place.ARRIVING).order_by("pk")
    columns = ("pk", "owner_id", "used_as", "used_by_id", "place", "is_confidential")
    last = 0
    while rows := list(arrived.filter(pk__gt=last).values_list(*columns)[:size]):
        yield [
            MediaUse(media_id, owner_id, used_as, used_by_id, _is_public(place), is_confidential)
            for media_id, owner_id, used_as, used_by_id, place, is_confidential in rows
        ]
        last = rows[-1][0]


@dataclass(frozen=True)
class OldMedia:
    """A picture of an older release, which lacks variants. `is_public`: None while it moves."""

    media_id: int
    is_public: bool | None


def old_media(*, size: int) -> Iterator[list[OldMedia]]:
    """All pictures that lack variants, oldest first, `size` at a time; a query each."""
    last = 0
    while rows := list(_old_media().filter(pk__gt=last).values_list("pk", "place")[:size]):
        yield [OldMedia(media_id, _is_public(place)) for media_id, place in rows]
        last = rows[-1][0]


def count_old_media() -> int:
    """How many pictures lack variants; reads all rows."""
    return _old_media().count()


def _old_media() -> QuerySet[Media]:
    pictures = Media.objects.filter(has_webp=False, video__isnull=True)
    return pictures.exclude(place=Media.Place.ARRIVING).order_by("pk")


def _is_public(place: str) -> bool | None:
    return None if place == Media.Place.MOVING else place == Media.Place.PUBLIC
