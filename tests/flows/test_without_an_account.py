"""What people without an account see: public posts with their comments, and profiles."""

from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from typing import Any

import httpx
import pytest

from devstack.lifecycle import Stack
from tests.support.client import PASSWORD, Person, http_client, wait_until
from tests.support.images import jpeg_with_gps

HOSTILE = '"><script>alert(1)</script>\n</title><meta name="x"> \'&amp;<!-- \U0001f30a שלום'


@pytest.fixture
def visitor(stack: Stack) -> Iterator[httpx.Client]:
    """A client without a token."""
    with http_client(stack.layout.public_origin) as http:
        yield http


@pytest.fixture
def ada(signed_up: Callable[[str], Person]) -> Person:
    return signed_up("ada")


@pytest.fixture
def shared(ada: Person, signed_up: Callable[[str], Person]) -> dict[str, Any]:
    """A post of ada's that bea, who follows her, and carl like and comment on; and a reply."""
    bea, carl = signed_up("bea"), signed_up("carl")
    post = ada.post(HOSTILE, jpeg_with_gps())
    bea.follow(ada)
    for person in (bea, carl):
        person.like(post)
        comment = person.comment(post, f"By {person.username}.")
    ada.comment(post, "Thanks.", reply_to=comment["id"])
    return {"post": post, "comment": comment}


def public_addresses(shared: dict[str, Any]) -> list[str]:
    """All that the API answers without a token, about a post and its author."""
    post = f"/api/v1/posts/{shared['post']['id']}"
    author = f"/api/v1/users/{shared['post']['author']['username']}"
    replies = f"{post}/comments?reply_to={shared['comment']['id']}"
    return [post, f"{post}/comments", replies, author, f"{author}/timeline"]


