"""A deleted post or account is hidden from all at once, and soon removed from every store."""

import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from comments.models import Comment, CommentLike
from core.outbox.models import OutboxEvent
from devstack.lifecycle import Stack
from media.variants import VARIANTS
from posts.models import CommentSummary
from posts.store import RECORDS
from tests.support.account_data import count_account_rows, count_post_rows, valkey_keys_of
from tests.support.client import PASSWORD, Person, wait_until
from tests.support.images import jpeg_with_gps
from tests.support.stored import urls_of
from users.models import AccountDeletion

ME = "/api/v1/users/me"
# The sweeper runs every 5 s, and an abandoned lease lasts some seconds.
SECONDS = 10.0
SECONDS_TO_RECOVER = 60.0


def say(person: Person, post_id: str, text: str, reply_to: str | None = None) -> str:
    """Comment on a post, or answer a comment. Returns the comment's id."""
    body = {"text": text} | ({"reply_to": reply_to} if reply_to else {})
    response = person.http.post(f"/api/v1/posts/{post_id}/comments", json=body)
    assert response.status_code == 201, response.text
    id_: str = response.json()["id"]
    return id_


def like(person: Person, path: str) -> None:
    assert person.http.put(f"/api/v1{path}/like").status_code == 200


def status(person: Person, path: str) -> int:
    return person.http.get(f"/api/v1{path}").status_code


def fetched(addresses: list[str]) -> list[int]:
    return [httpx.get(url).status_code for url in addresses]


@pytest.fixture
def ada_and_bea(
    signed_up: Callable[[str], Person], member: Callable[[str], Person]
) -> tuple[Person, Person]:
    """Two people who follow each other. Ada has signed up."""
    ada, bea = signed_up("ada"), member("bea")
    ada.follow(bea)
    bea.follow(ada)
    return ada, bea


def conversation(author: Person, guest: Person, post_id: str) -> list[str]:
    """The guest likes and comments, the author answers, and each likes the other's comment."""
    like(guest, f"/posts/{post_id}")
    comment = say(guest, post_id, "Lovely.")
    answer = say(author, post_id, "Thank you.", reply_to=comment)
    like(author, f"/comments/{comment}")
    like(guest, f"/comments/{answer}")
    return [comment, answer]


def test_a_deleted_post_is_gone_for_all_at_once_and_soon_from_every_store(
    ada_and_bea: tuple[Person, Person], measured: Callable[[str], None]
) -> None:
    ada, bea = ada_and_bea
    post, kept = (ada.post(caption, jpeg_with_gps()) for caption in ("Low tide.", "High tide."))
    comments = conversation(ada, bea, post["id"])
    others = conversation(ada, bea, kept["id"])
    wait_until(lambda: bea.home_ids() == [kept["id"], post["id"]], SECONDS)
    assert bea.get(f"/posts/{post['id']}")["counts"] == {"likes": 1, "comments": 2}
    pictures = urls_of(post["media"][0])
    assert fetched(pictures) == [200] * len(VARIANTS)

    assert ada.http.delete(f"/api/v1/posts/{post['id']}").status_code == 204
    for person in (ada, bea):
        assert status(person, f"/posts/{post['id']}") == 404
        assert status(person, f"/posts/{post['id']}/comments") == 404
        assert status(person, f"/comments/{comments[0]}") == 404
        assert person.home_ids() == [kept["id"]]
        profile = person.get(f"/users/{ada.username}/timeline")["results"]
        assert [shown["id"] for shown in profile] == [kept["id"]]
    post_id, comment_ids = int(post["id"]), [int(id_) for id_ in comments]
    seconds = wait_until(lambda: count_post_rows(post_id, comment_ids) == {}, SECONDS)
    measured(f"nothing left {seconds:.2f} s later")
    assert set(fetched(pictures)) <= {403, 404}
    assert RECORDS.get([post_id]) == {}

    assert bea.get(f"/posts/{kept['id']}")["counts"] == {"likes": 1, "comments": 2}
    assert Comment.objects.filter(pk__in=others).count() == 2
    assert CommentLike.objects.filter(subject_id__in=others).count() == 2
    assert fetched(urls_of(kept["media"][0])) == [200] * len(VARIANTS)


@pytest.fixture
def workers(stack: Stack) -> Callable[[], list[int]]:
    """A function that returns the process ids of the running workers."""
    return lambda: [
        part.pid for part in stack.status() if part.name.startswith("worker") and part.pid
    ]


@pytest.fixture
def frozen(workers: Callable[[], list[int]]) -> Iterator[list[int]]:
    """Freeze the workers. They are killed in the test or after it."""
    pids = workers()
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    yield pids
    kill(pids)


def kill(pids: list[int]) -> None:
    while pids:
        os.kill(pids.pop(), signal.SIGKILL)


