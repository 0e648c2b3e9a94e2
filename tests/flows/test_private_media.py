"""Pictures of a private account, and of posts for close friends: signed addresses for who may see
them, and none for others.
"""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from tests.support.client import Person, wait_until
from tests.support.images import jpeg_with_gps

REFUSED = (403, 404)


@pytest.fixture
def owner(member: Callable[[str], Person]) -> Person:
    return member("owner")


@pytest.fixture
def fan(owner: Person, member: Callable[[str], Person]) -> Person:
    fan = member("fan")
    fan.follow(owner)
    return fan


def go(person: Person, *, private: bool) -> None:
    assert person.http.patch("/api/v1/users/me", json={"is_private": private}).is_success


def media_of(person: Person, post: Any) -> Any:
    (media,) = person.get(f"/posts/{post['id']}")["media"]
    return media


def status(url: str) -> int:
    return httpx.get(url).status_code


def is_signed(url: str) -> bool:
    return "X-Amz-Signature" in url


def test_old_addresses_end_when_an_account_becomes_private_and_come_back(
    owner: Person, fan: Person
) -> None:
    picture = owner.upload(jpeg_with_gps())
    owner.http.patch("/api/v1/users/me", json={"avatar": picture["id"]})
    avatar = owner.get("/users/me")["avatar_url"]
    post = owner.post("Low tide.", jpeg_with_gps())
    old = media_of(fan, post)
    assert status(old["url"]) == 200
    assert "expires_at" not in old
    go(owner, private=True)
    wait_until(lambda: status(old["url"]) in REFUSED)
    assert status(avatar) == 200, "a name has its picture everywhere"
    # The record is refreshed just after the objects have moved.
    wait_until(lambda: is_signed(media_of(fan, post)["url"]))
    for viewer in (owner, fan):
        shown = media_of(viewer, post)
        assert shown["expires_at"]
        for url in (shown["url"], *shown["variants"].values()):
            assert status(url) == 200
        assert status(shown["url"].partition("?")[0]) in REFUSED
    (home,) = fan.get("/timeline/home")["results"]
    assert status(home["media"][0]["url"]) == 200
    go(owner, private=False)
    wait_until(lambda: media_of(fan, post) == old)
    assert status(old["url"]) == 200
    assert status(avatar) == 200


def test_what_a_private_account_uploads_is_never_public(owner: Person, fan: Person) -> None:
    go(owner, private=True)
    sent = owner.upload(jpeg_with_gps())
    assert is_signed(sent["url"])
    assert status(sent["url"]) == 200
    own = owner.get(f"/media/{sent['id']}")
    assert (own["state"], is_signed(own["url"])) == ("ready", True)
    created = owner.http.post("/api/v1/posts", json={"caption": "Mine.", "media": [sent["id"]]})
    assert created.status_code == 201
    (in_answer,) = created.json()["media"]
    assert is_signed(in_answer["url"])
    shown = media_of(fan, created.json())
    assert status(shown["url"]) == 200
    # Nor is it at the address that a public one would have.
    public = shown["url"].partition("?")[0].replace("/withheld/", "/public/")
    assert status(public) in REFUSED


def test_an_avatar_of_a_private_account_is_public(owner: Person, fan: Person) -> None:
    go(owner, private=True)
    sent = owner.upload(jpeg_with_gps())
    changed = owner.http.patch("/api/v1/users/me", json={"avatar": sent["id"]})
    avatar = changed.json()["avatar_url"]
    assert not is_signed(avatar)
    assert status(avatar) == 200
    assert fan.get(f"/users/{owner.username}")["avatar_url"] == avatar


def test_pictures_of_a_post_for_close_friends_have_no_public_address(
    owner: Person, fan: Person, member: Callable[[str], Person]
) -> None:
    stranger = member("stranger")
    sent = owner.upload(jpeg_with_gps())
    assert status(sent["url"]) == 200, "as long as nobody knows what it is for"
    assert owner.http.put(f"/api/v1/users/{fan.username}/close-friend").is_success
    body = {"media": [sent["id"]], "audience": "close_friends"}
    post = owner.http.post("/api/v1/posts", json=body).json()
    assert post["audience"] == "close_friends"
    assert all(is_signed(url) for url in (post["media"][0]["url"], media_of(fan, post)["url"]))
    wait_until(lambda: status(media_of(fan, post)["url"]) == 200)
    wait_until(lambda: status(sent["url"]) in REFUSED)
    assert stranger.http.get(f"/api/v1/posts/{post['id']}").status_code == 404
    # It stays so when the account comes back to the public.
    open_post = owner.post("For everyone.", jpeg_with_gps())
    go(owner, private=True)
    wait_until(lambda: is_signed(media_of(fan, open_post)["url"]))
    go(owner, private=False)
    wait_until(lambda: not is_signed(media_of(fan, open_post)["url"]))
    assert status(sent["url"]) in REFUSED
    shown = media_of(fan, post)["url"]
    assert is_signed(shown)
    assert status(shown) == 200
