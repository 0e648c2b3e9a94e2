"""The API of posts."""

from collections.abc import Callable
from typing import Any

import pytest

from posts import store
from posts.services import refresh_records

pytestmark = pytest.mark.django_db


def test_likes_over_the_api(
    alice: int, bob: int, post_id: int, api: Callable[[int], Any], likes: Callable[..., bool]
) -> None:
    url = f"/api/v1/posts/{post_id}"
    for method, liked in ((api(alice).put, True), (api(alice).delete, False)):
        for _ in range(2):
            assert method(f"{url}/like").status_code == 200
        refresh_records(post_ids=[post_id])
        store.refresh(post_ids=[], user_ids=[alice])
        document = api(alice).get(url).json()
        assert (document["counts"]["likes"], document["viewer"]["liked"]) == (int(liked), liked)
    assert api(alice).put("/api/v1/posts/1/like").status_code == 404
