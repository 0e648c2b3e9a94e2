"""ETag and 304: nothing is sent again that the client has, and all that has changed."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import psutil
import pytest

from devstack.lifecycle import Stack
from posts.selectors import author_of
from posts.services import publish_post
from tests.support.client import Person, wait_until
from tests.support.feeds import HOME, ids_of, make_follow, make_many_posts
from usergraph.selectors import is_following

SECONDS_TO_SHOW = 10.0
REQUESTS = 300


def asked(reader: Person, etag: str, method: str = "GET") -> httpx.Response:
    """The answer to somebody who has the first page with this ETag."""
    return reader.http.request(method, HOME, headers={"If-None-Match": etag})


def etag_of_page(reader: Person) -> str:
    """The ETag of the first page, asked for without one."""
    response = reader.http.get(HOME)
    assert response.status_code == 200, response.text
    assert response.headers["Cache-Control"] == "private, no-cache"
    return response.headers["ETag"]


def assert_unchanged(response: httpx.Response, etag: str) -> None:
    """304, without a body, for whoever has `etag`."""
    assert response.status_code == 304, response.text
    assert response.content == b""
    assert response.headers["ETag"] == etag
    assert response.headers["Cache-Control"] == "private, no-cache"


@pytest.fixture
def author(member: Callable[[str], Person]) -> Person:
    """Somebody with thirty posts."""
    person = member("author")
    make_many_posts([int(person.id)], 30)
    return person


@pytest.fixture
def reader(member: Callable[[str], Person], author: Person) -> Person:
    """Somebody who follows that author."""
    person = member("reader")
    make_follow([person], [int(author.id)])
    return person


def test_a_page_that_the_client_has_is_not_sent_again(reader: Person) -> None:
    etag = etag_of_page(reader)
    assert etag == etag_of_page(reader)
    for known in (etag, f'"other", {etag}', "*"):
        assert_unchanged(asked(reader, known), etag)
    answer = asked(reader, 'W/"other"')
    assert answer.status_code == 200
    assert answer.headers["ETag"] == etag
    assert len(ids_of(answer.json())) == 20


def test_head_says_the_same_as_get_without_a_body(reader: Person) -> None:
    etag = etag_of_page(reader)
    head, get = reader.http.head(HOME), reader.http.get(HOME)
    assert head.status_code == 200
    assert head.content == b""
    for name in ("ETag", "Cache-Control", "Vary", "Link", "Content-Type"):
        assert head.headers[name] == get.headers[name]
    assert_unchanged(asked(reader, etag, "HEAD"), etag)


def test_every_page_has_an_etag_of_its_own(reader: Person) -> None:
    second = reader.http.get(reader.http.get(HOME).json()["next"])
    assert second.headers["ETag"] != etag_of_page(reader)
    again = reader.http.get(second.url, headers={"If-None-Match": second.headers["ETag"]})
    assert_unchanged(again, second.headers["ETag"])


def test_whatever_changes_the_page_changes_its_etag(
    reader: Person, author: Person, member: Callable[[str], Person]
) -> None:
    other = member("other")

    def shown(number: int) -> int:
        return ids_of(reader.get("/timeline/home"))[number]

    def ok(response: httpx.Response) -> None:
        assert response.is_success, response.text

    def publish() -> None:
        publish_post(author_id=int(author.id), caption="New.", media_ids=[])

    def edit() -> None:
        ok(author.http.patch(f"/api/v1/posts/{shown(7)}", json={"caption": "Anew."}))

    def delete_post() -> None:
        ok(author.http.delete(f"/api/v1/posts/{shown(19)}"))

    def like() -> None:
        ok(other.http.put(f"/api/v1/posts/{shown(3)}/like"))

    def comment() -> None:
        ok(other.http.post(f"/api/v1/posts/{shown(19)}/comments", json={"text": "New."}))

    def rename_liker() -> None:
        ok(other.http.patch("/api/v1/users/me", json={"display_name": "Somebody else"}))

    def like_oneself() -> None:
        ok(reader.http.put(f"/api/v1/posts/{shown(0)}/like"))

    def rename() -> None:
        ok(author.http.patch("/api/v1/users/me", json={"display_name": "A new name"}))

    def follow() -> None:
        make_many_posts([int(other.id)], 2)
        reader.follow(other)
        assert author_of(post_id=shown(0)) == int(other.id)

    def unfollow() -> None:
        ok(reader.http.delete(f"/api/v1/users/{other.username}/follow"))
        assert not is_following(follower_id=int(reader.id), followee_id=int(other.id))

    etag = etag_of_page(reader)
    seen = {etag}
    talk = (like, comment, rename_liker, like_oneself)
    for change in (publish, edit, delete_post, *talk, rename, follow, unfollow):
        # The first is told by making the page, the others by what it was made of.
        for _ in range(3):
            assert_unchanged(asked(reader, etag), etag)
        change()
        wait_until(lambda old=etag: asked(reader, old).status_code == 200, SECONDS_TO_SHOW)  # type: ignore[misc]
        answer = asked(reader, etag)
        assert answer.status_code == 200, f"{change.__name__}: it stays changed"
        etag = answer.headers["ETag"]
        assert etag == etag_of_page(reader)
        # Without the other's posts the page is the one before them.
        assert etag not in seen or change is unfollow
        seen.add(etag)


def test_the_etag_of_another_users_home_does_not_match(
    reader: Person, author: Person, member: Callable[[str], Person]
) -> None:
    stranger = member("stranger")
    etag = etag_of_page(reader)
    for other in (author, stranger):
        make_many_posts([int(other.id)], 1)
        answer = asked(other, etag)
        assert answer.status_code == 200
        assert answer.headers["ETag"] != etag
        assert "Authorization" in answer.headers["Vary"]


def test_what_a_304_costs(stack: Stack, reader: Person, measured: Callable[[str], None]) -> None:
    """CPU time of the Read API's processes; printed, not asserted."""
    (api,) = (part for part in stack.status("read-api-1") if part.pid)
    master = psutil.Process(api.pid)

    def cpu_seconds() -> float:
        times = [process.cpu_times() for process in (master, *master.children(recursive=True))]
        return sum(time.user + time.system for time in times)

    def cost(headers: dict[str, str], status: int, requests: int = REQUESTS) -> float:
        before = cpu_seconds()
        for _ in range(requests):
            assert reader.http.get(HOME, headers=headers).status_code == status
        return (cpu_seconds() - before) / requests * 1000

    etag = etag_of_page(reader)
    cost({}, 200, 50)  # the processes have warmed up
    full, unchanged = cost({}, 200), cost({"If-None-Match": etag}, 304)
    measured(
        f"CPU of the Read API a request, {REQUESTS} each: {full:.2f} ms for a 200 with 20 posts, "
        f"{unchanged:.2f} ms for a 304; {unchanged / full:.2f} of it"
    )
