"""ETag and 304: an unchanged page is not sent again, and a changed page always is."""

from collections.abc import Callable
from dataclasses import dataclass, field

import httpx
import psutil
import pytest

from devstack.lifecycle import Stack
from posts.selectors import author_of
from posts.services import publish_post
from tests.support.client import PASSWORD, Person, wait_until
from tests.support.feeds import HOME, ids_of, make_follow, make_many_posts
from tests.support.images import jpeg_with_gps
from usergraph.related import relations

REQUESTS = 300


def asked(reader: Person, etag: str, method: str = "GET") -> httpx.Response:
    """Ask for the first page, with this ETag in `If-None-Match`."""
    return reader.http.request(method, HOME, headers={"If-None-Match": etag})


def etag_of_page(reader: Person) -> str:
    """The ETag of the first page, from a request without `If-None-Match`."""
    response = reader.http.get(HOME)
    assert response.status_code == 200, response.text
    assert response.headers["Cache-Control"] == "private, no-cache"
    return response.headers["ETag"]


def assert_unchanged(response: httpx.Response, etag: str) -> None:
    """Check for a 304 without a body, with the headers of a 200."""
    assert response.status_code == 304, response.text
    assert response.content == b""
    assert response.headers["ETag"] == etag
    assert response.headers["Cache-Control"] == "private, no-cache"
    assert "Authorization" in response.headers["Vary"]


@pytest.fixture
def author(member: Callable[[str], Person]) -> Person:
    """A person with thirty posts."""
    person = member("author")
    make_many_posts([int(person.id)], 30)
    return person


@pytest.fixture
def reader(member: Callable[[str], Person], author: Person) -> Person:
    """A person who follows that author."""
    person = member("reader")
    make_follow([person], [int(author.id)])
    return person


def test_a_page_that_the_client_has_is_not_sent_again(reader: Person) -> None:
    etag = etag_of_page(reader)
    assert etag == etag_of_page(reader)
    strong = etag.removeprefix("W/")
    for known in (etag, strong, f'"other", {etag}', f'{strong},"other"', "*"):
        for _ in range(3):
            assert_unchanged(asked(reader, known), etag)
    for unknown in ('W/"other"', '"a", "b"', "", "no tag", etag.strip('W/"')):
        answer = asked(reader, unknown)
        assert answer.status_code == 200
        assert answer.headers["ETag"] == etag
        assert answer.headers["Cache-Control"] == "private, no-cache"
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


def ok(response: httpx.Response) -> None:
    assert response.is_success, response.text


def delete_account(person: Person) -> None:
    ok(person.http.request("DELETE", "/api/v1/users/me", json={"password": PASSWORD}))


@dataclass
class Changes:
    """Changes of the first page of a reader's home timeline, one per method."""

    reader: Person
    author: Person
    other: Person
    fan: Person
    comments: list[str] = field(default_factory=list)

    def shown(self, number: int) -> int:
        return ids_of(self.reader.get("/timeline/home"))[number]

    def likes_of(self, number: int) -> int:
        counts: dict[str, int] = self.reader.get("/timeline/home")["results"][number]["counts"]
        return counts["likes"]

    def publish(self) -> None:
        publish_post(author_id=int(self.author.id), caption="New.", media_ids=[])

    def edit(self) -> None:
        ok(self.author.http.patch(f"/api/v1/posts/{self.shown(7)}", json={"caption": "Anew."}))

    def delete_post(self) -> None:
        ok(self.author.http.delete(f"/api/v1/posts/{self.shown(19)}"))

    def like(self) -> None:
        ok(self.other.http.put(f"/api/v1/posts/{self.shown(3)}/like"))

    def comment(self) -> None:
        self.comments.append(self.other.comment({"id": self.shown(19)}, "New.")["id"])

    def edit_comment(self) -> None:
        ok(self.other.http.patch(f"/api/v1/comments/{self.comments[0]}", json={"text": "Anew."}))

    def delete_comment(self) -> None:
        ok(self.other.http.delete(f"/api/v1/comments/{self.comments[0]}"))

    def close_comments(self) -> None:
        ok(self.author.http.patch(f"/api/v1/posts/{self.shown(4)}", json={"comments_closed": True}))

    def rename_liker(self) -> None:
        ok(self.other.http.patch("/api/v1/users/me", json={"display_name": "Somebody else"}))

    def like_oneself(self) -> None:
        ok(self.reader.http.put(f"/api/v1/posts/{self.shown(0)}/like"))

    def unlike(self) -> None:
        self.other.unlike({"id": self.shown(3)})

    def like_by_fan(self) -> None:
        self.fan.like({"id": self.shown(2)})

    def delete_liker(self) -> None:
        delete_account(self.fan)
        # The liker is hidden at once. A worker removes the like.
        wait_until(lambda: self.likes_of(2) == 0)

    def avatar(self) -> None:
        picture = self.author.upload(jpeg_with_gps())
        ok(self.author.http.patch("/api/v1/users/me", json={"avatar": int(picture["id"])}))

    def rename(self) -> None:
        ok(self.author.http.patch("/api/v1/users/me", json={"display_name": "A new name"}))

    def follow(self) -> None:
        make_many_posts([int(self.other.id)], 2)
        self.reader.follow(self.other)
        assert author_of(post_id=self.shown(0)) == int(self.other.id)

    def unfollow(self) -> None:
        ok(self.reader.http.delete(f"/api/v1/users/{self.other.username}/follow"))
        reader_id, other_id = int(self.reader.id), int(self.other.id)
        assert not relations(viewer_id=reader_id, user_ids=[other_id])[other_id]["following"]

    def delete_followed(self) -> None:
        delete_account(self.other)


def test_whatever_changes_the_page_changes_its_etag(
    reader: Person, author: Person, signed_up: Callable[[str], Person]
) -> None:
    do = Changes(reader, author, signed_up("other"), signed_up("fan"))
    etag = etag_of_page(reader)
    seen = {etag}
    posts = (do.publish, do.edit, do.delete_post, do.close_comments)
    comments = (do.comment, do.edit_comment, do.delete_comment)
    likes = (do.like, do.rename_liker, do.like_oneself, do.unlike, do.like_by_fan, do.delete_liker)
    people = (do.avatar, do.rename, do.follow, do.unfollow, do.follow, do.delete_followed)
    goes_back = {do.delete_comment, do.delete_liker, do.unfollow, do.delete_followed}
    for change in (*posts, *comments, *likes, *people):
        # The first answer makes the page, the others replay it.
        for _ in range(3):
            assert_unchanged(asked(reader, etag), etag)
        change()
        wait_until(lambda old=etag: asked(reader, old).status_code == 200)  # type: ignore[misc]
        answer = asked(reader, etag)
        assert answer.status_code == 200, f"{change.__name__}: it stays changed"
        etag = answer.headers["ETag"]
        assert etag == etag_of_page(reader)
        # These changes bring an earlier page back.
        assert etag not in seen or change in goes_back
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
    """Measure the CPU time of the Read API's processes. The figure is printed, not asserted."""
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
    cost({}, 200, 50)  # warms the processes up
    full, unchanged = cost({}, 200), cost({"If-None-Match": etag}, 304)
    measured(
        f"CPU of the Read API a request, {REQUESTS} each: {full:.2f} ms for a 200 with 20 posts, "
        f"{unchanged:.2f} ms for a 304; {unchanged / full:.2f} of it"
    )
