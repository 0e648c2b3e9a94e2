"""Stamps of posts: what a page's ETag is made of."""

from __future__ import annotations

from typing import Any

import pytest

from posts.models import Post
from posts.selectors import post_documents, post_stamps, stamp_of
from posts.services import edit_post
from tests.posts_factory import make_posts
from users.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def posts(alice: int, bob: int) -> list[int]:
    """Two posts by alice and one by bob."""
    return [*make_posts(alice, 2), *make_posts(bob, 1)]


def check(post_ids: list[int]) -> dict[int, bytes]:
    """The stamps, which must be those of the documents."""
    stamps = post_stamps(post_ids=post_ids)
    documents = post_documents(post_ids=post_ids)
    assert stamps == {id_: stamp_of(document) for id_, document in documents.items()}
    return stamps


@pytest.mark.parametrize(
    "changes",
    [
        {"username": "someone_else_9"},
        {"display_name": "Ada"},
        {"avatar_key": "public/media/x/thumb.jpg"},
    ],
)
def test_a_stamp_changes_with_its_author(
    posts: list[int], alice: int, changes: dict[str, Any]
) -> None:
    before = check(posts)
    User.objects.filter(pk=alice).update(**changes)
    after = check(posts)
    assert [before[id_] != after[id_] for id_ in posts] == [True, True, False]


def test_a_stamp_changes_with_its_caption(posts: list[int], alice: int) -> None:
    before = check(posts)
    edit_post(post_id=posts[0], author_id=alice, caption="Edited.")
    after = check(posts)
    assert [before[id_] != after[id_] for id_ in posts] == [True, False, False]


def test_what_is_not_shown_has_no_stamp(posts: list[int], bob: int) -> None:
    User.objects.filter(pk=bob).update(is_active=False)
    Post.objects.filter(pk=posts[0]).delete()
    assert list(check([*posts, 1])) == [posts[1]]
    assert check([]) == {}
