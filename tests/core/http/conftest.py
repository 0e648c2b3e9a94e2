"""Requests with an idempotency key, one for each route that creates something."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from media.models import Media
from posts.store import RECORDS
from tests.support.account_data import warm_cached_values
from tests.support.idempotent_requests import json_body, multipart_body, send
from tests.support.images import encoded, plain
from tests.support.posts_factory import make_posts

POSTS, MEDIA = "/api/v1/posts", "/api/v1/media"
PICTURE = encoded(plain())
Api = Callable[[int], Any]
Upload = Callable[..., Media]
Ask = Callable[..., Any]
Requests = dict[str, tuple[str, dict[str, Any]]]


def comments_url(post_id: int) -> str:
    return f"{POSTS}/{post_id}/comments"


@pytest.fixture
def key() -> str:
    """A key that no other test uses: tests over HTTP leave theirs behind."""
    return str(uuid4())


@pytest.fixture
def ask(alice: int, api: Api, key: str) -> Ask:
    """Send a request as alice, with the test's key or another."""

    def with_key(path: str, body: dict[str, Any], key: str | None = key) -> Any:
        return send(api(alice), path, body, key)

    return with_key


@pytest.fixture
def requests(alice: int, bob: int, upload: Upload) -> Requests:
    """One request of alice's for each route that creates something."""
    (post_id,) = make_posts(bob, 1)
    assert RECORDS.get([post_id])[post_id]
    warm_cached_values([bob])
    return {
        "post": (POSTS, json_body(caption="Low tide.", media=[str(upload(alice).pk)])),
        "another post": (POSTS, json_body(media=[str(upload(alice).pk)])),
        "media": (MEDIA, multipart_body(PICTURE, "one", alt="Low tide")),
        "comment": (comments_url(post_id), json_body(text="Lovely.")),
    }
