"""Operations' tasks."""

from typing import Any

import pytest

from comments import services as comment_services
from core.counters import counts
from core.valkey import ValkeyUnavailable
from operations.tasks import settle_counters
from posts import services as post_services
from tests.support.posts_factory import make_posts
from usergraph import services as graph_services
from usergraph.services import follow_user

pytestmark = pytest.mark.django_db


def test_a_database_whose_counters_cannot_be_settled_holds_up_no_other(
    alice: int, bob: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(**arguments: Any) -> int:
        raise ValkeyUnavailable[0]("CACHE is down")

    follow_user(follower_id=alice, followee_id=bob)
    comment_services.add_comment(post_id=make_posts(bob, 1)[0], author_id=alice, text="So.")
    monkeypatch.setattr(post_services, "settle_counters", fail)
    with pytest.raises(ExceptionGroup) as raised:
        settle_counters(of_a_later_release=1)
    assert [str(error) for error in raised.value.exceptions] == ["CACHE is down"]
    for services in (comment_services, graph_services):
        assert services.settle_counters(limit=10) == 0
    assert counts(database="default", subject_ids=[bob, -alice]) == {bob: 1, -alice: 1}
