"""A post, its likes, and uploads."""

from collections.abc import Callable
from typing import Any

import pytest

from media.models import Media
from posts.services import like_post
from tests.support.posts_factory import make_posts


@pytest.fixture
def post_id(bob: int) -> int:
    """The id of a post of bob's."""
    return make_posts(bob, 1)[0]


@pytest.fixture
def likes(django_capture_on_commit_callbacks: Any) -> Callable[..., bool]:
    """Like a post, or unlike it, as if the transaction committed."""

    def write(post_id: int, user_id: int, verb: Any = like_post) -> bool:
        with django_capture_on_commit_callbacks(using="posts", execute=True):
            return bool(verb(post_id=post_id, user_id=user_id))

    return write


@pytest.fixture
def upload(unique: Callable[[str], str]) -> Callable[[int], int]:
    """Insert the row of an uploaded picture; returns its id."""

    def make(owner_id: int) -> int:
        prefix = f"public/media/{unique('x')}"
        return Media.objects.create(
            owner_id=owner_id, width=4, height=3, byte_size=9, storage_prefix=prefix
        ).pk

    return make
