"""Use case: post pictures and videos that are still on their way.

The author sees the post at once; followers see it when the last of its media is ready.
"""

import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

from devstack.lifecycle import Stack
from tests.support.client import Person, wait_until
from tests.support.direct_uploads import announce, send
from tests.support.images import jpeg_with_gps
from tests.support.stored import statuses, urls_of
from tests.support.videos import video

# A killed worker's successor waits for the lease, 30 s, and must boot first.
SECONDS_TO_RECOVER = 90.0


@pytest.fixture
def ada(signed_up: Callable[[str], Person]) -> Person:
    return signed_up("ada")


@pytest.fixture
def bea(signed_up: Callable[[str], Person], ada: Person) -> Person:
    """A follower of Ada."""
    person = signed_up("bea")
    person.follow(ada)
    return person


def submit(person: Person, *media_ids: str) -> Any:
    body = {"caption": "Low tide.", "media": media_ids}
    answer = person.http.post("/api/v1/posts", json=body)
    assert answer.status_code == 202, answer.text
    return answer.json()


def home(person: Person) -> list[Any]:
    return list(person.get("/timeline/home")["results"])


def published(person: Person, waiting: Any) -> Callable[[], bool]:
    def check() -> bool:
        document = person.get(f"/posts/waiting/{waiting['id']}")
        assert document["state"] != "failed", document
        return bool(document["state"] == "published")

    return check


def test_a_carousel_appears_to_followers_when_all_of_it_is_ready(
    ada: Person, bea: Person, measured: Callable[[str], None]
) -> None:
    clip = video()
    picture = jpeg_with_gps((1600, 1200))
    moving, still = announce(ada, clip, "video/mp4"), announce(ada, picture)
    ready = ada.upload(picture)
    waiting = submit(ada, moving["id"], ready["id"], still["id"])
    assert [media["state"] for media in waiting["media"]] == ["pending", "ready", "pending"]
    assert ada.get("/posts/waiting")["results"] == [waiting]
    assert home(ada) == home(bea) == []
    send(ada, moving, clip)
    send(ada, still, picture)
    took = wait_until(published(ada, waiting))
    post_id = ada.get(f"/posts/waiting/{waiting['id']}")["post_id"]
    seen = wait_until(lambda: [post["id"] for post in home(bea)] == [post_id])
    measured(f"published {took:.1f} s after the last file was sent, and seen {seen:.2f} s later")
    for person in (ada, bea):
        (post,) = home(person)
        assert [media["type"] for media in post["media"]] == ["video", "image", "image"]
        assert [media["id"] for media in post["media"]] == [
            *(moving["id"], ready["id"], still["id"])
        ]
    assert ada.get("/posts/waiting")["results"] == []
    described = ada.http.patch(f"/api/v1/media/{still['id']}", json={"alt": "A pier"})
    assert described.status_code == 200
    assert home(bea)[0]["media"][2]["alt"] == "A pier"


def test_what_has_failed_is_replaced_and_then_it_is_published(ada: Person, bea: Person) -> None:
    broken = announce(ada, b"\xff\xd8\xff no picture")
    waiting = submit(ada, broken["id"])
    send(ada, broken, b"\xff\xd8\xff no picture")
    address = f"/posts/waiting/{waiting['id']}"
    wait_until(lambda: ada.get(address)["state"] == "failed")
    assert ada.get(address)["media"][0]["error"]["detail"]
    assert home(bea) == []
    ready = ada.upload(jpeg_with_gps())
    mended = ada.http.patch(f"/api/v1{address}", json={"media": [ready["id"]]}).json()
    assert mended["state"] == "published"
    wait_until(lambda: [post["id"] for post in home(bea)] == [mended["post_id"]])


def test_a_post_is_published_though_the_workers_are_killed(
    stack: Stack, ada: Person, bea: Person, measured: Callable[[str], None]
) -> None:
    picture = jpeg_with_gps((1600, 1200))
    sendings = [announce(ada, picture) for _ in range(3)]
    waiting = submit(ada, *(sending["id"] for sending in sendings))
    for sending in sendings:
        send(ada, sending, picture)
        for service in ("worker-1", "worker-2", "media-worker-1"):
            for instance in stack.status(service):
                if instance.pid:
                    os.kill(instance.pid, signal.SIGKILL)
    began = time.monotonic()
    wait_until(published(ada, waiting), SECONDS_TO_RECOVER)
    measured(f"published {time.monotonic() - began:.1f} s after three kills of all workers")
    wait_until(lambda: len(home(bea)) == 1, SECONDS_TO_RECOVER)
    (post,) = home(bea)
    assert [media["id"] for media in post["media"]] == [sending["id"] for sending in sendings]


def test_a_deleted_one_is_never_published_and_its_media_can_go(ada: Person, bea: Person) -> None:
    picture = jpeg_with_gps()
    sending = announce(ada, picture)
    waiting = submit(ada, sending["id"])
    address = f"/api/v1/posts/waiting/{waiting['id']}"
    assert ada.http.delete(address).status_code == 204
    send(ada, sending, picture)
    media = f"/media/{sending['id']}"
    wait_until(lambda: ada.get(media)["state"] == "ready")
    urls = urls_of(ada.get(media))
    assert ada.http.get(address).status_code == 404
    assert ada.http.delete(f"/api/v1{media}").status_code == 204
    wait_until(lambda: statuses(urls) == {404})
    assert home(ada) == home(bea) == []
