"""A request is sent again after its process died between the commit and what follows it.

The next read of its sender shows what it has done, though the row of the outbox is still leased.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from typing import Any
from uuid import uuid4

import pytest
from django.db import connections
from django.urls import URLPattern, URLResolver, get_resolver

from comments import selectors as comment_selectors
from core.http.idempotency import takes_key
from core.http.repetitions import is_repeatable
from core.outbox import delivery, repetitions
from core.outbox.models import OutboxEvent
from media.models import Media
from posts import selectors
from tests.support.accounts import name_of
from tests.support.deliveries import KilledError, killed
from tests.support.idempotent_requests import json_body, send
from timeline import services as timeline_services

Api = Callable[[int], Any]
V = "/api/v1"
# What follows these is done each time, or is nothing.
ALWAYS_DONE = {
    ("LikeView", "PUT"),
    ("LikeView", "DELETE"),
    ("CommentLikeView", "PUT"),
    ("CommentLikeView", "DELETE"),
    ("SessionsView", "DELETE"),
    ("SessionView", "DELETE"),
}


@pytest.fixture
def alice(committed: None, person: Callable[[str], int]) -> int:
    return person("alice")


@pytest.fixture
def bob(committed: None, person: Callable[[str], int]) -> int:
    return person("bob")


@contextmanager
def dying_after_the_commit() -> Iterator[None]:
    """The process dies once it has taken the lease of a row, or before it wakes a worker."""
    with ExitStack() as ending:
        patch = ending.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(delivery, "_deliver", killed)
        patch.setattr(timeline_services, "deliver_to_own_timelines", killed)
        ending.enter_context(pytest.raises(KilledError))
        yield


def posted(client: Any, path: str, key: str, **body: Any) -> Any:
    return send(client, f"{V}{path}", json_body(**body), key)


def home(client: Any) -> list[str]:
    return [post["id"] for post in client.get(f"{V}/timeline/home").json()["results"]]


def make_post(client: Any, media: Media) -> str:
    answer = posted(client, "/posts", str(uuid4()), media=[str(media.pk)])
    post_id: str = answer.json()["id"]
    return post_id


def test_a_post(alice: int, api: Api, upload: Callable[..., Media]) -> None:
    client, key, media = api(alice), str(uuid4()), upload(alice)
    assert home(client) == [], "the timeline is warm"
    with dying_after_the_commit():
        posted(client, "/posts", key, media=[str(media.pk)])
    assert home(client) == []
    again = posted(client, "/posts", key, media=[str(media.pk)])
    assert again["Idempotent-Replayed"] == "true"
    assert home(client) == [again.json()["id"]]


def test_a_comment_and_its_deletion(
    alice: int, bob: int, api: Api, upload: Callable[..., Media]
) -> None:
    post_id = make_post(api(bob), upload(bob))
    client, key = api(alice), str(uuid4())

    def shown() -> tuple[int, list[str]]:
        post = client.get(f"{V}/posts/{post_id}").json()
        return post["counts"]["comments"], [one["text"] for one in post["recent_comments"]]

    assert shown() == (0, [])
    with dying_after_the_commit():
        posted(client, f"/posts/{post_id}/comments", key, text="Hi")
    assert shown() == (0, [])
    comment_id = posted(client, f"/posts/{post_id}/comments", key, text="Hi").json()["id"]
    assert shown() == (1, ["Hi"])

    address = f"{V}/comments/{comment_id}"
    with dying_after_the_commit():
        client.patch(address, {"text": "Hello"}, format="json")
    assert shown() == (1, ["Hi"])
    client.patch(address, {"text": "Hello"}, format="json")
    assert shown() == (1, ["Hello"])

    with dying_after_the_commit():
        client.delete(address)
    assert shown() == (1, ["Hello"])
    assert client.delete(address).status_code == 404
    assert shown() == (0, [])


def test_one_row_that_fails_holds_up_no_other(
    alice: int, bob: int, api: Api, upload: Callable[..., Media], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deleted comment has a row for a worker, and one for the request. The broker is down."""
    post_id, client = make_post(api(bob), upload(bob)), api(alice)
    comment = posted(client, f"/posts/{post_id}/comments", str(uuid4()), text="Hi").json()
    address = f"{V}/comments/{comment['id']}"
    with dying_after_the_commit():
        client.delete(address)
    monkeypatch.setattr(repetitions, "wake", fail)
    assert client.delete(address).status_code == 404
    assert client.get(f"{V}/posts/{post_id}").json()["counts"]["comments"] == 0


def fail(**arguments: Any) -> None:
    raise ConnectionError("the broker is down")


