"""Cold timelines: a read builds them, once for all readers, and never from a replica."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from threading import Thread
from typing import Any
from uuid import uuid4

import httpx
import pytest
import redis
from django.conf import settings
from django.db import connections

from core.valkey import cache_valkey
from posts.models import Post
from posts.services import publish_post
from tests.support.client import Person, wait_until
from tests.support.feeds import (
    HOME,
    checked_page,
    ids_of,
    is_delivered,
    make_follow,
    make_many_posts,
    pages,
    walk,
)
from timeline.keys import home_key

READERS = 500
DAY = 24 * 3600

pytestmark = pytest.mark.usefixtures("committed")


@dataclass(frozen=True)
class Feed:
    """A viewer, the authors they follow, and the authors' posts, newest first."""

    viewer: Person
    author_ids: list[int]
    post_ids: list[int]

    @property
    def key(self) -> str:
        return home_key(int(self.viewer.id))


@pytest.fixture
def feed(member: Callable[[str], Person], person: Callable[[str], int]) -> Feed:
    """900 posts by 20 authors; the viewer's home timeline is cold."""
    viewer, author_ids = member("viewer"), [person("author") for _ in range(20)]
    post_ids = make_many_posts(author_ids, 900)
    make_follow([viewer], author_ids)
    return Feed(viewer, author_ids, post_ids)


def publish(author_id: int) -> int:
    """Publish a post and wait for its delivery."""
    post_id = publish_post(author_id=author_id, caption="New.", media_ids=[])
    wait_until(lambda: is_delivered(post_id))
    return post_id


@contextmanager
def commands_of_scripts(key: str) -> Iterator[Counter[str]]:
    """Count how often scripts in CACHE call each command on a key, until the block ends."""
    calls: Counter[str] = Counter()
    end = uuid4().hex
    # A separate client without a time-out.
    address = str(settings.CACHES["cache"]["LOCATION"])
    client = redis.Redis.from_url(address, socket_timeout=None)
    with closing(client), client.monitor() as monitor:  # type: ignore[no-untyped-call]

        def listen() -> None:
            for seen in monitor.listen():
                name, _, rest = seen["command"].partition(" ")
                if end in rest:
                    return
                if seen["client_type"] == "lua" and rest.split(" ")[0] == key:
                    calls[name] += 1

        listener = Thread(target=listen)
        listener.start()
        try:
            yield calls
        finally:
            cache_valkey().echo(end)
            listener.join()


def read_at_once(reader: Person, count: int) -> list[httpx.Response]:
    """The answers to `count` readers of one home timeline, each on a connection of its own.

    All requests are sent before the first answer is read.
    """
    url = reader.http.base_url
    headers = {"Authorization": reader.http.headers["Authorization"]}
    answers = []
    with ExitStack() as opened:
        readers = [HTTPConnection(url.host, url.port, timeout=120) for _ in range(count)]
        for connection in readers:
            opened.enter_context(closing(connection)).connect()
        for connection in readers:
            connection.request("GET", HOME, headers=headers)
        for connection in readers:
            answer = connection.getresponse()
            content = answer.read()
            answers.append(
                httpx.Response(answer.status, headers=answer.getheaders(), content=content)
            )
    return answers


def test_500_readers_of_one_cold_timeline_are_all_answered_and_it_is_built_once(
    feed: Feed, measured: Callable[[str], None]
) -> None:
    assert ids_of(next(pages(feed.viewer))) == feed.post_ids[:20]
    assert cache_valkey().delete(feed.key) == 1
    with commands_of_scripts(feed.key) as calls:
        start = time.monotonic()
        answers: list[httpx.Response] = []
        while len(answers) < READERS:
            # A reader who waits too long gets 503 and asks again.
            some = read_at_once(feed.viewer, READERS - len(answers))
            answered = [answer for answer in some if answer.status_code == 200]
            refused = [answer for answer in some if answer.status_code == 503]
            assert answered
            assert len(answered) + len(refused) == len(some)
            assert all("Retry-After" in answer.headers for answer in refused)
            answers += answered
        seconds = time.monotonic() - start
    right = feed.post_ids[:20]
    wrong = [answer for answer in answers if ids_of(checked_page(answer)) != right]
    assert not wrong
    builders, builds = calls["PEXPIRE"], calls["LTRIM"]  # begin_build.lua, finish_build.lua
    assert (builders, builds) == (1, 1)
    measured(f"{READERS} of {READERS} readers answered within {seconds:.1f} s; 1 build")


def test_fan_out_skips_a_timeline_that_has_expired_and_the_next_read_builds_it(feed: Feed) -> None:
    assert walk(feed.viewer, limit=100) == feed.post_ids
    assert cache_valkey().pexpire(feed.key, 1)
    wait_until(lambda: not cache_valkey().exists(feed.key))
    post_id = publish(feed.author_ids[0])
    assert not cache_valkey().exists(feed.key), "nobody has read it"
    assert ids_of(next(pages(feed.viewer))) == [post_id, *feed.post_ids[:19]]
    assert cache_valkey().llen(feed.key) == settings.TIMELINE_CAP + 1
    other_id = publish(feed.author_ids[1])
    assert walk(feed.viewer, limit=100) == [other_id, post_id, *feed.post_ids]


@pytest.mark.parametrize("state", ["cold", "warm"])
def test_reading_keeps_a_timeline_for_another_while(feed: Feed, state: str) -> None:
    if state == "warm":
        next(pages(feed.viewer))
        assert cache_valkey().expire(feed.key, 60)
    next(pages(feed.viewer))
    days: Any = cache_valkey().ttl(feed.key) / DAY
    assert settings.TIMELINE_IDLE_DAYS - 0.1 < days <= settings.TIMELINE_IDLE_DAYS


def test_a_timeline_built_while_the_replica_lags_has_what_the_replica_lacks(
    feed: Feed, paused_replay: Callable[[], None]
) -> None:
    """The viewer has not written lately, so their request may read from replicas."""
    paused_replay()
    with connections["posts_replica"].cursor() as cursor:

        def is_paused() -> bool:
            cursor.execute("SELECT pg_get_wal_replay_pause_state()")
            return bool(cursor.fetchone()[0] == "paused")

        wait_until(is_paused)
    post_id = publish(feed.author_ids[0])
    assert not Post.objects.using("posts_replica").filter(pk=post_id).exists()
    assert ids_of(next(pages(feed.viewer))) == [post_id, *feed.post_ids[:19]], "cold"
    assert walk(feed.viewer, limit=100) == [post_id, *feed.post_ids], "and warm"
