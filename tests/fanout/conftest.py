"""What the tests of Fan-out share."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from comments import services as comment_services
from media.models import Media
from tests.belongings import Belongings, settle_down, talk
from tests.media.conftest import stored_keys, upload
from usergraph.services import import_follows

__all__ = ["bobs", "follows", "stored_keys", "upload"]


@pytest.fixture
def follows(alice: int, bob: int) -> None:
    """Alice follows bob."""
    list(import_follows(edges=[(alice, bob)]))


@pytest.fixture
def bobs(alice: int, bob: int, upload: Callable[[int], Media]) -> Belongings:
    """Bob's posts with pictures, avatar and all; alice follows him, likes and comments, he answers,
    and both like what the other has said.
    """
    own = settle_down(bob, alice, upload)
    list(import_follows(edges=[(alice, bob)]))
    said = talk(alice, own)
    answers = talk(bob, Belongings(alice), answers=said)
    comment_services.like_comment(comment_id=answers[0], user_id=alice)
    own.comment_ids = [*said, *answers]
    return own