def test_an_edited_and_a_deleted_post(alice: int, api: Api, upload: Callable[..., Media]) -> None:
    client = api(alice)
    post_id = make_post(client, upload(alice))
    address = f"{V}/posts/{post_id}"
    assert client.get(address).json()["caption"] == ""
    with dying_after_the_commit():
        client.patch(address, {"caption": "Low tide"}, format="json")
    assert client.get(address).json()["caption"] == ""
    assert client.patch(address, {"caption": "Low tide"}, format="json").json()["caption"]
    assert client.get(address).json()["caption"] == "Low tide"

    with dying_after_the_commit():
        client.delete(address)
    assert client.get(address).status_code == 200
    assert client.delete(address).status_code == 404
    assert client.get(address).status_code == 404
    assert home(client) == []


@pytest.mark.parametrize("what", ["post", "comment"])
def test_an_edit_that_was_done_is_answered_so_though_it_is_being_deleted(
    what: str, alice: int, api: Api, upload: Callable[..., Media]
) -> None:
    address, field = f"{V}/posts/{make_post(api(alice), upload(alice))}", "caption"
    module: Any = selectors
    if what == "comment":
        comment = api(alice).post(f"{address}/comments", {"text": "Low"}, format="json").json()
        address, field, module = f"{V}/comments/{comment['id']}", "text", comment_selectors
    render = getattr(module, f"{what}_document")

    def delete() -> int:
        try:
            return int(api(alice).delete(address).status_code)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool, pytest.MonkeyPatch.context() as patch:
        deletions: list[Future[int]] = []

        def render_late(**asked: int) -> Any:
            deletions.append(pool.submit(delete))
            wait(deletions, timeout=0.5)  # it cannot be done: it waits for the edit to commit
            return render(**asked)

        patch.setattr(module, f"{what}_document", render_late)
        edited = api(alice).patch(address, {field: "Low tide"}, format="json")
        assert (edited.status_code, edited.json().get(field)) == (200, "Low tide")
        assert deletions[0].result() == 204
    assert api(alice).get(address).status_code == 404


def test_a_follow_and_its_end(alice: int, bob: int, api: Api, upload: Callable[..., Media]) -> None:
    client, address = api(alice), f"{V}/users/{name_of(bob)}/follow"
    post_id = make_post(api(bob), upload(bob))
    for method, before, after in ((client.put, [], [post_id]), (client.delete, [post_id], [])):
        assert home(client) == before
        with dying_after_the_commit():
            method(address)
        assert home(client) == before
        again = method(address)
        assert again.status_code == 200
        assert again["Consistency-Token"], "the commit of the one that died may not be replicated"
        assert home(client) == after


def test_a_changed_name(alice: int, api: Api) -> None:
    client, address = api(alice), f"{V}/users/me"
    shown = f"{V}/users?search={name_of(alice)}"
    assert client.get(shown).json()["results"][0]["display_name"] != "Alice A."
    with dying_after_the_commit():
        client.patch(address, {"display_name": "Alice A."}, format="json")
    client.patch(address, {"display_name": "Alice A."}, format="json")
    assert client.get(shown).json()["results"][0]["display_name"] == "Alice A."


def test_a_repetition_leaves_what_others_have_announced(
    alice: int, bob: int, person: Callable[[str], int], api: Api
) -> None:
    carol = person("carol")
    address = f"{V}/users/{name_of(bob)}/follow"
    with dying_after_the_commit():
        api(carol).put(address)
    api(alice).put(address)
    api(alice).put(address)
    pending = OutboxEvent.objects.filter(kind="follow_changed", done_at=None)
    assert pending.filter(payload__follower_id=carol).exists()
    assert not pending.filter(payload__follower_id=alice).exists()


def _leaves(node: URLPattern | URLResolver) -> Iterator[Any]:
    if isinstance(node, URLResolver):
        for child in node.url_patterns:
            yield from _leaves(child)
    elif (view := getattr(node.callback, "cls", None)) is not None:
        yield view


def test_every_method_that_writes_can_be_repeated() -> None:
    views = {view for node in get_resolver().url_patterns for view in _leaves(node)}
    ours = [view for view in views if not view.__module__.startswith(("drf_", "allauth"))]
    methods = {
        (view.__name__, verb): getattr(view, verb.lower())
        for view in ours
        for verb in ("POST", "PUT", "PATCH", "DELETE")
        if hasattr(view, verb.lower())
    }
    assert ("PostView", "DELETE") in methods
    once = {
        name for name, method in methods.items() if not (is_repeatable(method) or takes_key(method))
    }
    assert once == ALWAYS_DONE
