"""Use case 4 over HTTP on the real stack: comment on a post. Everybody's next read shows it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.client import Person, wait_until
from tests.support.feeds import pages
from tests.support.images import jpeg_with_gps
from users.services import set_active

SECONDS_TO_TIMELINES = 5.0


@dataclass(frozen=True)
class Scene:
    """Cleo's post, in the warm home timelines of three followers."""

    cleo: Person
    ada: Person
    bob: Person
    dora: Person
    post: Any

    @property
    def readers(self) -> tuple[Person, ...]:
        return (self.cleo, self.ada, self.bob, self.dora)

    def shown(self) -> Any:
        """The post, without each viewer's own members. Checks that all see the same everywhere."""
        seen = []
        for reader in self.readers:
            for address, params in (
                ("/timeline/home", {}),
                (f"/users/{self.cleo.username}/timeline", {}),
                ("/posts", {"author": self.cleo.username}),
            ):
                (post,) = reader.get(address, **params)["results"]
                seen.append(post)
            seen.append(reader.get(f"/posts/{self.post['id']}"))
        for post in seen:
            del post["viewer"], post["recent_likes"]
            assert post == seen[0]
        return seen[0]

    def said(self) -> tuple[int, list[tuple[str, str]]]:
        """The number of comments that the post shows, and author and text of the latest."""
        post = self.shown()
        recent = [(one["author"]["username"], one["text"]) for one in post["recent_comments"]]
        return post["counts"]["comments"], recent


@pytest.fixture
def scene(signed_up: Callable[[str], Person]) -> Scene:
    cleo, ada, bob, dora = (signed_up(name) for name in ("cleo", "ada", "bob", "dora"))
    for follower in (ada, bob, dora):
        follower.follow(cleo)
    post = cleo.post("Low tide.", jpeg_with_gps())
    for reader in (ada, bob, dora):
        wait_until(
            lambda reader=reader: reader.home_ids() == [post["id"]],  # type: ignore[misc]
            SECONDS_TO_TIMELINES,
        )
    return Scene(cleo, ada, bob, dora, post)


def test_a_comment_and_its_changes_are_on_every_timeline_at_the_next_read(
    scene: Scene,
) -> None:
    ada, bob, cleo = scene.ada, scene.bob, scene.cleo
    assert scene.said() == (0, [])

    first = ada.comment(scene.post, "Lovley. 🌊")
    assert scene.said() == (1, [(ada.username, "Lovley. 🌊")])

    reply = cleo.comment(scene.post, "Thanks!", reply_to=first["id"])
    third = bob.comment(scene.post, "Where is this?")
    both = [(bob.username, "Where is this?"), (cleo.username, "Thanks!")]
    assert scene.said() == (3, both)

    changes = {"text": "Where was this?"}
    edited = bob.http.patch(f"/api/v1/comments/{third['id']}", json=changes)
    assert edited.status_code == 200
    assert scene.said() == (3, [(bob.username, "Where was this?"), both[1]])
    assert scene.shown()["recent_comments"][0]["edited_at"] is not None

    renamed = f"{bob.username}_x"
    answer = bob.http.patch(
        "/api/v1/users/me", json={"username": renamed, "display_name": "Bob the second"}
    )
    assert answer.status_code == 200
    assert scene.said() == (3, [(renamed, "Where was this?"), both[1]])
    author = scene.shown()["recent_comments"][0]["author"]
    assert author["display_name"] == "Bob the second"

    assert cleo.http.delete(f"/api/v1/comments/{third['id']}").status_code == 204
    assert scene.said() == (2, [both[1], (ada.username, "Lovley. 🌊")])
    assert ada.http.delete(f"/api/v1/comments/{first['id']}").status_code == 204
    assert scene.said() == (0, []), "the reply went with it"
    for gone in (first, reply, third):
        assert cleo.http.get(f"/api/v1/comments/{gone['id']}").status_code == 404


