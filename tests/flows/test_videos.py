"""Videos and pictures that move: sent, processed, posted, shown in timelines, and gone again."""

import os
import random
import signal
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from django.core.files.storage import storages

from devstack.lifecycle import Stack
from media.models import Media, Upload
from tests.flows.test_direct_upload import (
    SECONDS_TO_RECOVER,
    document_of,
    incoming_keys,
    media_worker,
)
from tests.support.client import Person, wait_until
from tests.support.direct_uploads import is_ready, sent
from tests.support.images import jpeg_with_gps
from tests.support.videos import RATE, animated, heard, shown, video

LONG = tuple(number / RATE for number in range(8 * RATE))


def ready(person: Person, content: bytes, content_type: str) -> Any:
    sending = sent(person, content, content_type)
    wait_until(is_ready(person, sending))
    return document_of(person, sending)


def test_a_carousel_of_videos_and_pictures_is_shown_in_timelines(
    member: Callable[[str], Person],
) -> None:
    ada, fan = member("ada"), member("fan")
    fan.follow(ada)
    documents = [
        ready(ada, video(size=(800, 450)), "video/mp4"),
        ready(ada, jpeg_with_gps((640, 480)), "image/jpeg"),
        ready(ada, animated("GIF"), "image/gif"),
        ready(ada, video(codec="libvpx", container="webm", sound=None), "video/webm"),
    ]
    assert [document["type"] for document in documents] == ["video", "image", "video", "video"]
    moving = [document["video"] for document in documents if document["type"] == "video"]
    assert [(part["has_sound"], part["loops"]) for part in moving] == [
        *((True, False), (False, True), (False, False))
    ]
    ids = [document["id"] for document in documents]
    post = ada.http.post("/api/v1/posts", json={"caption": "A day out", "media": ids})
    assert post.status_code == 201, post.text
    described = ada.http.patch(f"/api/v1/media/{ids[0]}", json={"alt": "Waves on a beach"})
    assert described.status_code == 200, described.text
    wait_until(lambda: fan.home_ids() == [post.json()["id"]])
    (seen,) = fan.get("/timeline/home")["results"]
    assert [media["id"] for media in seen["media"]] == ids
    assert seen["media"][0]["alt"] == "Waves on a beach"
    for media, document in zip(seen["media"], documents, strict=True):
        assert media.get("video") == document.get("video")
        assert media["url"] == document["url"]


def test_a_video_is_served_in_ranges_and_as_nothing_else(
    member: Callable[[str], Person],
) -> None:
    document = ready(member("ada"), video(size=(800, 450)), "video/mp4")
    sources = document["video"]["sources"]
    assert [(source["width"], source["height"]) for source in sources] == [(800, 450), (540, 304)]
    for source in sources:
        whole = httpx.get(source["url"])
        assert whole.status_code == 200
        assert whole.headers["Content-Type"] == "video/mp4"
        assert whole.headers["X-Content-Type-Options"] == "nosniff"
        assert "immutable" in whole.headers["Cache-Control"]
        assert whole.headers["Accept-Ranges"] == "bytes"
        assert len(shown(whole.content)) == RATE
        assert heard(whole.content)[1] > 0.1
        part = httpx.get(source["url"], headers={"Range": "bytes=1000-1999"})
        assert part.status_code == 206
        assert part.content == whole.content[1000:2000]
        assert part.headers["Content-Range"] == f"bytes 1000-1999/{len(whole.content)}"
        assert part.headers["Content-Type"] == "video/mp4"
        page = httpx.get(f"{source['url']}?response-content-type=text/html")
        assert page.headers["Content-Type"] == "video/mp4"


def test_a_video_is_no_avatar(member: Callable[[str], Person]) -> None:
    ada = member("ada")
    document = ready(ada, video(sound=None), "video/mp4")
    answer = ada.http.patch("/api/v1/users/me", json={"avatar": document["id"]})
    assert (answer.status_code, answer.json()["type"]) == (400, "/problems/not-a-picture")
    assert not Media.objects.get(pk=document["id"]).used_as


