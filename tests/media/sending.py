"""What the tests of files that clients send to the object store themselves share."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

from django.core.files.storage import storages
from django.db.models import QuerySet

from core.outbox.models import OutboxEvent
from media import incoming
from media.events import UploadEnded, UploadSent
from media.handlers import process_upload, remove_sent_file
from media.models import Media, Upload
from tests.support.direct_uploads import announcement, send_form, send_parts
from tests.support.images import encoded, jpeg_with_gps, plain

Api = Callable[[int], Any]
URL = "/api/v1/media/uploads"
PICTURE = encoded(plain())
# A JPEG that is sent in three parts. What follows its end is ignored.
LARGE = jpeg_with_gps((1600, 1200)) + bytes(2 * incoming.PART_BYTES)


def announce(client: Any, content: bytes = PICTURE, **rest: Any) -> Any:
    response = client.post(URL, announcement(content, **rest), format="json")
    assert response.status_code == 201, response.content
    return response.json()


def complete(client: Any, sending: Any) -> Any:
    return client.post(f"/api/v1/media/{sending['id']}/complete")


def shown(client: Any, sending: Any) -> Any:
    return client.get(f"/api/v1/media/{sending['id']}").json()


def sent(client: Any, content: bytes = PICTURE, **rest: Any) -> Any:
    """Announce a file, send it, and complete it."""
    sending = announce(client, content, **rest)
    if sending["form"]:
        assert send_form(sending["form"], content).status_code == 204
    else:
        send_parts(sending["parts"], content)
    assert complete(client, sending).status_code == 200
    return sending


def row(sending: Any) -> Upload:
    return Upload.objects.get(pk=sending["id"])


def content_of(upload: Upload) -> bytes:
    """What the object store has of the file."""
    file = BytesIO()
    list(incoming.fetch(key=upload.key, into=file, limit=upload.byte_size))
    return file.getvalue()


def process(upload: Upload) -> list[int]:
    steps = process_upload(UploadSent(upload.pk), 0)
    return [step.cursor for step in steps]


def keys_of(upload: Upload) -> set[str]:
    """The keys of all that the object store has of an upload, also of one whose row is gone."""
    store: Any = storages["default"]
    prefixes = {upload.key}
    for attempts in Upload.objects.filter(pk=upload.pk).values_list("attempts", flat=True):
        prefixes.update(attempts)
    for event in _ends(upload):
        prefixes.update(event.payload["prefixes"])
    media = Media.objects.filter(pk=upload.pk)
    prefixes.update(media.values_list("storage_prefix", flat=True))
    return {item.key for prefix in prefixes for item in store.bucket.objects.filter(Prefix=prefix)}


def _ends(upload: Upload) -> QuerySet[OutboxEvent]:
    """The announcements that the file is not needed any more."""
    rows = OutboxEvent.objects.using("posts")
    return rows.filter(kind="upload_ended", payload__key=upload.key)


def deliver_ends(upload: Upload) -> int:
    """Deliver the announcements that the file is not needed any more; returns how many."""
    events = list(_ends(upload))
    for event in events:
        list(remove_sent_file(UploadEnded(**event.payload), 0))
    return len(events)
