"""What the object store has of uploads, and who may see it."""

from collections.abc import Iterable
from typing import Any

import httpx
from django.core.files.storage import storages

from core.outbox.models import OutboxEvent
from media import storage
from media.models import Media
from media.variants import VARIANTS
from tests.support.deliveries import deliver


def objects_of(prefix: str) -> tuple[set[str], set[str]]:
    """The names of an upload's objects: those that are public, and those that are withheld."""
    public, withheld = (
        set(storages["default"].listdir(folder)[1])
        for folder in (prefix, storage.withheld_prefix(prefix))
    )
    return public, withheld


ALL = set(VARIANTS)
IS_PUBLIC: tuple[set[str], set[str]] = (ALL, set())
IS_WITHHELD: tuple[set[str], set[str]] = (set(), ALL)
IS_GONE: tuple[set[str], set[str]] = (set(), set())


def statuses(urls: Iterable[str]) -> set[int]:
    """What anybody gets who fetches these."""
    return {httpx.get(url).status_code for url in urls}


def urls_of(document: Any) -> list[str]:
    """The URLs of all objects of an upload. The document of a small one does not name them all."""
    folder = document["url"].rpartition("/")[0]
    return [f"{folder}/{variant}" for variant in VARIANTS]


def deliver_removals(*media: Media) -> None:
    """Deliver the pending removals of the objects of these media; each has one."""
    prefixes = {one.storage_prefix for one in media}
    rows = OutboxEvent.objects.using("posts").filter(kind="media_removed", done_at=None)
    mine = [row for row in rows if prefixes & {*row.payload["prefixes"]}]
    assert {prefix for row in mine for prefix in row.payload["prefixes"]} >= prefixes
    for row in mine:
        assert deliver("posts", row)