def test_the_comments_on_a_post_are_read_by_the_page_with_replies_among_them(
    scene: Scene,
) -> None:
    post, dora = scene.post, scene.dora
    address = f"/api/v1/posts/{post['id']}/comments"
    made = [person.comment(post, f"No. {n}") for n, person in enumerate(scene.readers * 2)]
    replies = [dora.comment(post, "Yes.", reply_to=made[2]["id"]) for _ in range(3)]
    wanted = sorted((one["id"] for one in [*made, *replies]), key=int)

    def ids(**params: Any) -> list[str]:
        return [one["id"] for page in pages(dora, address, **params) for one in page["results"]]

    for limit in (2, 3, 11):
        assert ids(limit=limit) == wanted
        assert ids(limit=limit, order="newest") == wanted[::-1]
        found = ids(limit=limit, reply_to=made[2]["id"])
        assert found == sorted((one["id"] for one in replies), key=int)
        top_level = sorted((one["id"] for one in made), key=int)
        assert ids(limit=limit, top_level="true") == top_level
        assert ids(limit=limit, top_level="true", order="newest") == top_level[::-1]
    assert dora.get(f"/comments/{made[2]['id']}")["counts"] == {"likes": 0, "replies": 3}


def test_the_author_closes_a_post_for_comments_and_opens_it_again(scene: Scene) -> None:
    cleo, ada, post = scene.cleo, scene.ada, scene.post
    address = f"/api/v1/posts/{post['id']}"
    first = ada.comment(post, "In time.")
    for closed, status in ((True, 409), (False, 201)):
        body = {"comments_closed": closed}
        assert ada.http.patch(address, json=body).status_code == 404
        assert cleo.http.patch(address, json=body).json()["comments_closed"] is closed
        assert scene.shown()["comments_closed"] is closed
        answer = scene.bob.http.post(f"{address}/comments", json={"text": "Me too."})
        assert answer.status_code == status
        assert ada.get(f"/comments/{first['id']}") == first
    assert scene.said()[0] == 2


@pytest.mark.usefixtures("committed")
def test_a_deactivated_user_is_hidden_from_comments_and_previews_until_reactivated(
    scene: Scene,
) -> None:
    ada, bob, post = scene.ada, scene.bob, scene.post
    ada.comment(post, "Lovely.")
    comment = bob.comment(post, "Indeed.")
    before = scene.said()
    assert before == (2, [(bob.username, "Indeed."), (ada.username, "Lovely.")])
    others = Scene(scene.cleo, ada, scene.dora, scene.dora, post)

    def wait_until_counted(count: int) -> None:
        """Workers show or hide the comments of an account that was switched."""
        address = f"/posts/{post['id']}"
        wait_until(lambda: ada.get(address)["counts"]["comments"] == count, SECONDS_TO_TIMELINES)

    set_active(user_ids=[int(bob.id)], active=False)
    page = ada.get(f"/posts/{post['id']}/comments", limit=1, order="newest")
    assert [one["text"] for one in page["results"]] == ["Lovely."]
    assert ada.http.get(f"/api/v1/comments/{comment['id']}").status_code == 404
    wait_until_counted(1)
    assert others.said() == (1, [(ada.username, "Lovely.")])
    set_active(user_ids=[int(bob.id)], active=True)
    wait_until_counted(2)
    assert others.said() == before


def test_a_deleted_post_takes_its_comments_with_it(scene: Scene) -> None:
    comment = scene.ada.comment(scene.post, "Lovely.")
    address = f"/api/v1/posts/{scene.post['id']}"
    assert scene.cleo.http.delete(address).status_code == 204
    for reader in scene.readers:
        assert reader.home_ids() == []
        assert reader.http.get(f"/api/v1/comments/{comment['id']}").status_code == 404
        assert reader.http.get(f"{address}/comments").status_code == 404
        assert reader.http.post(f"{address}/comments", json={"text": "Oh."}).status_code == 404
