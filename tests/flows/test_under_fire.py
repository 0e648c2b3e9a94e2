"""Likes and comments on one post while processes are killed: the counts are exact at the end."""

import os
import signal
import time
from collections import Counter as Multiset
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle
from random import Random
from threading import Event
from typing import Any

import httpx
import psutil
import pytest

from comments.models import Comment
from core.counters import Counter, CounterChange
from core.outbox.models import OutboxEvent
from core.valkey import cache_valkey
from devstack.lifecycle import Stack
from operations import reconcile
from operations.reconcile import Subjects
from posts.models import CommentSummary, Like
from tests.support.client import Person, wait_until
from tests.support.feeds import make_follow, make_many_posts

PEOPLE, THREADS, SECONDS = 200, 16, 20.0


@dataclass
class Actor:
    """A person who likes, unlikes and comments, and remembers what they did."""

    person: Person
    post_id: int
    likes: bool | None = False  # None: the answer was lost
    comments: list[str] = field(default_factory=list)

    def request(self, method: str, path: str, **body: Any) -> Any:
        """The answer; None when the server died before it had answered, or amid its answer."""
        try:
            response = self.person.http.request(method, f"/api/v1{path}", **body)
        except httpx.RemoteProtocolError:
            return None
        return None if response.status_code >= 500 else response

    def like(self, wanted: bool) -> str:
        method = "PUT" if wanted else "DELETE"
        answer = self.request(method, f"/posts/{self.post_id}/like")
        assert answer is None or answer.status_code == 200, answer.text
        self.likes = None if answer is None else wanted
        return ("like" if wanted else "unlike") if answer is not None else "lost answer"

    def comment(self, random: Random) -> str:
        if self.comments and random.random() < 0.3:
            answer = self.request("DELETE", f"/comments/{self.comments.pop()}")
            assert answer is None or answer.status_code in (204, 404), answer.text
            return "uncomment" if answer is not None else "lost answer"
        body = {"text": f"No. {random.random()}"}
        answer = self.request("POST", f"/posts/{self.post_id}/comments", json=body)
        if answer is None:
            return "lost answer"
        assert answer.status_code == 201, answer.text
        self.comments.append(answer.json()["id"])
        return "comment"

    def look(self) -> str:
        """Check that the person's next read shows what they have just done."""
        answer = self.request("GET", f"/posts/{self.post_id}")
        if answer is None:
            return "lost answer"
        assert answer.status_code == 200, (answer.status_code, answer.headers, answer.content)
        assert answer.content, dict(answer.headers)
        post = answer.json()
        assert post["counts"]["likes"] >= 0
        if self.likes is not None:
            assert post["viewer"]["liked"] == self.likes, self.person.username
            assert post["counts"]["likes"] >= self.likes
        assert post["counts"]["comments"] >= len(self.comments)
        return "look"


def act(actors: list[Actor], seed: int, stop: Event) -> Multiset[str]:
    """Let one thread's people act until `stop` is set. Returns how often they did what."""
    random, done = Random(seed), Multiset[str]()
    while not stop.is_set():
        actor = random.choice(actors)
        if random.random() < 0.7:
            done[actor.like(not actor.likes)] += 1
        else:
            done[actor.comment(random)] += 1
        done[actor.look()] += 1
    return done


@pytest.fixture
def actors(member: Callable[[str], Person]) -> list[Actor]:
    """A follower, an author with one post, and 200 people."""
    author, follower = member("author"), member("follower")
    (post_id,) = make_many_posts([int(author.id)], 1)
    make_follow([follower], [int(author.id)])
    people = [member("fan") for _ in range(PEOPLE)]
    return [Actor(person, post_id) for person in [follower, author, *people]]


def fire(stack: Stack, stop: Event) -> Iterator[str]:
    """Kill Celery workers and API processes with SIGKILL, and flush CACHE, again and again."""
    random = Random(4)
    for what in cycle(["worker", "flush", "worker", "write-api", "worker", "flush", "read-api"]):
        if stop.wait(1.0):
            return
        if what == "flush":
            cache_valkey().flushall()
            yield what
            continue
        programs = stack.supervisor.programs()
        parts = [part.pid for name, part in programs.items() if name.startswith(what) and part.pid]
        with suppress(ProcessLookupError, psutil.NoSuchProcess):  # dead already
            children = [child.pid for pid in parts for child in psutil.Process(pid).children()]
            # Kill one request process of an API, or a whole worker.
            victims = children if what.endswith("api") else parts
            if victims:
                os.kill(random.choice(victims), signal.SIGKILL)
                yield what


def is_drained(post_id: int) -> bool:
    """Whether all outbox rows of the post are delivered and its counter changes are settled."""
    undone = OutboxEvent.objects.using("comments").filter(done_at__isnull=True)
    changes = [CounterChange.objects.using(database) for database in ("posts", "comments")]
    return not undone.filter(payload={"post_id": post_id}).exists() and not any(
        rows.filter(subject_id=post_id).exists() for rows in changes
    )


def test_counts_are_exact_whatever_dies(
    stack: Stack, actors: list[Actor], measured: Callable[[str], None]
) -> None:
    follower, author, *fans = actors
    post_id, stop = follower.post_id, Event()
    with ThreadPoolExecutor(THREADS + 1) as pool:
        shots = pool.submit(lambda: list(fire(stack, stop)))
        work = [pool.submit(act, fans[number::THREADS], number, stop) for number in range(THREADS)]
        time.sleep(SECONDS)
        stop.set()
        done = sum((each.result() for each in work), Multiset[str]())
        kills = Multiset(shots.result())
    seconds = wait_until(lambda: is_drained(post_id))
    before = reconcile.find_drift(subjects=Subjects(posts=[post_id]))
    measured(
        f"{done.total():,} requests in {SECONDS:.0f} s by {PEOPLE} people from {THREADS} threads: "
        + ", ".join(f"{count:,} {what}" for what, count in sorted(done.items()))
    )
    measured(
        f"kill -9 and flushes: {dict(kills)}; drained after {seconds:.1f} s; drift before the "
        f"reconciler ran: {len(before)} ({', '.join(map(str, before)) or 'none'})"
    )
    reconcile.reconcile_recent()
    after = reconcile.find_drift(subjects=Subjects(posts=[post_id]))
    measured(f"drift after it: {len(after)}")
    assert before == after == []
    likes = Like.objects.filter(subject_id=post_id).count()
    comments = Comment.objects.filter(post_id=post_id).count()
    assert Counter.objects.using("posts").get(pk=post_id).value == likes
    assert Counter.objects.using("comments").get(pk=post_id).value == comments
    summary = CommentSummary.objects.filter(post_id=post_id).order_by("-version")[0]
    assert summary.count == comments
    for reader in (follower, author):
        (post,) = reader.person.get("/timeline/home")["results"]
        assert post["counts"] == {"likes": likes, "comments": comments}
    # Every acknowledged write is there, once.
    liking = {fan.person.id for fan in fans if fan.likes}
    rows = set(map(str, Like.objects.filter(subject_id=post_id).values_list("user_id", flat=True)))
    unsure = {fan.person.id for fan in fans if fan.likes is None}
    assert liking <= rows <= liking | unsure
    said = {comment for fan in fans for comment in fan.comments}
    there = set(map(str, Comment.objects.filter(post_id=post_id).values_list("pk", flat=True)))
    assert said <= there
    assert min(done["like"], done["unlike"], done["comment"]) > 20
    assert min(kills["worker"], kills["flush"]) > 2
