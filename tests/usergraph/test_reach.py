"""Push or pull: by the number of followers, with a gap between the two limits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from usergraph.selectors import edge, followed_authors
from usergraph.services import import_follows, review_reach, settle_reach

pytestmark = pytest.mark.django_db

FOLLOWERS = 4


@pytest.fixture
def author(person: Callable[[str], int]) -> int:
    """Somebody with four followers."""
    author_id = person("author")
    list(import_follows(edges=[(person("follower"), author_id) for _ in range(FOLLOWERS)]))
    return author_id


def settle(author_id: int) -> bool:
    """Review an author and do what fan-out does; returns whether the author is pulled then."""
    reach = review_reach(author_id=author_id)
    if reach.changing:
        settle_reach(author_id=author_id, changing=reach.changing)
        assert review_reach(author_id=author_id).changing is None
    return reach.is_pulled


@given(limits=st.lists(st.integers(0, 8), max_size=12))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_an_author_is_pulled_above_the_limit_and_pushed_again_well_below(
    author: int, settings: Any, limits: list[int]
) -> None:
    """It is the limit that moves here: to the author that is the same."""
    settings.FANOUT_PUSH_LIMIT = 10
    is_pulled = settle(author)
    assert not is_pulled
    for limit in limits:
        settings.FANOUT_PUSH_LIMIT = limit
        if not is_pulled:
            is_pulled = limit < FOLLOWERS
        elif limit * 0.8 >= FOLLOWERS:
            is_pulled = False
        assert settle(author) == is_pulled
        assert edge(viewer_id=author, author_id=author).author_state == (
            "pulled" if is_pulled else "pushed"
        )


def test_while_it_changes_who_reads_anew_already_goes_by_the_new_way(
    author: int, alice: int, settings: Any
) -> None:
    list(import_follows(edges=[(alice, author)]))

    def pulled() -> list[int]:
        return followed_authors(viewer_id=alice).pulled

    assert pulled() == []
    settings.FANOUT_PUSH_LIMIT = 1
    entering = review_reach(author_id=author)
    assert (entering.is_pulled, pulled()) == (True, [author])
    settings.FANOUT_PUSH_LIMIT = 100
    assert review_reach(author_id=author) == entering, "one change is finished before the next"
    assert entering.changing
    settle_reach(author_id=author, changing=entering.changing)
    leaving = review_reach(author_id=author)
    assert (leaving.is_pulled, pulled()) == (False, [])
    settle_reach(author_id=author, changing=entering.changing)
    assert review_reach(author_id=author) == leaving, "who is late ends no later change"
