"""A lagging replica, or a replica or primary that is down, never causes wrong answers."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from django.db import connections

from devstack.lifecycle import Stack
from tests.support.client import Person, wait_until
from tests.support.images import jpeg_with_gps

ROUNDS = 20
INSTANCES = ("read-api-1", "read-api-2", "write-api-1", "write-api-2")


def test_a_post_that_the_replica_lacks_is_shown_whole_and_a_deleted_one_is_not(
    signed_up: Callable[[str], Person],
    member: Callable[[str], Person],
    paused_replay: Callable[[], None],
) -> None:
    author, follower, reader = signed_up("author"), signed_up("follower"), member("reader")
    follower.follow(author)
    old = author.post("Before.", jpeg_with_gps())
    wait_until(lambda: follower.home_ids() == [old["id"]])
    paused_replay()
    new = author.post("After.", jpeg_with_gps())
    assert author.http.delete(f"/api/v1/posts/{old['id']}").status_code == 204
    wait_until(lambda: new["id"] in follower.home_ids())
    assert follower.get("/timeline/home")["results"] == [new]
    assert len(new["media"]) == 1
    assert reader.get(f"/posts/{new['id']}") == new
    assert reader.http.get(f"/api/v1/posts/{old['id']}").status_code == 404


def test_everybody_sees_what_they_have_just_written_though_nothing_is_replayed(
    signed_up: Callable[[str], Person],
    paused_replay: Callable[[], None],
    measured: Callable[[str], None],
) -> None:
    """Writes to each of the three databases, and reads that come from SQL, not from CACHE."""
    writer = signed_up("writer")
    post = writer.post("The one.", jpeg_with_gps())
    paused_replay()
    missed = 0
    for number in range(ROUNDS):
        assert writer.http.patch("/api/v1/users/me", json={"bio": str(number)}).status_code == 200
        missed += writer.get("/users/me")["bio"] != str(number)
        comment = writer.comment(post, str(number))
        comments = writer.get(f"/posts/{post['id']}/comments", order="newest")["results"]
        missed += comments[0] != comment
        new = writer.post(str(number), jpeg_with_gps())
        missed += writer.get("/posts", author=writer.username)["results"][0] != new
    measured(f"{missed} of {3 * ROUNDS} own writes not seen")
    assert missed == 0


def test_others_read_from_the_replica_meanwhile_and_see_who_follows_whom_within_a_second(
    signed_up: Callable[[str], Person],
    member: Callable[[str], Person],
    paused_replay: Callable[[], None],
) -> None:
    author, fan, reader = signed_up("author"), signed_up("fan"), member("reader")
    post = author.post("The one.", jpeg_with_gps())

    def is_behind() -> bool:
        """Whether the reader's replica lacks a comment. One that is just back is not read from."""
        with connections["comments_replica"].cursor() as cursor:
            cursor.execute("SELECT 1 FROM pg_wal_replay_resume()")
        before = fan.comment(post, "Replayed.")
        wait_until(lambda: _is_replayed(before["id"]))
        paused_replay()
        after = fan.comment(post, "Not replayed.")
        return after["id"] not in _ids(reader, post)

    wait_until(is_behind, 15)
    fan.follow(author)
    wait_until(lambda: reader.get(f"/users/{author.username}")["counts"]["followers"] == 1, 1)


def _ids(reader: Person, post: Any) -> list[str]:
    page = reader.get(f"/posts/{post['id']}/comments", order="newest")
    return [comment["id"] for comment in page["results"]]


def _is_replayed(comment_id: str) -> bool:
    with connections["comments_replica"].cursor() as cursor:
        cursor.execute("SELECT 1 FROM comments_comment WHERE id = %s", [comment_id])
        return cursor.fetchone() is not None


def readiness(stack: Stack, name: str) -> int:
    return httpx.get(f"{stack.status(name)[0].url}/healthz/ready").status_code


@contextmanager
def stopped(stack: Stack, name: str) -> Iterator[None]:
    """Stop a service inside the block. Afterwards wait until all services answer again."""
    stack.supervisor.stop_program(name)
    try:
        wait_until(lambda: stack.status(name)[0].state == "stopped")
        yield
    finally:
        stack.supervisor.start_program(name)
        wait_until(lambda: all(status.is_up for status in stack.status()))
        wait_until(lambda: all_servers_answer(stack))


def all_servers_answer(stack: Stack) -> bool:
    """Whether the metrics of each instance say that all SQL servers answer."""
    figures = [httpx.get(f"{stack.status(name)[0].url}/metrics").text for name in INSTANCES]
    seen = [
        line.endswith(" 1.0")
        for text in figures
        for line in text.splitlines()
        if line.startswith("socialfeed_sql_server_answers{")
    ]
    return len(seen) == 2 * len(INSTANCES) and all(seen)


@pytest.mark.usefixtures("reconnect_after_test")
def test_reads_go_on_while_the_replica_is_down(
    stack: Stack, member: Callable[[str], Person]
) -> None:
    reader = member("reader")
    with stopped(stack, "postgres-replica"):
        answers = [reader.http.get(f"/api/v1/users/{reader.username}") for _ in range(ROUNDS)]
    assert {answer.status_code for answer in answers} == {httpx.codes.OK}


@pytest.mark.usefixtures("reconnect_after_test")
def test_reads_go_on_while_the_primary_is_down_and_writes_are_refused(
    stack: Stack, signed_up: Callable[[str], Person]
) -> None:
    author, reader = signed_up("author"), signed_up("reader")
    post = author.post("Before.", jpeg_with_gps())
    reads = [
        f"/api/v1/users/{author.username}",
        f"/api/v1/users/{author.username}/timeline",  # cold: not read before
        f"/api/v1/posts/{post['id']}",
        f"/api/v1/posts/{post['id']}/comments",
        f"/api/v1/posts/{post['id']}/likes",
        "/api/v1/timeline/home",
        f"/api/v1/posts?author={author.username}",
    ]
    with stopped(stack, "postgres-primary"):
        answers = [reader.http.get(path) for path in reads * 3]
        likes = [reader.http.put(f"/api/v1/posts/{post['id']}/like") for _ in range(3)]
        # Each instance probes the servers itself, once a second.
        wait_until(lambda: readiness(stack, "write-api-1") == 503)
        wait_until(lambda: readiness(stack, "read-api-1") == 200)
    assert [(str(a.url), a.text) for a in answers if a.status_code != httpx.codes.OK] == []
    assert answers[2].json() == post
    for refused in likes:
        assert refused.status_code == httpx.codes.SERVICE_UNAVAILABLE
        assert int(refused.headers["Retry-After"]) > 0
    reader.like(post)
    assert reader.get(f"/posts/{post['id']}")["counts"]["likes"] == 1, "no refused like counts"