def test_progress_is_told_and_a_deleted_video_is_gone(member: Callable[[str], Person]) -> None:
    ada = member("ada")
    content = video(size=(1920, 1080), times=LONG)
    sending = sent(ada, content, "video/mp4")
    progress: set[int] = set()

    def is_done() -> bool:
        document = document_of(ada, sending)
        progress.add(document.get("progress", 100))
        return bool(document["state"] == "ready")

    wait_until(is_done)
    assert any(20 < percent < 80 for percent in progress), progress
    document = document_of(ada, sending)
    assert abs(document["video"]["duration_ms"] - 8000) < 60
    urls = [document["url"], *(source["url"] for source in document["video"]["sources"])]
    assert {httpx.get(url).status_code for url in urls} == {200}
    assert ada.http.delete(f"/api/v1/media/{document['id']}").status_code == 204
    wait_until(lambda: {httpx.get(url).status_code for url in urls} == {404})


@pytest.mark.parametrize(
    ("content", "content_type", "problem", "words"),
    [
        (video()[:-200], "video/mp4", "unsupported_media_type", "lacks its index"),
        (video(codec="mpeg4"), "video/mp4", "unsupported_media_type", "not accepted"),
        (video(times=(0, 50, 100), sound=None), "video/mp4", "too_large", "90 seconds"),
        (video(), "video/webm", "other_content", "not video/webm"),
        (jpeg_with_gps((64, 48)), "video/mp4", "other_content", "not video/mp4"),
    ],
    ids=["cut off", "another codec", "too long", "another container", "a picture"],
)
def test_what_cannot_be_shown_has_failed_and_says_why(
    member: Callable[[str], Person],
    content: bytes,
    content_type: str,
    problem: str,
    words: str,
) -> None:
    ada = member("ada")
    sending = sent(ada, content, content_type)
    wait_until(lambda: document_of(ada, sending)["state"] == "failed")
    error = document_of(ada, sending)["error"]
    assert error["code"] == problem
    assert words in error["detail"]
    refused = ada.http.post("/api/v1/posts", json={"caption": "", "media": [sending["id"]]})
    assert refused.status_code == 400
    key = sending["form"]["fields"]["key"]
    wait_until(lambda: key not in incoming_keys())


def test_a_worker_that_is_killed_while_it_encodes_loses_nothing_and_leaves_nothing(
    stack: Stack, member: Callable[[str], Person], measured: Callable[[str], None]
) -> None:
    ada, moments = member("ada"), random.Random(3)
    content = video(size=(1280, 720), times=LONG)
    waiting = []
    for _ in range(3):
        worker = media_worker(stack)
        waiting.append(sent(ada, content, "video/mp4"))
        begun = Upload.objects.filter(pk=waiting[-1]["id"], progress__gt=0)
        wait_until(begun.exists, SECONDS_TO_RECOVER)
        signal.sigtimedwait([], moments.uniform(0, 1.5))
        os.kill(worker, signal.SIGKILL)
    seconds = [wait_until(is_ready(ada, sending), SECONDS_TO_RECOVER) for sending in waiting]
    measured(f"3 kills; all ready {sum(seconds):.1f} s after the last one")
    prefixes = {Media.objects.get(pk=sending["id"]).storage_prefix for sending in waiting}
    store: Any = storages["default"]
    for prefix in prefixes:
        names = {item.key for item in store.bucket.objects.filter(Prefix=prefix)}
        assert {f"{prefix}/full.mp4", f"{prefix}/half.mp4", f"{prefix}/full.jpg"} <= names
    keys = {sending["form"]["fields"]["key"] for sending in waiting}
    wait_until(lambda: not keys & incoming_keys(), SECONDS_TO_RECOVER)
