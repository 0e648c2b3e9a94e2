"""A post and a profile have an ETag that changes with what they show."""

from collections.abc import Callable
from typing import Any

import pytest

from posts.services import edit_post, like_post, refresh_records
from tests.support.posts_factory import make_posts
from users.models import User
from users.services import refresh_documents

pytestmark = pytest.mark.django_db
Api = Callable[[int], Any]


def asked(client: Any, address: str, etag: str) -> Any:
    return client.get(address, headers={"If-None-Match": etag})


@pytest.mark.parametrize("what", ["post", "user", "me"])
def test_an_unchanged_answer_is_a_304_without_a_body(
    alice: int, bob: int, api: Api, what: str
) -> None:
    client, (post_id,) = api(alice), make_posts(bob, 1)
    name = User.objects.get(pk=bob).username
    address = {"post": f"/api/v1/posts/{post_id}", "user": f"/api/v1/users/{name}"}.get(
        what, "/api/v1/users/me"
    )
    first = client.get(address)
    assert first.status_code == 200
    again = asked(client, address, first["ETag"])
    assert (again.status_code, again.content) == (304, b"")
    for answer in (first, again):
        assert answer["ETag"].startswith('W/"')
        assert answer["Cache-Control"] == "private, no-cache"
        assert "Authorization" in answer["Vary"]
    strong = asked(client, address, f'"other", {first["ETag"].removeprefix("W/")}')
    assert strong.status_code == 304, "it is compared weakly"
    edit_post(post_id=post_id, author_id=bob, changes={"comments_closed": True})
    User.objects.filter(pk__in=[alice, bob]).update(bio="New.")
    refresh_documents(user_ids=[alice, bob])
    refresh_records(post_ids=[post_id])
    changed = asked(client, address, first["ETag"])
    assert changed.status_code == 200
    assert changed["ETag"] != first["ETag"]


def test_a_like_of_somebody_else_is_a_new_etag(alice: int, bob: int, api: Api) -> None:
    (post_id,) = make_posts(bob, 1)
    address = f"/api/v1/posts/{post_id}"
    first = api(alice).get(address)
    like_post(post_id=post_id, user_id=bob)
    refresh_records(post_ids=[post_id])
    liked = asked(api(alice), address, first["ETag"])
    assert liked.status_code == 200
    assert liked.json()["counts"]["likes"] == first.json()["counts"]["likes"] + 1


def test_callers_have_etags_of_their_own(alice: int, bob: int, api: Api) -> None:
    (post_id,) = make_posts(bob, 1)
    api(alice).put(f"/api/v1/posts/{post_id}/like")
    mine, other = (api(id_).get(f"/api/v1/posts/{post_id}")["ETag"] for id_ in (alice, bob))
    assert mine != other
