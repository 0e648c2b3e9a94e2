"""CACHE is flushed again and again while people read: every page is right."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event

import pytest

from core.valkey import cache_valkey
from tests.support.client import Person, http_client, wait_until
from tests.support.feeds import ids_of, make_follow, make_many_posts, pages
from timeline import store
from timeline.keys import home_key

VIEWERS, READERS, AUTHORS, FOLLOWED, POSTS, LIMIT = 10, 50, 12, 6, 300, 25
FLUSHES = 5
# Pages read between two flushes, so that each page of a list is read before and after a flush.
PAGES_BETWEEN = 200

pytestmark = pytest.mark.usefixtures("committed")


@dataclass
class Reading:
    """The pages read so far, and what was wrong with them."""

    pages: list[int] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    stop: Event = field(default_factory=Event)


@pytest.fixture
def truth(
    member: Callable[[str], Person], person: Callable[[str], int]
) -> list[tuple[Person, list[int]]]:
    """Ten viewers, and the posts that each must see: 150 of the 300, newest first."""
    viewers = [member("viewer") for _ in range(VIEWERS)]
    author_ids = [person("author") for _ in range(AUTHORS)]
    posts_of = {author_id: make_many_posts([author_id], 0) for author_id in author_ids}
    for _ in range(POSTS // AUTHORS):
        for author_id in author_ids:
            posts_of[author_id] += make_many_posts([author_id], 1)
    homes = []
    for number, viewer in enumerate(viewers):
        followed = [author_ids[(number + step) % AUTHORS] for step in range(FOLLOWED)]
        make_follow([viewer], followed)
        ids = sorted((id_ for author_id in followed for id_ in posts_of[author_id]), reverse=True)
        homes.append((viewer, ids))
    return homes


def read_again_and_again(viewer: Person, right: list[int], reading: Reading) -> None:
    """Page a home timeline from top to bottom until `reading.stop`, and compare each page."""
    http = http_client(viewer.http.base_url, headers=viewer.http.headers)
    with http:
        reader = Person(viewer.username, viewer.id, http)
        while not reading.stop.is_set():
            start = 0
            for page in pages(reader, limit=LIMIT):
                if ids_of(page) != right[start : start + LIMIT]:
                    reading.wrong.append(f"{viewer.username} from {start} on: {page}")
                start += LIMIT
                if (page["next"] is None) != (start >= len(right)):
                    reading.wrong.append(f"{viewer.username} at {start}: next {page['next']}")
                reading.pages.append(start)
                if reading.stop.is_set():
                    break


@contextmanager
def readers(truth: list[tuple[Person, list[int]]]) -> Iterator[Reading]:
    """Run fifty readers, five per viewer. Raises a reader's error at the end."""
    reading = Reading()
    with ThreadPoolExecutor(READERS) as pool:
        work: list[Future[None]] = [
            pool.submit(read_again_and_again, *truth[number % VIEWERS], reading)
            for number in range(READERS)
        ]
        try:
            yield reading
        finally:
            reading.stop.set()
    for each in work:
        each.result()


def are_warm(keys: list[str]) -> bool:
    """Whether all these timelines exist, and none is being built."""
    timelines = [store.peek(key=key) for key in keys]
    return all(timeline and timeline.kind != store.BUILDING for timeline in timelines)


def test_readers_see_whole_and_right_pages_while_the_cache_is_flushed(
    truth: list[tuple[Person, list[int]]], measured: Callable[[str], None]
) -> None:
    keys = [home_key(int(viewer.id)) for viewer, _ in truth]
    seconds_to_warm: list[float] = []
    with readers(truth) as reading:
        for _ in range(FLUSHES):
            count = len(reading.pages) + PAGES_BETWEEN
            wait_until(lambda count=count: len(reading.pages) >= count)  # type: ignore[misc]
            cache_valkey().flushall()
            cache_valkey().script_flush()  # as after a restart
            seconds_to_warm.append(wait_until(lambda: are_warm(keys)))
        count = len(reading.pages) + PAGES_BETWEEN
        wait_until(lambda: len(reading.pages) >= count)
    assert not reading.wrong
    times = ", ".join(f"{seconds:.2f}" for seconds in seconds_to_warm)
    measured(
        f"{len(reading.pages):,} pages by {READERS} readers, all right; {VIEWERS} timelines warm "
        f"again {times} s after {FLUSHES} flushes"
    )