class World:
    """Two people with posts, pictures, an avatar, mutual follows, likes, comments and replies."""

    def __init__(self, ada: Person, bea: Person) -> None:
        self.ada, self.bea = ada, bea
        self.hers = [ada.post(f"Hers {number}", jpeg_with_gps()) for number in range(3)]
        self.others = [bea.post(f"Other {number}", jpeg_with_gps()) for number in range(2)]
        self.gone: list[str] = []
        for post in self.hers:
            self.gone += conversation(ada, bea, post["id"])
        for post in self.others:
            self.gone += conversation(bea, ada, post["id"])
            self.kept = say(bea, post["id"], "My own.")
            like(ada, f"/comments/{self.kept}")
            like(bea, f"/posts/{post['id']}")
        unused, avatar = ada.upload(jpeg_with_gps()), ada.upload(jpeg_with_gps())
        shown = ada.http.patch(ME, json={"avatar": int(avatar["id"])})
        assert shown.status_code == 200, shown.text
        media = [unused, avatar, *(post["media"][0] for post in self.hers)]
        self.pictures = [url for one in media for url in urls_of(one)]
        self.kept_pictures = [url for post in self.others for url in urls_of(post["media"][0])]
        wait_until(lambda: len(bea.home_ids()) == len(ada.home_ids()) == 5, SECONDS)
        assert self.counts() == [{"likes": 2, "comments": 3}] * 2

    def counts(self) -> list[Any]:
        return [self.bea.get(f"/posts/{post['id']}")["counts"] for post in self.others]

    def delete(self) -> None:
        """Ada deletes her account. Checks that she is hidden at once."""
        ada, bea = self.ada, self.bea
        answer = ada.http.request("DELETE", ME, json={"password": PASSWORD})
        assert answer.status_code == 202, answer.text
        assert status(ada, "/users/me") == 401
        assert ada.http.patch(ME, json={"bio": "Still here."}).status_code == 401
        # A profile comes from SQL, and perhaps from a replica that lags.
        wait_until(lambda: status(bea, f"/users/{ada.username}") == 404, 2)
        assert bea.home_ids() == [post["id"] for post in reversed(self.others)]
        assert status(bea, f"/posts/{self.hers[0]['id']}") == 404
        for post in self.others:
            listed = bea.get(f"/posts/{post['id']}/comments")["results"]
            assert {comment["author"]["id"] for comment in listed} == {bea.id}

    def is_done(self) -> bool:
        deletion = AccountDeletion.objects.get(user_id=self.ada.id)
        return deletion.done_at is not None

    def assert_gone(self) -> None:
        """Check that ada's data is gone, and that bea's data is left unless it depended on it."""
        ada_id, bea = int(self.ada.id), self.bea
        assert count_account_rows(ada_id) == {}
        comment_ids = [int(id_) for id_ in self.gone]

        def rest() -> dict[str, int]:
            """The rows left of her posts and comments. Their own events may still remove some."""
            left: dict[str, int] = {}
            for post in self.hers:
                left |= count_post_rows(int(post["id"]), comment_ids)
            return left

        wait_until(lambda: rest() == {}, SECONDS)
        assert set(fetched(self.pictures)) <= {403, 404}
        assert set(fetched(self.kept_pictures)) == {200}
        wait_until(lambda: self.counts() == [{"likes": 1, "comments": 1}] * 2, SECONDS)
        for post in self.others:
            shown = bea.get(f"/posts/{post['id']}")
            assert [user["id"] for user in shown["recent_likes"]] == [bea.id]
            assert [comment["author"]["id"] for comment in shown["recent_comments"]] == [bea.id]
            summaries = CommentSummary.objects.filter(post_id=post["id"])
            assert not summaries.filter(recent__contains=[{"author_id": ada_id}]).exists()
        assert bea.get(f"/comments/{self.kept}")["counts"] == {"likes": 0, "replies": 0}
        profile = bea.get("/users/me")
        assert profile["counts"] == {"posts": 2, "followers": 0, "following": 0}
        assert len(bea.home_ids()) == 2
        wait_until(lambda: valkey_keys_of(ada_id) == [], SECONDS)


@pytest.fixture
def world(ada_and_bea: tuple[Person, Person]) -> World:
    return World(*ada_and_bea)


# The account's own delivery removes at least these: three posts, avatar and unused upload, comments
# and likes on the other's posts, follows. The deliveries of her posts may remove the rest first.
REMOVED = {"posts": 3, "media": 2, "likes": 2, "comments": 4, "comment likes": 2, "follows": 2}


def test_a_deleted_account_is_gone_for_all_at_once_and_soon_from_every_store(
    world: World, measured: Callable[[str], None]
) -> None:
    name = world.ada.username
    world.delete()
    seconds = wait_until(world.is_done, SECONDS)
    measured(f"done {seconds:.2f} s later")
    world.assert_gone()
    deletion = AccountDeletion.objects.get(user_id=world.ada.id)
    assert deletion.removed.keys() >= REMOVED.keys()
    assert all(deletion.removed[kind] >= count for kind, count in REMOVED.items())
    assert deletion.username == ""
    again = httpx.post(
        f"{world.bea.http.base_url}/_allauth/app/v1/auth/signup",
        json={"username": name, "email": f"{name}@example.org", "password": PASSWORD},
    )
    assert again.status_code == 400, "no stranger gets the name in the same minute"
    assert [error["code"] for error in again.json()["errors"]] == ["username_taken"]


@pytest.mark.parametrize("when", ["before they begin", "in the middle"])
def test_a_deletion_is_completed_though_the_workers_are_killed(
    world: World, frozen: list[int], when: str, measured: Callable[[str], None]
) -> None:
    world.delete()
    event = OutboxEvent.objects.get(kind="account_deleted", payload__user_id=int(world.ada.id))
    if when == "in the middle":
        for pid in frozen:
            os.kill(pid, signal.SIGCONT)

        def has_begun() -> bool:
            event.refresh_from_db()
            return event.cursor > 0 or event.done_at is not None

        wait_until(has_begun, SECONDS)
    kill(frozen)
    event.refresh_from_db()
    note = "done before the kill" if event.done_at else f"killed after step {event.cursor}"
    seconds = wait_until(world.is_done, SECONDS_TO_RECOVER)
    measured(f"{note}, done {seconds:.1f} s after")
    world.assert_gone()
