"""Requests with one key make one row: in a race, killed after the commit, or killed anywhere."""

import os
import signal
from collections import Counter as Multiset
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from random import Random
from threading import Event, Lock
from typing import Any
from uuid import uuid4

import httpx
import psutil
import pytest
from django.db import connections
from django.db.models import QuerySet

from comments.models import Comment
from core.valkey import cache_valkey
from devstack.lifecycle import Stack
from media.models import Media
from posts.models import Post
from tests.support.account_data import warm_cached_values
from tests.support.client import Person, wait_until
from tests.support.feeds import make_many_posts
from tests.support.images import jpeg_with_gps

AT_ONCE = 50
KEYS, THREADS, ANSWERS_BETWEEN_KILLS = 100, 8, 20

pytestmark = pytest.mark.usefixtures("committed")
Answers = list[httpx.Response]
# A path, a body, and the rows that it makes.
Asked = tuple[str, dict[str, Any], QuerySet[Any]]


def make_media(owner_id: int, count: int) -> list[int]:
    """Make uploads without objects, which nothing reprocesses. Returns their ids."""
    return [
        Media.objects.create(
            owner_id=owner_id,
            width=1,
            height=1,
            byte_size=1,
            storage_prefix=f"public/media/{uuid4().hex}",
            has_webp=True,
        ).pk
        for _ in range(count)
    ]


def send(person: Person, path: str, key: str, **body: Any) -> httpx.Response:
    try:
        return person.http.post(f"/api/v1{path}", headers={"Idempotency-Key": key}, **body)
    except httpx.RemoteProtocolError:  # killed in the middle of its answer
        return httpx.Response(502)


def is_unanswered(answer: httpx.Response) -> bool:
    """Whether to send again: others are in flight, or the request or answer was lost."""
    return answer.status_code in {409, 429} or answer.status_code >= 500


def send_until_answered(person: Person, path: str, key: str, **body: Any) -> Answers:
    """Send again and again, as a client does. Returns all answers; only the last one is final."""
    answers: Answers = []

    def is_answered() -> bool:
        answers.append(send(person, path, key, **body))
        return not is_unanswered(answers[-1])

    wait_until(is_answered)
    return answers


def race(person: Person, path: str, key: str, **body: Any) -> Answers:
    """Send the same request AT_ONCE times at the same time. Returns the answers."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        jobs = [pool.submit(send, person, path, key, **body) for _ in range(AT_ONCE)]
        return [job.result() for job in jobs]


def is_replay(answer: httpx.Response) -> bool:
    return "Idempotent-Replayed" in answer.headers


def described(answers: Answers) -> str:
    kinds = Multiset(
        f"{answer.status_code} replayed" if is_replay(answer) else str(answer.status_code)
        for answer in answers
    )
    return ", ".join(f"{count} x {kind}" for kind, count in sorted(kinds.items()))


def children(stack: Stack) -> list[int]:
    """The ids of the Write API's processes that answer requests."""
    programs = stack.supervisor.programs().items()
    masters = [part.pid for name, part in programs if name.startswith("write-api") and part.pid]
    return [child.pid for pid in masters for child in psutil.Process(pid).children()]


def kill(*pids: int) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def write_api_recovers(stack: Stack) -> Iterator[None]:
    """After the test, killed processes are replaced, and each instance answers again."""
    instances = [status.name for status in stack.status() if status.name.startswith("write-api")]
    processes = len(children(stack))
    yield
    wait_until(lambda: len(children(stack)) == processes)
    wait_until(
        lambda: not any(status.detail or not status.is_up for status in stack.status(*instances)),
    )


@contextmanager
def cache_that_takes_no_writes() -> Iterator[None]:
    """Writes to CACHE wait until their client gives up after seconds. Reads go on."""
    cache_valkey().client_pause(20_000, all=False)
    try:
        yield
    finally:
        cache_valkey().client_unpause()


@pytest.mark.usefixtures("write_api_recovers")
def test_50_at_once_killed_after_the_commit_and_before_the_answer_make_one_post(
    stack: Stack, member: Callable[[str], Person], measured: Callable[[str], None]
) -> None:
    """Between its commit and its answer, a request writes to CACHE. The requests hang there."""
    author, key = member("author"), str(uuid4())
    (media_id,) = make_media(int(author.id), 1)
    body = {"caption": "Low tide.", "media": [str(media_id)]}
    made = Post.objects.filter(author_id=author.id)
    warm_cached_values([int(author.id)])
    with cache_that_takes_no_writes(), ThreadPoolExecutor(1) as pool:
        racing = pool.submit(race, author, "/posts", key, json=body)
        wait_until(made.exists)
        kill(*children(stack))
        first = racing.result()
    lost = [answer for answer in first if answer.status_code >= 500]
    assert lost
    for answer in first:
        # No client got the original answer: the kill came after the commit and before the answer.
        assert is_unanswered(answer) or is_replay(answer)
    last = [send_until_answered(author, "/posts", key, json=body)[-1] for _ in range(3)]
    answered = [answer for answer in first if is_replay(answer)] + last
    assert {answer.status_code for answer in answered} == {201}
    assert len({answer.content for answer in answered}) == 1
    assert all(is_replay(answer) for answer in answered)
    # The killed request could not send the LSN for its author's reads, but the replay does.
    assert all("Consistency-Token" in answer.headers for answer in answered)
    assert made.count() == 1
    assert author.get(f"/posts/{last[0].json()['id']}") == last[0].json()
    measured(
        f"{AT_ONCE} at once with one key, and kill -9 between commit and answer "
        f"({described(first)}): posts made: {made.count()}"
    )


