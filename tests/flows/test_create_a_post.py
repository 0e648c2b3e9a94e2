"""Use cases 1 to 3 over HTTP on the real stack: post, home timeline, profile timeline."""

from collections.abc import Callable

import httpx

from tests.support.client import Person, wait_until
from tests.support.images import decoded, jpeg_with_gps

SECONDS_TO_TIMELINES = 2.0


def test_a_post_reaches_its_followers_and_nobody_else_until_it_is_deleted(
    signed_up: Callable[[str], Person], measured: Callable[[str], None]
) -> None:
    ada, bob, cleo, stranger = (signed_up(name) for name in ("ada", "bob", "cleo", "stranger"))
    for person in (ada, bob, cleo, stranger):
        assert person.home_ids() == []  # also warms the timeline, so that fan-out writes to it
    ada.follow(cleo)
    bob.follow(cleo)
    assert ada.home_ids() == bob.home_ids() == []

    post = cleo.post("Low tide.", jpeg_with_gps((1600, 1200), orientation=6))

    assert cleo.home_ids() == [post["id"]], "one's own post is there at once"
    for number, follower in enumerate((ada, bob), start=1):
        seconds = wait_until(
            lambda follower=follower: follower.home_ids() == [post["id"]],  # type: ignore[misc]
            SECONDS_TO_TIMELINES,
        )
        measured(f"in the home timeline of follower {number} of 2, {seconds * 1000:.0f} ms later")
    shown = ada.get("/timeline/home")["results"][0]
    assert shown == post == ada.get(f"/posts/{post['id']}")
    assert shown["author"]["username"] == cleo.username
    assert shown["caption"] == "Low tide."
    assert ada.get(f"/users/{cleo.username}/timeline")["results"] == [post]
    assert ada.get("/posts", author=cleo.username)["results"] == [post]
    assert stranger.home_ids() == []

    media = post["media"][0]
    full = httpx.get(media["url"])
    assert full.headers["Content-Type"] == "image/jpeg"
    assert "immutable" in full.headers["Cache-Control"]
    sizes = {"full": decoded(full.content).size}
    for name, url in media["variants"].items():
        sizes[name] = decoded(httpx.get(url).raise_for_status().content).size
    assert sizes == {
        "full": (1080, 1440),
        "medium": (640, 853),
        "small": (320, 427),
        "thumb": (320, 320),
    }
    assert sizes["full"] == (media["width"], media["height"])
    assert not decoded(full.content).getexif()
    assert b"GPS" not in full.content
    assert b"taken at home" not in full.content

    described = cleo.http.patch(f"/api/v1/media/{media['id']}", json={"alt": "A beach"})
    shown = media | {"alt": "A beach"}
    assert described.json() == shown | {"state": "ready"}
    for person in (cleo, ada):
        assert person.get("/timeline/home")["results"][0]["media"] == [shown]

    assert cleo.http.delete(f"/api/v1/posts/{post['id']}").status_code == 204
    for person in (ada, bob, cleo, stranger):
        assert person.home_ids() == []
    assert ada.get(f"/users/{cleo.username}/timeline")["results"] == []
    assert ada.http.get(f"/api/v1/posts/{post['id']}").status_code == 404
