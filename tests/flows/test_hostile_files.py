"""Whatever people send: nothing hostile is published, and of what is published only pixels."""

from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import psutil
import pytest
from django.core.files.storage import storages

from devstack.lifecycle import Stack
from media.models import Media, Upload
from tests.support import video_corpus
from tests.support.client import Person, wait_until
from tests.support.corpus import MARK, cleaned, refused
from tests.support.direct_uploads import announcement, send_form
from tests.support.images import decoded
from tests.support.stored import urls_of

AT_ONCE = 4
LARGE = 1_000_000
SECONDS = 120.0
File = tuple[str, str, bytes]
TYPES = ("image/jpeg", "image/webp", "video/mp4")


class Sender:
    """Sends files, and counts the statuses of all answers."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.statuses: Counter[int] = Counter()

    def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        answer = self.person.http.request(method, f"/api/v1{path}", **options)
        self.statuses[answer.status_code] += 1
        return answer

    def by_one_request(self, file: File) -> Any:
        """POST /media; returns the document, or the problem."""
        _, _, content = file
        return self.ask("POST", "/media", files={"file": ("page.html", content)}).json()

    def by_the_store(self, file: File) -> Any:
        """Announce, send and complete a file; returns the document once it is ready or failed."""
        _, content_type, content = file
        body = announcement(content, content_type)
        sending = self.ask("POST", "/media/uploads", json=body).json()
        sent = send_form(sending["form"], content)
        assert sent.status_code == 204, sent.text
        answer = self.ask("POST", f"/media/{sending['id']}/complete")
        if answer.status_code != 200:
            return answer.json()
        document: Any = answer.json()

        def is_done() -> bool:
            nonlocal document
            document = self.ask("GET", f"/media/{sending['id']}").json()
            return document["state"] in ("ready", "failed")

        wait_until(is_done, SECONDS)
        return document


@pytest.fixture
def sender(member: Callable[[str], Person]) -> Sender:
    return Sender(member("mallory"))


def through_the_store(sender: Sender, files: Iterable[File]) -> list[tuple[str, Any]]:
    """The name of each file, and what becomes of it."""
    files = list(files)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        outcomes = list(pool.map(sender.by_the_store, files))
    return [(file[0], done) for file, done in zip(files, outcomes, strict=True)]


def through_both(sender: Sender, files: Iterable[File]) -> list[tuple[str, Any, Any]]:
    """The name of each file, and what becomes of it on both ways.

    Large ones only go through the store, because an API process reads them slowly
    (`core.http.pace`); tests/media/test_views.py sends them by one request.
    """
    files = list(files)
    return [
        (name, done, sender.by_one_request(file) if len(file[2]) < LARGE else None)
        for file, (name, done) in zip(files, through_the_store(sender, files), strict=True)
    ]


def test_no_hostile_file_is_published(
    stack: Stack, sender: Sender, measured: Callable[[str], None]
) -> None:
    outcomes = through_both(sender, refused())
    assert len(outcomes) >= 100
    for name, _, one_request in outcomes:
        assert one_request is None or one_request["status"] in (413, 415), (name, one_request)
    outcomes += [(*done, None) for done in through_the_store(sender, video_corpus.refused())]
    for name, direct, _ in outcomes:
        assert direct.get("state", "refused") in ("failed", "refused"), name
        problem = direct.get("error") or direct
        assert len(problem["detail"]) > 10, name
    owner_id = int(sender.person.id)
    assert not Media.objects.filter(owner_id=owner_id).exists()
    store: Any = storages["default"]
    sent = Upload.objects.filter(owner_id=owner_id).values_list("key", "attempts")
    assert len(sent) == len(outcomes)
    assert not any(attempts for _, attempts in sent), "something was stored"
    keys = {key for key, _ in sent}

    def are_removed() -> bool:
        found = {item.key for item in store.bucket.objects.filter(Prefix="incoming/")}
        return not keys & found

    # The few that are no files of their type fail when they are completed.
    wait_until(are_removed, SECONDS)
    assert not {status for status in sender.statuses if status >= 500}
    sizes = []
    for name in ("media-worker-1", "write-api-1", "write-api-2"):
        pid = stack.status(name)[0].pid
        assert pid, f"{name} is gone"
        tree = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        sizes.append(max(process.memory_info().rss for process in tree) // 1024**2)
    measured(
        f"{len(outcomes)} files, most of them on two ways: 0 published; afterwards {max(sizes)} MiB"
    )


def test_nothing_but_pixels_is_published(sender: Sender, measured: Callable[[str], None]) -> None:
    files = list(cleaned())
    assert sum(MARK in content for *_, content in files) >= 15, "else this proves little"
    outcomes = through_both(sender, files)
    objects = 0
    for name, *documents in outcomes:
        for document in documents:
            assert document.get("state") == "ready", (name, document)
            for url in urls_of(document):
                answer = httpx.get(url)
                assert answer.headers["Content-Type"] in ("image/jpeg", "image/webp"), name
                assert answer.headers["X-Content-Type-Options"] == "nosniff"
                for secret in (MARK, b"GPS", b"Exif", b"http", b"<script", b"PK\3\4"):
                    assert secret not in answer.content, (name, url)
                assert not decoded(answer.content).getexif()
                objects += 1
    measured(f"{len(outcomes)} files with secrets, each on two ways: 0 in {objects} objects")
    assert not {status for status in sender.statuses if status >= 500}


def test_nothing_but_pixels_and_sound_of_a_video_is_published(
    sender: Sender, measured: Callable[[str], None]
) -> None:
    files = list(video_corpus.cleaned())
    assert sum(MARK in content for *_, content in files) >= 9, "else this proves little"
    objects = 0
    for name, document in through_the_store(sender, files):
        assert document.get("state") == "ready", (name, document)
        for url in [*urls_of(document), *(one["url"] for one in document["video"]["sources"])]:
            answer = httpx.get(url)
            assert answer.headers["Content-Type"] in TYPES, name
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            for secret in (MARK, b"48.8584", b"GPS", b"GA94", b"<script"):
                assert secret not in answer.content, (name, url)
            objects += 1
    measured(f"{len(files)} videos with secrets: 0 in {objects} objects")
    assert not {status for status in sender.statuses if status >= 500}