def post_of(user_id: int) -> Asked:
    media_ids = [str(media_id) for media_id in make_media(user_id, 1)]
    return "/posts", {"json": {"media": media_ids}}, Post.objects.filter(author_id=user_id)


def comment_of(user_id: int) -> Asked:
    (post_id,) = make_many_posts([user_id], 1)
    made = Comment.objects.filter(author_id=user_id)
    return f"/posts/{post_id}/comments", {"json": {"text": "Lovely."}}, made


def upload_of(user_id: int) -> Asked:
    files = {"file": ("a.jpg", jpeg_with_gps((640, 480)))}
    return "/media", {"files": files}, Media.objects.filter(owner_id=user_id)


@pytest.mark.parametrize("asked", [post_of, comment_of, upload_of])
def test_of_50_at_once_one_is_executed_and_all_get_its_answer(
    member: Callable[[str], Person],
    asked: Callable[[int], Asked],
    measured: Callable[[str], None],
) -> None:
    author, key = member("author"), str(uuid4())
    path, body, made = asked(int(author.id))
    first = race(author, path, key, **body)
    last = [
        send_until_answered(author, path, key, **body)[-1] if is_unanswered(answer) else answer
        for answer in first
    ]
    assert {answer.status_code for answer in first} <= {201, 409, 429, 503}, "503: too many at once"
    assert sum(answer.status_code == 201 and not is_replay(answer) for answer in first) == 1
    assert len({answer.content for answer in last}) == 1
    assert {answer.status_code for answer in last} == {201}
    assert made.count() == 1
    measured(f"{AT_ONCE} at once with one key ({described(first)}): made: {made.count()}")


@pytest.mark.usefixtures("write_api_recovers")
def test_each_key_makes_one_post_though_processes_are_killed_during_requests(
    stack: Stack, member: Callable[[str], Person], measured: Callable[[str], None]
) -> None:
    author = member("author")
    media_ids = make_media(int(author.id), KEYS)
    keys = {str(uuid4()): str(media_id) for media_id in media_ids}
    answered, done, lock = Multiset[str](), Event(), Lock()

    def publish(key: str) -> Answers:
        answers = send_until_answered(author, "/posts", key, json={"media": [keys[key]]})
        with lock:
            answered["all"] += 1
        return answers

    def kill_again_and_again() -> int:
        random, kills = Random(5), 0
        while not done.is_set():
            goal = answered["all"] + ANSWERS_BETWEEN_KILLS
            wait_until(lambda goal=goal: answered["all"] >= goal or done.is_set())  # type: ignore[misc]
            if (victims := children(stack)) and not done.is_set():
                kill(random.choice(victims))
                kills += 1
        return kills

    with ThreadPoolExecutor(THREADS) as pool, ThreadPoolExecutor(1) as killer:
        killing = killer.submit(kill_again_and_again)
        try:
            attempts = dict(zip(keys, pool.map(publish, keys), strict=True))
        finally:
            done.set()
    lost = [answers for answers in attempts.values() if any(a.status_code >= 500 for a in answers)]
    committed = [answers for answers in lost if is_replay(answers[-1])]
    with connections["posts"].cursor() as cursor:
        cursor.execute(
            "SELECT media.id, count(post.id) FROM media_media AS media"
            " LEFT JOIN posts_post AS post ON post.id = media.used_by_id"
            " WHERE media.owner_id = %s GROUP BY media.id",
            [author.id],
        )
        per_key = dict(cursor.fetchall())
        cursor.execute("SELECT count(*) FROM posts_post WHERE author_id = %s", [author.id])
        (posts,) = cursor.fetchone()
    assert per_key == dict.fromkeys(media_ids, 1)
    assert posts == KEYS
    assert lost
    assert {answers[-1].status_code for answers in attempts.values()} == {201}
    assert len({answers[-1].json()["id"] for answers in attempts.values()}) == KEYS
    measured(
        f"{KEYS} keys from {THREADS} threads, {killing.result()} x kill -9 of a process of the "
        f"Write API: {len(lost)} lost an answer, {len(committed)} of these after the commit; "
        f"posts made: {posts}"
    )
