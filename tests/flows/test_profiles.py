"""Profiles over HTTP: change your own, see another's, find people."""

from collections.abc import Callable

import httpx

from tests.support.client import Person, wait_until
from tests.support.images import decoded, jpeg_with_gps
from tests.support.viewers import STRANGERS
from users.services import import_users


def test_a_profile_is_changed_and_others_see_it(signed_up: Callable[[str], Person]) -> None:
    ada, bob = signed_up("ada"), signed_up("bob")
    picture = ada.upload(jpeg_with_gps((400, 300)))
    renamed = f"{ada.username}.l"
    changes = {
        "username": renamed.upper(),
        "display_name": "Ada 🌊",
        "bio": "Poet of\nnumbers.",
        "avatar": picture["id"],
    }
    response = ada.http.patch("/api/v1/users/me", json=changes)
    assert response.status_code == 200, response.text
    own = response.json()
    assert own == ada.get("/users/me"), "one's own change is there at once"
    assert (own["id"], own["username"]) == (ada.id, renamed)
    assert (own["display_name"], own["bio"]) == (changes["display_name"], changes["bio"])
    assert own["avatar_url"] == picture["variants"]["thumb"]
    assert decoded(httpx.get(own["avatar_url"]).content).size == (300, 300)

    wait_until(lambda: bob.http.get(f"/api/v1/users/{renamed}").status_code == 200, 2)
    assert bob.get(f"/users/{renamed.upper()}") == own
    assert bob.get(f"/users/{ada.username}") == own, "old links lead on"
    assert bob.get(f"/users/by-id/{ada.id}") == own
    reused = {"caption": "", "media": [picture["id"]]}
    assert ada.http.post("/api/v1/posts", json=reused).status_code == 400

    removed = ada.http.patch("/api/v1/users/me", json={"avatar": None}).json()
    assert removed == own | {"avatar_url": None}
    assert ada.get("/users/me") == removed


def test_the_pages_of_a_list_lead_on_after_a_rename(signed_up: Callable[[str], Person]) -> None:
    ada, bob = signed_up("ada"), signed_up("bob")
    posts = [ada.post(f"No. {number}", jpeg_with_gps()) for number in range(3)]
    page = bob.get(f"/users/{ada.username}/timeline", limit=2)
    renamed = f"{ada.username}.l"
    ada.http.patch("/api/v1/users/me", json={"username": renamed}).raise_for_status()
    last = bob.http.get(page["next"]).json()
    shown = [post["id"] for post in page["results"] + last["results"]]
    assert shown == [post["id"] for post in reversed(posts)]
    assert {post["author"]["username"] for post in last["results"]} == {renamed}
    posts.append(ada.post("No. 3", jpeg_with_gps()))
    assert [post["id"] for post in bob.http.get(page["newer"]).json()["results"]] == [
        posts[-1]["id"]
    ]
    taken = bob.http.patch("/api/v1/users/me", json={"username": ada.username})
    assert (taken.status_code, taken.json()["errors"][0]["field"]) == (409, "username")


def test_a_profile_counts_posts_and_followers_and_says_who_follows(
    signed_up: Callable[[str], Person],
) -> None:
    ada, bob = signed_up("ada"), signed_up("bob")
    bob.post("Low tide.", jpeg_with_gps())
    ada.follow(bob)

    shown = ada.get(f"/users/{bob.username}")
    assert shown["counts"] == {"posts": 1, "followers": 1, "following": 0}
    assert shown["viewer"] == STRANGERS | {"following": True}
    seen_by_bob = bob.get(f"/users/{ada.username}")["viewer"]
    assert seen_by_bob == STRANGERS | {"followed_by": True}
    assert bob.get(f"/users/{bob.username}")["viewer"] == STRANGERS
    assert ada.get("/users/me")["counts"] == {"posts": 0, "followers": 0, "following": 1}
    ada.http.delete(f"/api/v1/users/{bob.username}/follow").raise_for_status()
    assert ada.get(f"/users/{bob.username}")["viewer"] == STRANGERS


def test_people_are_found_by_the_beginning_of_their_names_page_by_page(
    signed_up: Callable[[str], Person], committed: None
) -> None:
    zoe = signed_up("zoe")
    names = [zoe.username, *(f"{zoe.username}{tail}" for tail in ("0", "1", "2"))]
    import_users(usernames=names[1:])
    wait_until(lambda: len(zoe.get("/users", search=zoe.username)["results"]) == len(names), 2)
    found: list[str] = []
    page = zoe.get("/users", search=zoe.username.upper(), limit=3)
    found += [user["username"] for user in page["results"]]
    assert len(found) == 3
    page = zoe.http.get(page["next"]).json()
    found += [user["username"] for user in page["results"]]
    assert page["next"] is None
    assert found == names
    assert page["results"][0] == {
        "id": page["results"][0]["id"],
        "username": names[3],
        "display_name": "",
        "avatar_url": None,
        "is_private": False,
        "viewer": STRANGERS,
    }