class Head(HTMLParser):
    """The title, the canonical address and the `meta` elements of a page; and its scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.meta: dict[str, str | None] = {}
        self.scripts: list[str | None] = []
        self.canonical: str | None = None
        self.titles: list[str] = []
        self._tag = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self._tag = tag
        if tag == "title":
            self.titles.append("")
        elif tag == "script":
            self.scripts.append(named.get("src"))
        elif tag == "link" and named.get("rel") == "canonical":
            self.canonical = named["href"]
        elif tag == "meta" and (name := named.get("property") or named.get("name")):
            # Of each scheme of colours.
            assert name not in self.meta or name == "theme-color"
            self.meta[name] = named["content"]

    def handle_data(self, data: str) -> None:
        if self._tag == "title":
            self.titles[-1] += data

    def handle_endtag(self, tag: str) -> None:
        self._tag = ""


def head_of(visitor: httpx.Client, path: str) -> Head:
    answer = visitor.get(path)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    return Head(answer.text)


def test_a_visitor_sees_what_somebody_sees_who_follows_and_likes_nobody(
    visitor: httpx.Client, shared: dict[str, Any], signed_up: Callable[[str], Person]
) -> None:
    stranger = signed_up("stranger")
    for address in public_addresses(shared):
        answer = visitor.get(address)
        assert answer.status_code == 200, answer.text
        assert answer.json() == stranger.http.get(address).json()
        assert answer.headers["Cache-Control"] == "private, no-cache"
        assert "authorization" in answer.headers["Vary"].lower()
    (newest, *_) = visitor.get(public_addresses(shared)[1]).json()["results"]
    assert newest["viewer"] == {"liked": False, "may_approve": False}


def test_a_visitors_answers_have_etags_and_pages(
    visitor: httpx.Client, shared: dict[str, Any], ada: Person
) -> None:
    ada.post("Another one.", jpeg_with_gps())
    post, _, _, profile, timeline = public_addresses(shared)
    for address in (post, profile, timeline):
        etag = visitor.get(address).headers["ETag"]
        assert visitor.get(address, headers={"If-None-Match": etag}).status_code == 304
    first = visitor.get(timeline, params={"limit": 1}).json()
    second = visitor.get(first["next"]).json()
    captions = [page["results"][0]["caption"] for page in (first, second)]
    assert captions == ["Another one.", HOSTILE]
    assert second["next"] is None


def test_what_is_hidden_from_people_is_hidden_from_visitors(
    visitor: httpx.Client, shared: dict[str, Any], ada: Person
) -> None:
    post = shared["post"]
    page = f"/p/{post['id']}"
    assert head_of(visitor, page).canonical
    assert ada.http.delete(f"/api/v1/posts/{post['id']}").status_code == 204
    post_addresses, about_author = public_addresses(shared)[:3], public_addresses(shared)[3:]
    for address in post_addresses:
        wait_until(lambda address=address: visitor.get(address).status_code == 404)  # type: ignore[misc]
    wait_until(lambda: head_of(visitor, page).canonical is None)
    assert visitor.get(about_author[1]).json()["results"] == []
    deletion = ada.http.request("DELETE", "/api/v1/users/me", json={"password": PASSWORD})
    assert deletion.status_code == 202
    for address in about_author:
        wait_until(lambda address=address: visitor.get(address).status_code == 404)  # type: ignore[misc]
    wait_until(lambda: head_of(visitor, f"/u/{ada.username}").canonical is None)


def test_a_link_to_a_post_shows_a_preview(
    visitor: httpx.Client, shared: dict[str, Any], ada: Person, stack: Stack
) -> None:
    ada.http.patch("/api/v1/users/me", json={"display_name": "Ada <b>"})
    post = shared["post"]
    wait_until(lambda: "Ada <b>" in str(head_of(visitor, f"/p/{post['id']}").titles))
    head = head_of(visitor, f"/p/{post['id']}")
    title = f"Ada <b> (@{ada.username}) on socialfeed"
    picture = post["media"][0]
    assert head.titles == [title]
    assert head.canonical == f"{stack.layout.public_origin}/p/{post['id']}"
    told = {
        name: content
        for name, content in head.meta.items()
        if name.startswith(("og:", "article:", "twitter:", "description"))
    }
    assert told == {
        "description": " ".join(HOSTILE.split()),
        "og:site_name": "socialfeed",
        "og:type": "article",
        "og:title": title,
        "og:description": " ".join(HOSTILE.split()),
        "og:url": head.canonical,
        "og:image": picture["url"],
        "og:image:width": str(picture["width"]),
        "og:image:height": str(picture["height"]),
        "og:image:alt": picture["alt"],
        "article:published_time": post["created_at"],
        "twitter:card": "summary_large_image",
    }
    assert visitor.get(picture["url"]).status_code == 200
    assert head.scripts == head_of(visitor, "/log-in").scripts


def test_a_link_to_a_profile_shows_a_preview_also_after_a_rename(
    visitor: httpx.Client, shared: dict[str, Any], ada: Person, unique: Callable[[str], str]
) -> None:
    former, present = ada.username, unique("lovelace")
    avatar = ada.upload(jpeg_with_gps())["id"]
    changes = {"username": present, "bio": "Tides.\n" + "x" * 300, "avatar": avatar}
    renamed = ada.http.patch("/api/v1/users/me", json=changes)
    assert renamed.status_code == 200, renamed.text
    for name in (former, present, present.upper()):
        head = head_of(visitor, f"/u/{name}")
        assert head.canonical
        assert head.canonical.endswith(f"/u/{present}")
        assert head.titles == [f"@{present} on socialfeed"]
        described = head.meta["og:description"] or ""
        assert described.startswith("1 post · 1 follower · Tides. xxx")
        assert len(described) == 200
        assert head.meta["og:type"] == "profile"
        assert head.meta["profile:username"] == present
        assert head.meta["og:image"] == renamed.json()["avatar_url"]
        assert head.meta["twitter:card"] == "summary"


@pytest.mark.parametrize(
    "path", ["/p/1", "/p/9223372036854775807", "/p/9999999999999999999", "/p/x", "/u/no.such.one"]
)
def test_a_link_to_nothing_leads_to_the_client_and_has_no_preview(
    visitor: httpx.Client, path: str
) -> None:
    head = head_of(visitor, path)
    assert head.titles == ["socialfeed"]
    assert not [name for name in head.meta if name.startswith("og:")]
