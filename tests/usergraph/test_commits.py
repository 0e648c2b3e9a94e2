"""What needs a transaction that really commits."""

from collections.abc import Callable

import pytest

from core.http.problems import NotFound
from usergraph import selectors
from usergraph.services import follow_user

pytestmark = pytest.mark.usefixtures("committed")


def test_an_account_that_has_just_gone_cannot_be_followed(person: Callable[[str], int]) -> None:
    alice = person("alice")
    with pytest.raises(NotFound):
        follow_user(follower_id=alice, followee_id=1)
    assert selectors.followed_authors(viewer_id=alice).pushed == []
