"""A post, and its likes."""

from collections.abc import Callable
from typing import Any

import pytest

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
