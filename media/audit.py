"""Compares the object store with the rows; lists the rows for others to compare. For operations."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from media import storage
from media.models import Media


@dataclass(frozen=True)
class ObjectPage:
    """Some objects of uploads: how many, and the keys of those that no row names."""

    checked: int
    unknown_keys: list[str]


def unknown_objects(*, grace: timedelta) -> Iterator[ObjectPage]:
    """All objects of uploads, up to 1,000 at a time: a request to the store and a query each.

    An object without a row is known for as long as it is younger than `grace`: a release before
    stored objects before their row. Object store down: raises `services.Unreachable`.
    """
    for page in storage.list_objects():
        prefixes = {item.prefix for item in page}
        rows = Media.objects.filter(storage_prefix__in=prefixes)
        known = set(rows.values_list("storage_prefix", flat=True))
        old = datetime.now(UTC) - grace
        unknown = [
            item.key for item in page if item.prefix not in known and item.modified_at <= old
        ]
        yield ObjectPage(len(page), unknown)


@dataclass(frozen=True)
class MediaUse:
    """Whose a media is, and what uses it. `is_public`: None while it moves."""

    media_id: int
    owner_id: int
    used_as: str
    used_by_id: int | None
    is_public: bool | None


def media_uses(*, size: int) -> Iterator[list[MediaUse]]:
    """All media that have arrived, oldest first, `size` at a time; a query each."""
    arrived = Media.objects.exclude(place=Media.Place.ARRIVING).order_by("pk")
    columns = ("pk", "owner_id", "used_as", "used_by_id", "place")
    last = 0
    while rows := list(arrived.filter(pk__gt=last).values_list(*columns)[:size]):
        yield [
            MediaUse(media_id, owner_id, used_as, used_by_id, _is_public(place))
            for media_id, owner_id, used_as, used_by_id, place in rows
        ]
        last = rows[-1][0]


def _is_public(place: str) -> bool | None:
    return None if place == Media.Place.MOVING else place == Media.Place.PUBLIC
