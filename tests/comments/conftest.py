"""A post to comment on."""

import pytest

from tests.support.posts_factory import make_posts


@pytest.fixture
def post_id(bob: int) -> int:
    """The id of a post of bob's."""
    return make_posts(bob, 1)[0]
