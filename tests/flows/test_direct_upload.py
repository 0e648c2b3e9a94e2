"""Files that go straight to the object store, and are processed by media workers."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from statistics import median
from typing import Any

import httpx
import pytest
from django.core.files.storage import storages

from devstack.lifecycle import Stack
from media import incoming
from media.models import Upload
from tests.support.client import Person, wait_until
from tests.support.direct_uploads import (
    announce,
    complete,
    is_ready,
    send_parts,
    sent,
    slice_of,
)
from tests.support.images import decoded, jpeg_with_gps
from tests.support.stored import statuses, urls_of
from tests.support.videos import video

# A killed worker's successor waits for the lease, 30 s, and must boot first.
SECONDS_TO_RECOVER = 90.0


def document_of(person: Person, sending: Any) -> Any:
    return person.get(f"/media/{sending['id']}")


def incoming_keys() -> set[str]:
    store: Any = storages["default"]
    return {item.key for item in store.bucket.objects.filter(Prefix="incoming/")}


def test_a_picture_is_sent_processed_and_posted(
    signed_up: Callable[[str], Person], measured: Callable[[str], None]
) -> None:
    ada = signed_up("ada")
    sending = sent(ada, jpeg_with_gps((1600, 1200), orientation=6))
    seconds = wait_until(is_ready(ada, sending))
    measured(f"ready {seconds:.2f} s after it was complete")
    document = document_of(ada, sending)
    assert statuses(urls_of(document)) == {200}
    assert decoded(httpx.get(document["url"]).content).size == (1080, 1440)
    body = {"caption": "Sent in one piece", "media": [document["id"]]}
    post = ada.http.post("/api/v1/posts", json=body)
    assert post.status_code == 201, post.text
    assert post.json()["media"][0]["url"] == document["url"]
    key = sending["form"]["fields"]["key"]
    wait_until(lambda: key not in incoming_keys())


@pytest.mark.parametrize(
    ("file", "mebibytes", "content_type"),
    [(jpeg_with_gps((1600, 1200)), 50, "image/jpeg"), (video(), 200, "video/mp4")],
    ids=["picture", "video"],
)
def test_a_file_over_a_link_that_is_cut_ten_times_arrives_whole(
    member: Callable[[str], Person],
    measured: Callable[[str], None],
    file: bytes,
    mebibytes: int,
    content_type: str,
) -> None:
    """No byte is sent twice but those of the parts that were cut."""
    ada = member("ada")
    rest = mebibytes * 1024 * 1024 - len(file)
    # To readers of MP4s, what is behind the end is a box that nobody needs.
    padding = rest.to_bytes(4, "big") + b"free" + random.Random(7).randbytes(rest - 8)
    content = file + padding
    sending = announce(ada, content, content_type)
    link, whole_parts = random.Random(8), 0
    # The numbers of the parts at which it is cut.
    cuts = [1, 1, 2, 3, 3, 3, 5, 6, 7, 7]
    while missing := [part for part in sending["parts"] if not part["is_sent"]]:
        for part in missing:
            data = slice_of(part, content)
            if part["number"] in cuts:
                cuts.remove(part["number"])
                cut_off(part["url"], data[: link.randrange(len(data))], len(data))
                break
            assert httpx.put(part["url"], content=data, timeout=30).status_code == 200
            whole_parts += 1
        # The client comes back, and asks what is there.
        sending = ada.get(f"/media/uploads/{sending['id']}")
    assert not cuts
    assert whole_parts == len(sending["parts"]) == mebibytes // 8 + (mebibytes % 8 > 0)
    complete(ada, sending)
    seconds = wait_until(is_ready(ada, sending))
    measured(f"{mebibytes} MiB in {whole_parts} parts, after 10 cuts, ready after {seconds:.1f} s")


def cut_off(url: str, some: bytes, length: int) -> None:
    """Send some bytes of a part, and break the connection."""

    def body() -> Iterator[bytes]:
        yield some
        raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        httpx.put(url, content=body(), headers={"Content-Length": str(length)}, timeout=30)


def test_a_part_that_another_client_has_sent_is_as_good(member: Callable[[str], Person]) -> None:
    """boto3 is one that this project has not made."""
    ada = member("ada")
    content = jpeg_with_gps((1600, 1200)) + bytes(2 * incoming.PART_BYTES)
    sending = announce(ada, content)
    send_parts(sending["parts"], content, numbers=[1, 3])
    upload = Upload.objects.get(pk=sending["id"])
    store: Any = storages["default"]
    store.connection.meta.client.upload_part(
        Bucket=store.bucket_name,
        Key=upload.key,
        UploadId=upload.multipart_id,
        PartNumber=2,
        Body=slice_of(sending["parts"][1], content),
    )
    complete(ada, sending)
    wait_until(is_ready(ada, sending))


def test_whenever_its_worker_is_killed_a_file_is_processed_and_nothing_is_left(
    stack: Stack, member: Callable[[str], Person], measured: Callable[[str], None]
) -> None:
    ada, moments = member("ada"), random.Random(5)
    picture = jpeg_with_gps((4000, 3000))
    waiting, met = [], 0
    for _ in range(10):
        worker = media_worker(stack)
        waiting.append(sent(ada, picture))
        # A file takes it a third of a second: anywhere from before to after that.
        signal.sigtimedwait([], moments.uniform(0, 0.4))
        os.kill(worker, signal.SIGKILL)
        unfinished = Upload.objects.filter(pk=waiting[-1]["id"], unfinished_starts__gt=0)
        met += unfinished.exists()
    assert met, "else this test proves nothing"
    seconds = [wait_until(is_ready(ada, sending), SECONDS_TO_RECOVER) for sending in waiting]
    measured(f"{met} of 10 kills met a file; all ready {sum(seconds):.1f} s after the last one")
    for sending in waiting:
        assert statuses(urls_of(document_of(ada, sending))) == {200}
    keys = {sending["form"]["fields"]["key"] for sending in waiting}
    wait_until(lambda: not keys & incoming_keys(), SECONDS_TO_RECOVER)


def media_worker(stack: Stack) -> int:
    """Wait until the media worker is up; returns its process id."""
    name = "media-worker-1"
    wait_until(lambda: stack.status(name)[0].is_up)
    pid = stack.status(name)[0].pid
    assert pid
    return pid


def test_photos_of_a_phone_are_ready_soon(
    member: Callable[[str], Person], measured: Callable[[str], None]
) -> None:
    ada, picture, seconds = member("ada"), jpeg_with_gps((4000, 3000)), []
    for _ in range(7):
        start = time.monotonic()
        sending = sent(ada, picture)
        wait_until(is_ready(ada, sending))
        seconds.append(time.monotonic() - start)
    measured(f"12 megapixels, from the announcement to ready: {median(seconds):.2f} s (of 7)")
