"""Which posts a user likes: the newest are cached, SQL answers for older ones."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from posts import selectors, store
from tests.support.posts_factory import make_posts

pytestmark = pytest.mark.django_db


def test_one_who_likes_very_many_posts_sees_it_on_the_oldest_too(
    alice: int,
    bob: int,
    likes: Callable[..., bool],
    monkeypatch: pytest.MonkeyPatch,
    django_assert_num_queries: Any,
) -> None:
    kept = 3
    monkeypatch.setattr(store, "LIKED_LIMIT", kept)
    monkeypatch.setattr(store, "_LIKED_SQL", store._LIKED_SQL.replace("LIMIT 500", f"LIMIT {kept}"))
    ids = make_posts(bob, 7)
    liked = {ids[0], ids[2], ids[3], ids[5], ids[6]}
    for post_id in liked:
        likes(post_id, alice)

    def seen(post_ids: list[int]) -> set[int]:
        documents = selectors.post_documents(post_ids=post_ids, viewer_id=alice)
        return {id_ for id_, one in documents.items() if orjson.loads(one)["viewer"]["liked"]}

    assert seen(ids) == liked
    with django_assert_num_queries(1, using="posts"):
        assert seen(ids) == liked
    with django_assert_num_queries(0, using="posts"):
        assert seen(ids[3:]) == liked - set(ids[:3])
