"""Bad requests to every endpoint: each gets a problem document and stores nothing."""

import base64
import http.client
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from string import Template
from typing import Any

import httpx
import pytest
from django.urls import URLPattern, URLResolver
from django.utils import timezone

from comments.models import Comment, CommentLike
from core.http.pagination import encode_cursor
from core.outbox.models import OutboxEvent
from devstack.layout import HOST
from devstack.lifecycle import Stack
from media.models import Media, Upload
from posts.models import Like, Post, WaitingPost
from socialfeed.problem_types import ADDRESS, PROBLEM_TYPES
from socialfeed.urls import api
from tests.conftest import ALL_DATABASES
from tests.flows.bad_accounts import ACCOUNT_CASES
from tests.flows.bad_comments import COMMENT_CASES
from tests.flows.bad_posts import POST_CASES
from tests.flows.bad_requests import AUTH, CASES, Bad
from tests.support.client import (
    PASSWORD,
    Person,
    http_client,
    reset_login_limits,
    wait_until,
)
from tests.support.direct_uploads import waiting_post
from tests.support.images import jpeg_with_gps
from usergraph.models import Block, Follow, Mute
from users.models import User
from users.services import ensure_account

ALL_CASES = [*CASES, *POST_CASES, *COMMENT_CASES]
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
World = dict[str, str]


def routes(patterns: Sequence[URLPattern | URLResolver], prefix: str = "") -> dict[str, set[str]]:
    """The methods of every route, by its pattern: `/posts/<id:post_id>`."""
    found: dict[str, set[str]] = {}
    for pattern in patterns:
        path = f"{prefix}{pattern.pattern}"
        if isinstance(pattern, URLResolver):
            found |= routes(pattern.url_patterns, path)
        else:
            view: Any = pattern.callback
            found[f"/{path}"] = {name for name in METHODS if hasattr(view.cls, name.lower())}
    return found


ROUTES = routes(api)
# Reads that anybody may send, if PUBLIC_PAGES is on.
PUBLIC = {
    ("GET", "/posts/<id:post_id>"),
    ("GET", "/posts/<id:post_id>/comments"),
    ("GET", "/users/<username:username>"),
    ("GET", "/users/<username:username>/timeline"),
}
ENDPOINTS = sorted((method, route) for route, methods in ROUTES.items() for method in methods)


