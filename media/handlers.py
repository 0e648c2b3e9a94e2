"""Removes the objects of uploads whose rows are gone."""

from collections.abc import Iterable

from core.outbox.subscriptions import Step
from media import objects
from media.events import MediaRemoved, media_removed


@media_removed.subscribe("media")
def erase_objects(media: MediaRemoved, cursor: int) -> Iterable[Step]:
    """Remove the objects, and have the CDN forget them. Object store or CDN down: raises."""
    objects.erase(prefixes=media.prefixes)
    return ()
