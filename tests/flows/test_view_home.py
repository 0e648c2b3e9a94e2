"""Pages of the home timeline over HTTP: from Valkey, past the cap, and during changes."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle, pairwise
from threading import Event

import pytest
from django.conf import settings
from django.db import connections

from core.valkey import cache_valkey
from posts.selectors import author_of
from posts.services import delete_post, publish_post
from tests.support.client import Person, wait_until
from tests.support.feeds import (
    ids_of,
    is_delivered,
    make_follow,
    make_many_posts,
    pages,
    walk,
)
from timeline.keys import home_key
from timeline.services import drop_home_timelines

AUTHORS, POSTS, LIMIT = 40, 3000, 37

pytestmark = pytest.mark.usefixtures("committed")


@dataclass(frozen=True)
class Feed:
    """A viewer, the authors they follow, and the authors' posts, newest first."""

    viewer: Person
    author_ids: list[int]
    post_ids: list[int]


@pytest.fixture
def feed(member: Callable[[str], Person], person: Callable[[str], int]) -> Feed:
    """3,000 posts by 40 authors, and a viewer who follows them all; Valkey is still empty."""
    viewer, author_ids = member("viewer"), [person("author") for _ in range(AUTHORS)]
    post_ids = make_many_posts(author_ids, POSTS)
    make_follow([viewer], author_ids)
    assert settings.TIMELINE_CAP + LIMIT < POSTS
    return Feed(viewer, author_ids, post_ids)


def publish(author_id: int) -> int:
    return publish_post(author_id=author_id, caption="New.", media_ids=[])


def delete(post_id: int) -> None:
    author_id = author_of(post_id=post_id)
    assert author_id is not None
    delete_post(post_id=post_id, author_id=author_id)


def test_3000_posts_are_paged_across_the_cap_in_order_and_once_each(
    feed: Feed, measured: Callable[[str], None]
) -> None:
    for state in ("cold", "warm"):
        shown = [ids_of(page) for page in pages(feed.viewer, limit=LIMIT)]
        assert [id_ for ids in shown for id_ in ids] == feed.post_ids, state
        assert {len(ids) for ids in shown[:-1]} == {LIMIT}
    measured(f"{len(shown)} pages of {LIMIT}: {POSTS:,} of {POSTS:,} posts once each, twice")


@contextmanager
def publishing(author_ids: list[int]) -> Iterator[list[int]]:
    """Let these authors post inside the block. Yields the ids of the posts so far."""
    published: list[int] = []
    stop = Event()

    def go_on() -> None:
        try:
            for author_id in cycle(author_ids):
                published.append(publish(author_id))
                if stop.is_set():
                    return
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        work = pool.submit(go_on)
        try:
            wait_until(lambda: bool(published) or work.done())
            yield published
        finally:
            stop.set()
        work.result()


def test_paging_goes_on_in_order_while_new_posts_arrive(
    feed: Feed, measured: Callable[[str], None]
) -> None:
    assert ids_of(next(pages(feed.viewer, limit=LIMIT))) == feed.post_ids[:LIMIT]  # warm
    with publishing(feed.author_ids) as published:
        shown = [ids_of(page) for page in pages(feed.viewer, limit=LIMIT)]
    ids = [id_ for page in shown for id_ in page]
    assert {len(page) for page in shown[:-1]} == {LIMIT}
    assert all(one > other for one, other in pairwise(ids)), "newest first, once each"
    old = set(feed.post_ids)
    assert [id_ for id_ in ids if id_ in old] == feed.post_ids
    assert set(ids) - old <= set(published)
    wait_until(lambda: is_delivered(*published))
    everything = sorted([*published, *feed.post_ids], reverse=True)
    assert walk(feed.viewer, limit=100) == everything
    measured(f"{len(published)} posts came while {len(shown)} pages were read")


def test_paging_goes_on_when_the_timeline_vanishes_between_pages(feed: Feed) -> None:
    key, shown = home_key(int(feed.viewer.id)), []
    for page in pages(feed.viewer, limit=LIMIT):
        shown.append(ids_of(page))
        assert cache_valkey().delete(key) == 1, "the page has warmed it"
    assert [id_ for ids in shown for id_ in ids] == feed.post_ids
    assert {len(ids) for ids in shown[:-1]} == {LIMIT}


@pytest.mark.parametrize("state", ["warm", "cold"])
def test_paging_goes_on_when_the_posts_around_the_cursor_are_deleted(
    feed: Feed, state: str
) -> None:
    left, shown = feed.post_ids, []
    for page in pages(feed.viewer, limit=LIMIT):
        shown.append(ids_of(page))
        last = left.index(shown[-1][-1])
        for post_id in left[last : last + 2]:  # the post at the cursor, and the next one
            delete(post_id)
        left = left[: last + 1] + left[last + 2 :]
        if state == "cold":
            drop_home_timelines(user_ids=[int(feed.viewer.id)])
    assert [id_ for ids in shown for id_ in ids] == left
    assert len(left) == POSTS - len(shown) + 1, "one was deleted before each page but the first"
    assert {len(ids) for ids in shown[:-1]} == {LIMIT}


# --- newer posts ----------------------------------------------------------------------------------

FEW = 4  # a limit


@pytest.fixture
def quiet(member: Callable[[str], Person], person: Callable[[str], int]) -> Feed:
    """Ten posts by three authors, and a viewer who follows them."""
    viewer, author_ids = member("viewer"), [person("author") for _ in range(3)]
    post_ids = make_many_posts(author_ids, 10)
    make_follow([viewer], author_ids)
    return Feed(viewer, author_ids, post_ids)


def publish_many(author_ids: list[int], count: int) -> list[int]:
    """Publish posts and wait for their delivery. Returns their ids, newest first."""
    ids = [publish(author_ids[number % len(author_ids)]) for number in range(count)]
    wait_until(lambda: is_delivered(*ids))
    return ids[::-1]


@pytest.mark.parametrize("state", ["warm", "cold"])
@pytest.mark.parametrize("count", [0, 1, FEW, FEW + 1, 3 * FEW + 1])
def test_newer_shows_exactly_the_new_posts_and_continues_from_there(
    quiet: Feed, count: int, state: str
) -> None:
    first = next(pages(quiet.viewer, limit=FEW))
    assert ids_of(first) == quiet.post_ids[:FEW]
    for _ in range(2):
        new = publish_many(quiet.author_ids, count)
        if state == "cold":
            drop_home_timelines(user_ids=[int(quiet.viewer.id)])
        since = list(pages(quiet.viewer, first["newer"]))
        assert [id_ for page in since for id_ in ids_of(page)] == new
        assert {len(ids_of(page)) for page in since[:-1]} <= {FEW}
        first = since[-1]


def test_newer_leaves_out_what_has_been_deleted_meanwhile(quiet: Feed) -> None:
    first = next(pages(quiet.viewer, limit=FEW))
    new = publish_many(quiet.author_ids, 2 * FEW)
    gone = {new[0], new[FEW], quiet.post_ids[0]}  # `newer` begins at the last one
    for post_id in gone:
        delete(post_id)
    assert walk(quiet.viewer, first["newer"]) == [id_ for id_ in new if id_ not in gone]


def test_newer_works_from_an_empty_timeline(quiet: Feed, member: Callable[[str], Person]) -> None:
    newcomer = member("newcomer")
    empty = next(pages(newcomer, limit=FEW))
    assert empty == {"results": [], "next": None, "newer": empty["newer"]}
    assert walk(newcomer, empty["newer"]) == []
    make_follow([newcomer], quiet.author_ids)
    assert walk(newcomer, empty["newer"]) == quiet.post_ids