@pytest.fixture(scope="module")
def world(stack: Stack, django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    """Two people with posts, comments and unused uploads. The first one sends the bad requests."""
    origin = stack.layout.public_origin
    reset_login_limits()
    people: list[Person] = []
    for number, role in enumerate(("me", "other")):
        name = f"{role}_{id(people)}_{number}"
        with django_db_blocker.unblock():
            user_id, _ = ensure_account(
                username=name, email=f"{name}@example.org", password=PASSWORD
            )
        client = http_client(origin)
        login = client.post(
            "/_allauth/app/v1/auth/login", json={"username": name, "password": PASSWORD}
        )
        assert login.status_code == 200, login.text
        meta = login.json()["meta"]
        client.headers["Authorization"] = f"Bearer {meta['access_token']}"
        people.append(Person(name, str(user_id), client, meta))
    me, other = people
    mine, theirs, closed = (
        person.post("Low tide.", jpeg_with_gps()) for person in (me, other, other)
    )
    my_comment = me.comment(theirs, "Lovely.")
    their_comment = other.comment(theirs, "Lovely.")
    their_reply = other.comment(theirs, "Thanks!", reply_to=their_comment["id"])
    elsewhere = other.comment(mine, "Lovely.")
    response = other.http.patch(f"/api/v1/posts/{closed['id']}", json={"comments_closed": True})
    assert response.status_code == 200, response.text
    yield {
        "me": me.username,
        "other": other.username,
        "other_id": other.id,
        "mine": mine["id"],
        "theirs": theirs["id"],
        "closed": closed["id"],
        "my_comment": my_comment["id"],
        "their_comment": their_comment["id"],
        "their_reply": their_reply["id"],
        "elsewhere": elsewhere["id"],
        "used": mine["media"][0]["id"],
        "unused": me.upload(jpeg_with_gps())["id"],
        "foreign": other.upload(jpeg_with_gps())["id"],
        "my_waiting": waiting_post(me),
        "their_waiting": waiting_post(other),
        "token": me.tokens["access_token"],
        "id_cursor": encode_cursor(int(mine["id"])),
        "name_cursor": encode_cursor("a"),
    }
    for person in people:
        person.http.close()


@pytest.fixture
def client(stack: Stack) -> Iterator[httpx.Client]:
    with http_client(stack.layout.public_origin) as nobody:
        yield nobody


@pytest.fixture
def unchanged(world: World, committed: None) -> Iterator[None]:
    """Check that the test changes neither the numbers of rows nor the caller's own rows."""

    def state() -> list[Any]:
        return [
            Media.objects.count(),
            Media.objects.filter(used_as="").count(),
            Post.objects.count(),
            Upload.objects.filter(used_by_id=None).count(),
            WaitingPost.objects.count(),
            WaitingPost.objects.filter(pk=world["my_waiting"]).values("caption", "post_id")[0],
            *(model.objects.count() for model in (Follow, Block, Mute)),
            User.objects.count(),
            *(OutboxEvent.objects.using(alias).count() for alias in ALL_DATABASES),
            *(model.objects.count() for model in (Comment, Like, CommentLike)),
            Post.objects.filter(pk=world["mine"]).values("caption", "comments_closed")[0],
            Comment.objects.filter(pk=world["my_comment"]).values("text", "edited_at")[0],
            User.objects.filter(username=world["me"]).values("display_name", "bio", "password")[0],
        ]

    # Workers may still remove what tests before this one have deleted.
    wait_until(is_settled, 40)
    before = state()
    yield
    assert state() == before


def is_settled() -> bool:
    """Whether all events of the last half minute are delivered."""
    recent = {"done_at": None, "created_at__gt": timezone.now() - timedelta(seconds=30)}
    rows = (OutboxEvent.objects.using(alias).filter(**recent) for alias in ALL_DATABASES)
    return not any(row.exists() for row in rows)


def assert_problem(response: httpx.Response, status: int) -> Any:
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/problem+json", response.text
    document = response.json()
    assert document["status"] == status
    assert {"type", "title", "detail"} <= set(document)
    assert len(document["detail"]) > 10, document
    assert document["type"].removeprefix(ADDRESS) in {*PROBLEM_TYPES, "about:blank"}, document
    assert ("WWW-Authenticate" in response.headers) == (status == 401)
    return document


def send(client: httpx.Client, bad: Bad, world: World, token: str) -> httpx.Response:
    """Send a bad request, with each `$name` replaced by a value of the world."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    if bad.content_type:
        headers["Content-Type"] = bad.content_type
    content = bad.content
    if isinstance(content, str):
        content = Template(content).safe_substitute(world)
    return client.request(
        bad.method,
        Template(bad.path).substitute(world),
        content=content,
        files=bad.files or None,
        data=bad.fields or None,
        headers=headers | bad.headers,
    )


def address(route: str, world: World) -> str:
    """The address of a route, with another user, or their post, comment or media."""
    for converter, name in {
        "<username:username>": "other",
        "<id:user_id>": "other_id",
        "<id:post_id>": "theirs",
        "<id:comment_id>": "their_comment",
        "<id:media_id>": "foreign",
        "<id:waiting_post_id>": "their_waiting",
    }.items():
        route = route.replace(converter, world[name])
    return "/api/v1" + route


def test_every_endpoint_has_bad_requests() -> None:
    assert {(bad.method, bad.route) for bad in ALL_CASES} == set(ENDPOINTS)


@pytest.mark.parametrize("bad", ALL_CASES, ids=str)
def test_a_bad_request_is_explained_and_stores_nothing(
    client: httpx.Client, world: World, unchanged: None, bad: Bad
) -> None:
    bad = replace(bad, path="/api/v1" + bad.path)
    document = assert_problem(send(client, bad, world, world["token"]), bad.status)
    if bad.names:
        assert bad.names in {error["field"] for error in document["errors"]}


@pytest.mark.parametrize("bad", ACCOUNT_CASES, ids=str)
def test_a_bad_request_about_accounts_is_explained_and_stores_nothing(
    client: httpx.Client, world: World, unchanged: None, fresh_login_limits: None, bad: Bad
) -> None:
    token = world["token"] if bad.route.startswith("/account") else ""
    document = assert_problem(send(client, bad, world, token), bad.status)
    if bad.names:
        assert bad.names in {error["field"] for error in document["errors"]}


@pytest.mark.parametrize(("method", "route"), sorted(set(ENDPOINTS) - PUBLIC))
def test_nobody_gets_in_without_a_bearer_token(
    client: httpx.Client, world: World, unchanged: None, method: str, route: str
) -> None:
    url = address(route, world)
    assert_problem(client.request(method, url), 401)
    for header in ("", "Bearer", "Basic YTpi", "Bearer a b", "Bearer .", "Bearer \xe9", "x" * 3000):
        headers = httpx.Headers({"Authorization": header}, encoding="latin-1")
        assert_problem(client.request(method, url, headers=headers), 401)


@pytest.mark.parametrize(("method", "route"), sorted(PUBLIC))
def test_a_public_read_needs_no_token_but_none_that_is_not_valid(
    client: httpx.Client, world: World, unchanged: None, method: str, route: str
) -> None:
    url = address(route, world)
    assert client.request(method, url).status_code == 200
    for header, status in {
        **dict.fromkeys(("", "Basic YTpi", "x" * 3000), 200),
        **dict.fromkeys(("Bearer", "Bearer a b", "Bearer .", "Bearer \xe9"), 401),
    }.items():
        headers = httpx.Headers({"Authorization": header}, encoding="latin-1")
        assert client.request(method, url, headers=headers).status_code == status, header


def test_a_token_whose_header_is_nested_too_deeply_is_refused(
    client: httpx.Client, world: World
) -> None:
    token = base64.urlsafe_b64encode(b"[" * 5000).decode() + ".e30.e30"
    response = client.get("/api/v1/users/me", headers={"Authorization": f"Bearer {token}"})
    assert_problem(response, 401)


@pytest.mark.parametrize("route", ROUTES)
def test_an_unsupported_method_is_refused_and_the_supported_ones_are_listed(
    client: httpx.Client, world: World, unchanged: None, route: str
) -> None:
    for method in set(METHODS) - ROUTES[route]:
        headers = {"Authorization": f"Bearer {world['token']}"}
        response = client.request(method, address(route, world), headers=headers)
        assert_problem(response, 405)
        assert ROUTES[route] <= set(response.headers["Allow"].split(", "))


@pytest.mark.parametrize(
    ("path", "status"),
    [
        pytest.param("/api/v1/nowhere", 404, id="unknown"),
        pytest.param("/api/v1/users/", 404, id="with a slash too many"),
        pytest.param("/api/v2/users/me", 404, id="unknown version"),
        pytest.param("/api/v1/users/" + "x" * 6000, 400, id="a path too long"),
        pytest.param("/api/v1/users?search=" + "x" * 6000, 400, id="a query too long"),
        pytest.param("/api/v1/users?search=a" + "&b=1" * 1001, 400, id="too many parameters"),
    ],
)
def test_an_address_that_does_not_exist_gets_a_problem(
    client: httpx.Client, world: World, path: str, status: int
) -> None:
    headers = {"Authorization": f"Bearer {world['token']}"}
    assert_problem(client.get(path, headers=headers), status)


@pytest.mark.parametrize(
    ("path", "size"),
    [("/api/v1/posts", 1_000_001), ("/api/v1/media", 12_000_001), (f"{AUTH}/auth/login", 10**9)],
)
def test_a_body_that_is_too_large_is_refused_by_its_declared_length(
    stack: Stack, world: World, unchanged: None, path: str, size: int
) -> None:
    connection = http.client.HTTPConnection(HOST, stack.layout.port("caddy"), timeout=5)
    with closing(connection):
        connection.putrequest("POST", path)
        connection.putheader("Content-Length", str(size))
        connection.putheader("Authorization", f"Bearer {world['token']}")
        connection.endheaders()
        connection.send(b" " * 300_000)  # the server reads that much before it closes
        answer = connection.getresponse()
        response = httpx.Response(
            answer.status, headers=dict(answer.headers), content=answer.read()
        )
    assert_problem(response, 413)
