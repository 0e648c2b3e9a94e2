"""Makes media of uploads, and removes objects that are not needed any more."""

from collections.abc import Iterable, Iterator
from contextlib import closing

from core.outbox.batches import as_steps, repeated
from core.outbox.events import SHORT_PAUSE
from core.outbox.subscriptions import Step
from media import incoming, objects, places, processing
from media.events import (
    MediaConfined,
    MediaRemoved,
    UploadEnded,
    UploadSent,
    media_confined,
    media_removed,
    upload_ended,
    upload_sent,
)

# The queue of the media workers.
QUEUE = "media"


@upload_sent.subscribe("media", queue=QUEUE)
def process_upload(upload: UploadSent, cursor: int) -> Iterator[Step]:
    """Make a media of a file that has arrived. Object store down: raises."""
    with closing(processing.process_upload(upload_id=upload.upload_id)) as steps:
        for progress in steps:
            yield Step(progress, is_saved_at_once=True)


@upload_ended.subscribe("media")
def remove_sent_file(upload: UploadEnded, cursor: int) -> Iterable[Step]:
    """Remove what a client has sent, and what workers have made of it in vain. Object store down:
    raises.
    """
    incoming.remove(key=upload.key)
    objects.erase(prefixes=upload.prefixes)
    return ()


@media_confined.subscribe("media", longest_pause=SHORT_PAUSE)
def withhold_media(media: MediaConfined, cursor: int) -> Iterable[Step]:
    """Withhold the objects of confidential media. Object store or CDN down: raises."""
    return as_steps(repeated("media", places.withhold_media, media_ids=media.media_ids))


@media_removed.subscribe("media")
def erase_objects(media: MediaRemoved, cursor: int) -> Iterable[Step]:
    """Remove the objects, and have the CDN forget them. Object store or CDN down: raises."""
    objects.erase(prefixes=media.prefixes)
    return ()
